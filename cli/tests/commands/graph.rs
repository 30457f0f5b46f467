//! `graph`: forms and focus.

use super::support::{Folder, broken_ingress};

#[test]
fn every_form_shows_the_same_edges() {
    let folder = Folder::clean();
    let json = folder.run(&["graph", "shop", "--format", "json"]).json();
    assert_eq!(json["format"], "gatewright-graph/1");
    let edges = json["edges"].as_array().unwrap();
    let routes = serde_json::json!({
        "from": "Ingress/shop/web", "reference": "routes", "to": "host/shop.example.com",
    });
    assert!(edges.contains(&routes), "{json:#}");
    let text = folder.run(&["graph", "shop"]).stdout;
    assert!(text.starts_with("Ingress shop/web\n  routes           host shop.example.com\n"), "{text}");
    assert!(text.ends_with(&format!("{} references\n", edges.len())), "{text}");
    let dot = folder.run(&["graph", "shop", "--format", "dot"]).stdout;
    assert_eq!(dot.matches(" -> ").count(), edges.len(), "{dot}");
    let mermaid = folder.run(&["graph", "shop", "--format", "mermaid"]).stdout;
    assert_eq!(mermaid.matches(" -->|").count(), edges.len(), "{mermaid}");
}

#[test]
fn a_focus_shows_one_side() {
    let folder = Folder::clean();
    let nodes = |arguments: &[&str]| -> Vec<String> {
        let run = folder.run(&[&["graph", "shop", "--format", "json", "--focus"][..], arguments].concat());
        let json = run.json();
        json["nodes"].as_array().unwrap().iter().map(|node| node["id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(nodes(&["Service/shop/web", "--depends-on"]), ["Service/shop/web"]);
    assert!(nodes(&["Service/shop/web", "--dependents"]).contains(&"Ingress/shop/web".to_owned()));
    assert!(nodes(&["host/shop.example.com"]).contains(&"Ingress/shop/web".to_owned()));
}

#[test]
fn errors_are_told_beside_the_graph() {
    let folder = Folder::clean();
    folder.write("shop/broken.yaml", &broken_ingress("broken", "broken.example.com"));
    let run = folder.run(&["graph", "shop"]);
    assert_eq!(run.code, 1);
    assert!(run.stderr.contains("error[GW0101]") && !run.stderr.contains("warning["), "{run:?}");
    assert!(run.stdout.contains("Ingress shop/web\n"), "{run:?}");
}
