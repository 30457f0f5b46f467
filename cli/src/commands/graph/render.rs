//! The forms of the dependency graph. Nodes and edges come sorted, so that equal graphs give equal texts.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use gatewright_compiler::graph::{DependencyGraph, Node, Reference};
use gatewright_diagnostics::outlet::graph::{dot as quoted, mermaid as label};
use gatewright_diagnostics::outlet::visible;
use serde_json::{Value, json};

/// Name and number of the JSON form.
const FORMAT: &str = "gatewright-graph/1";

/// Renders the graph for a person: each node with what it refers to, then what nothing refers to and what is missing.
pub(super) fn text(graph: &DependencyGraph) -> String {
    let mut out = String::new();
    let mut referred: BTreeMap<&Node, Vec<&Node>> = BTreeMap::new();
    for (from, _, to) in graph.edges() {
        referred.entry(to).or_default().push(from);
    }
    let mut lonely = Vec::new();
    let mut leaves = Vec::new();
    for node in graph.nodes() {
        let references = graph.references_of(node);
        match (references.is_empty(), referred.contains_key(node)) {
            (true, false) => lonely.push(node),
            (true, true) => leaves.push(node),
            (false, _) => {
                writeln!(out, "{}", shown(node)).expect("writing to a string");
                for (reference, target) in references {
                    writeln!(out, "  {:<16} {}", reference.to_string(), shown(target))
                        .expect("writing to a string");
                }
                out.push('\n');
            }
        }
    }
    let missing = |node: &&&Node| matches!(node, Node::External(_) | Node::UnknownService(_));
    section(&mut out, "Not in the source", leaves.iter().filter(missing), |node| {
        let users: BTreeSet<String> =
            referred.get(node).into_iter().flatten().map(|user| shown(user)).collect();
        format!(", needed by {}", users.into_iter().collect::<Vec<_>>().join(", "))
    });
    section(&mut out, "Connected with nothing", lonely.iter(), |_| String::new());
    let (nodes, edges) = (graph.nodes().count(), graph.edges().count());
    writeln!(out, "{}, {}", counted(nodes, "node"), counted(edges, "reference"))
        .expect("writing to a string");
    out
}

fn section<'a>(
    out: &mut String,
    title: &str,
    nodes: impl Iterator<Item = &'a &'a Node>,
    remark: impl Fn(&Node) -> String,
) {
    let lines: Vec<String> =
        nodes.map(|node| format!("  {}{}\n", visible(&name(node)), remark(node))).collect();
    if !lines.is_empty() {
        writeln!(out, "{title}\n{}", lines.concat()).expect("writing to a string");
    }
}

fn shown(node: &Node) -> String {
    visible(&node.to_string()).into_owned()
}

fn counted(count: usize, word: &str) -> String {
    if count == 1 { format!("1 {word}") } else { format!("{count} {word}s") }
}

/// Renders the graph for Graphviz.
pub(super) fn dot(graph: &DependencyGraph) -> String {
    let mut out =
        "digraph gatewright {\n  rankdir=LR;\n  node [shape=box, fontname=\"sans-serif\"];\n".to_owned();
    for node in graph.nodes() {
        let style = match node {
            Node::Entity(_) => "",
            Node::External(_) | Node::UnknownService(_) => ", style=dashed",
            Node::Host(_) => ", shape=ellipse",
            Node::RegistryService(_) => ", style=rounded",
        };
        writeln!(out, "  {} [label={}{style}];", quoted(&id(node)), quoted(&name(node)))
            .expect("writing to a string");
    }
    for (from, reference, to) in graph.edges() {
        let label = quoted(&reference.to_string());
        writeln!(out, "  {} -> {} [label={label}];", quoted(&id(from)), quoted(&id(to)))
            .expect("writing to a string");
    }
    out + "}\n"
}

/// Renders the graph for Mermaid.
pub(super) fn mermaid(graph: &DependencyGraph) -> String {
    let numbers: BTreeMap<&Node, usize> =
        graph.nodes().enumerate().map(|(number, node)| (node, number)).collect();
    let mut out = "flowchart LR\n".to_owned();
    for (node, number) in &numbers {
        let text = label(&name(node));
        let (open, close) = match node {
            Node::Host(_) => ("([", "])"),
            Node::External(_) | Node::UnknownService(_) => ("[/", "/]"),
            Node::Entity(_) | Node::RegistryService(_) => ("[", "]"),
        };
        writeln!(out, "  n{number}{open}\"{text}\"{close}").expect("writing to a string");
    }
    for (from, reference, to) in graph.edges() {
        writeln!(out, "  n{} -->|{reference}| n{}", numbers[from], numbers[to]).expect("writing to a string");
    }
    out
}

/// Renders the graph as one JSON object.
pub(super) fn json(graph: &DependencyGraph) -> String {
    let edge = |(from, reference, to): (&Node, Reference, &Node)| json!({ "from": id(from), "reference": reference, "to": id(to) });
    let document = json!({
        "format": FORMAT,
        "nodes": graph.nodes().map(member).collect::<Vec<Value>>(),
        "edges": graph.edges().map(edge).collect::<Vec<Value>>(),
    });
    format!("{document:#}\n")
}

fn member(node: &Node) -> Value {
    match node {
        Node::Entity(key) | Node::External(key) => json!({
            "id": id(node),
            "type": if matches!(node, Node::Entity(_)) { "entity" } else { "external" },
            "kind": key.kind,
            "namespace": key.namespace,
            "name": key.name,
        }),
        Node::Host(name) => json!({ "id": id(node), "type": "host", "name": name }),
        Node::RegistryService(name) => json!({ "id": id(node), "type": "registry-service", "name": name }),
        Node::UnknownService(name) => json!({ "id": id(node), "type": "unknown-service", "name": name }),
    }
}

/// Returns the node as `--focus` takes it.
fn id(node: &Node) -> String {
    match node {
        Node::Entity(key) | Node::External(key) if key.namespace.is_empty() => {
            format!("{}/{}", key.kind.as_str(), key.name)
        }
        Node::Entity(key) | Node::External(key) => {
            format!("{}/{}/{}", key.kind.as_str(), key.namespace, key.name)
        }
        Node::Host(name) => format!("host/{name}"),
        Node::RegistryService(name) | Node::UnknownService(name) => format!("service/{name}"),
    }
}

/// Returns the node's name without remark.
fn name(node: &Node) -> String {
    match node {
        Node::External(key) => key.to_string(),
        other => other.to_string(),
    }
}
