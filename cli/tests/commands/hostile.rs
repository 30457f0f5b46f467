//! Nothing that others wrote steers a terminal or a CI run: every command and form, with names, values, paths, URLs and
//! arguments that try to.

use std::collections::BTreeSet;

use clap::{Command, CommandFactory as _};
use gatewright_cli::args::Cli;
use gatewright_diagnostics::outlet::is_hidden;

use super::support::{Folder, Run, SERVICE, ingress, run};

/// Ends lines, starts commands, moves the cursor, turns the direction, is not seen, mentions, links and marks up.
pub(super) const EVIL: &str = "x\u{1b}[2J\u{1b}]0;t\u{7}\u{9b}31m\u{202e}\u{200b}\r\n::error::forged\n  ##[error]forged \
                    <img src=x> @someone [a](http://evil.example) | \"];} ` -->";

/// Names of files have no slash.
pub(super) const FILE: &str = "x\u{1b}[2J\u{202e}\n::error::forged\n##[error]y\u{200b}";

/// Returns a text as YAML and JSON have it in quotes, with an escape for everything beyond ASCII.
pub(super) fn quoted(text: &str) -> String {
    let escaped = |c: char| match c {
        ' '..='~' if c != '"' && c != '\\' => c.to_string(),
        c => format!("\\u{:04x}", u32::from(c)),
    };
    format!("\"{}\"", text.chars().map(escaped).collect::<String>())
}

fn evil() -> String {
    quoted(EVIL)
}

/// Manifests without errors, as far as the text allows that.
pub(super) fn sound(folder: &Folder) {
    let redirect = ingress("redirect", "redirect.example.com").replace(
        "spec:",
        &format!(
            "  annotations:\n    nginx.ingress.kubernetes.io/permanent-redirect: {}\n    \
             higress.io/request-header-control-add: {}\n    foreign.example.com/x: {}\nspec:",
            quoted(&format!("http://a.example/{}", EVIL.replace(['\r', '\n'], ""))),
            quoted("x-a \u{202e}\u{200b}##[error]"),
            evil()
        ),
    );
    let config = format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: other\n  namespace: shop\ndata:\n  {}: {}\n",
        evil(),
        evil()
    );
    folder.write(&format!("shop/{FILE}.yaml"), &redirect);
    folder.write("shop/web.yaml", &format!("{SERVICE}---\n{config}"));
    let test = format!(
        "tests:\n- name: {}\n  request: {}\n  expect:\n    status: 299\n",
        evil(),
        quoted("GET http://redirect.example.com/")
    );
    folder.write("shop/routes.gwtest.yaml", &test);
}

/// Manifests with the text where it is wrong.
pub(super) fn broken(folder: &Folder) {
    let field = |text: &str, from: &str, to: &str| text.replace(from, to);
    let web = ingress("web", "web.example.com");
    let annotated =
        |key: &str| web.replace("spec:", &format!("  annotations:\n    {key}: {}\nspec:", evil()));
    let texts = [
        field(&web, "host: web.example.com", &format!("host: {}", evil())),
        field(&web, "path: /", &format!("path: {}", quoted(&format!("/{EVIL}")))),
        field(&web, "name: web\n  namespace", &format!("name: {}\n  namespace", evil())),
        field(&web, "namespace: shop", &format!("namespace: {}", evil())),
        field(&web, "ingressClassName: higress", &format!("ingressClassName: {}", evil())),
        field(&web, "            name: web", &format!("            name: {}", evil())),
        field(&web, "pathType: Prefix", &format!("pathType: {}\n        {}: x", evil(), evil())),
        web.replace("spec:", &format!("spec:\n  tls:\n  - hosts: [{}]\n    secretName: {}", evil(), evil())),
        annotated("higress.io/timeout"),
        annotated("higress.io/destination"),
        annotated("nginx.ingress.kubernetes.io/whitelist-source-range"),
        annotated(&quoted(&format!("higress.io/{EVIL}"))),
        format!("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {}\n", evil()),
        format!("apiVersion: {}\nkind: {}\nmetadata:\n  name: {}\n", evil(), evil(), evil()),
        format!("apiVersion: v1\nkind: Secret\nmetadata:\n  name: s\ntype: {}\n", evil()),
        format!("a: *{}\n", EVIL.split('\r').next().unwrap_or_default()),
    ];
    for (index, text) in texts.iter().enumerate() {
        folder.write(&format!("bad/{index}{FILE}.yaml"), text);
    }
    folder.write("settings.yaml", &format!("{}: {}\nprofile: {}\n", evil(), evil(), evil()));
    folder.write("risks.yaml", &format!("{}: {}\n", evil(), evil()));
}

/// Returns what is run of a command, without its format; none for what has no foreign input.
fn runs_of(command: &str) -> Vec<Vec<String>> {
    let arguments = |runs: &[&[&str]]| -> Vec<Vec<String>> {
        runs.iter().map(|run| run.iter().map(|word| (*word).to_owned()).collect()).collect()
    };
    let missing = format!("git:{FILE}");
    let url = format!("GET http://redirect.example.com/{}?q={EVIL}", EVIL.replace(' ', ""));
    let header = format!("x-a: {EVIL}");
    match command {
        "validate" | "compile" | "graph" | "test" => arguments(&[
            &[command, "shop"],
            &[command, "bad"],
            &[command, "shop", "--config", "settings.yaml"],
            &[command, &missing],
            &[command, &format!("git+file:///{FILE}@{FILE}")],
            &[command, FILE],
        ]),
        "trace" => arguments(&[
            &[command, "shop", "GET http://redirect.example.com/x?y=\u{202e}\u{9b}##[error]"],
            &[command, "shop", &url],
            &[command, "shop", "http://redirect.example.com/", "-H", &header],
            &[command, "shop", "http://redirect.example.com/", "--sni", EVIL],
            &[command, "bad", "http://redirect.example.com/"],
        ]),
        "plan" => arguments(&[
            &[command, "shop", "--base", "empty"],
            &[command, "empty", "--base", "shop", "--show-xds"],
            &[command, "bad", "--base", "shop"],
            &[command, "shop", "--base", &missing],
            &[command, "shop", "--base", "empty", "--risk-config", "risks.yaml"],
        ]),
        "gateway" | "xds" => arguments(&[&[command, "bad"], &[command, &missing]]),
        "sync" => arguments(&[&[command, &missing, "--control", FILE, "--once"]]),
        "apply" => arguments(&[
            &[command, "shop", "--yes", "--control", FILE],
            &[command, "bad", "--yes", "--control", FILE],
        ]),
        "import" => arguments(&[&[command, "--cluster", EVIL, "--kubeconfig", FILE, "made"]]),
        "explain" | "schema" | "completions" => {
            arguments(&[&[command, EVIL], &[command, &format!("--{EVIL}")]])
        }
        "version" => arguments(&[&[command, &format!("--format={EVIL}")]]),
        // They write their own inputs, and have no more than options.
        "demo" | "demo-backends" => arguments(&[
            &[command, &format!("--{EVIL}")],
            &[command, "--http", EVIL],
            &[command, "--forged", FILE],
        ]),
        other => panic!("`{other}` has no hostile runs yet"),
    }
}

fn formats(command: &Command) -> Vec<Option<String>> {
    let format = command.get_arguments().find(|argument| argument.get_id() == "format");
    match format {
        None => vec![None],
        Some(format) => {
            format.get_possible_values().iter().map(|value| Some(value.get_name().to_owned())).collect()
        }
    }
}

fn options(command: &Command) -> BTreeSet<String> {
    let own = command.get_arguments().filter_map(|argument| argument.get_long());
    own.chain(["color", "help", "version"]).map(|long| format!("--{long}")).collect()
}

#[test]
fn no_form_of_any_command_lets_others_speak() {
    let folder = Folder::new();
    folder.write("empty/empty.yaml", SERVICE);
    sound(&folder);
    broken(&folder);
    let mut seen = 0;
    for command in Cli::command().get_subcommands() {
        for words in runs_of(command.get_name()) {
            for format in formats(command) {
                let mut words = words.clone();
                let given = words.iter().any(|word| word.starts_with("--format"));
                words.extend(format.iter().filter(|_| !given).map(|format| format!("--format={format}")));
                let words: Vec<&str> = words.iter().map(String::as_str).collect();
                let run = run(folder.path(), &words, "");
                check(&run, format.as_deref().unwrap_or("text"), &words);
                check_options(&run, command, &words);
                seen += usize::from((run.stdout + &run.stderr).contains("forged"));
            }
        }
    }
    assert!(seen > 40, "only {seen} runs show what is hostile");
}

#[test]
fn colors_let_nobody_speak_either() {
    let folder = Folder::new();
    sound(&folder);
    broken(&folder);
    for words in [
        &["validate", "bad"][..],
        &["trace", "shop", "GET http://redirect.example.com/x?y=\u{9b}##[error]forged"],
        &["plan", "shop", "--base", "bad"],
        &["test", "shop"],
    ] {
        let words: Vec<&str> = words.iter().copied().chain(["--color=always"]).collect();
        let run = run(folder.path(), &words, "");
        assert!(run.stdout.contains('\u{1b}') || run.stderr.contains('\u{1b}'), "{run:?}");
        let plain = |text: &str| without_colors(text);
        check(
            &Run { code: run.code, stdout: plain(&run.stdout), stderr: plain(&run.stderr) },
            "text",
            &words,
        );
    }
}

/// Removes the sequences that our own colors are made of.
fn without_colors(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, sequence)) = rest.split_once("\u{1b}[") {
        out.push_str(before);
        let end = sequence.find(|c: char| !c.is_ascii_digit() && c != ';').unwrap_or(sequence.len());
        match sequence[end..].strip_prefix('m') {
            Some(behind) => rest = behind,
            None => {
                out.push_str("\u{1b}[");
                rest = sequence;
            }
        }
    }
    out + rest
}

fn check(run: &Run, format: &str, words: &[&str]) {
    for text in [&run.stdout, &run.stderr] {
        check_text(text, format, &format!("{words:?}"));
    }
    match format {
        "json" | "sarif" | "gitlab" | "xds-json" if !run.stdout.is_empty() => {
            run.json();
        }
        "markdown" => check_markdown(&run.stdout),
        "dot" => {
            let inner = run.stdout.lines().filter(|line| line.starts_with("  ") && line.contains('['));
            assert!(inner.clone().all(|line| line.ends_with("];")), "{}", run.stdout);
        }
        "mermaid" => {
            assert!(run.stdout.lines().skip(1).all(|line| line.starts_with("  n")), "{}", run.stdout);
            assert!(!run.stdout.contains("<img") && !run.stdout.contains('`'), "{}", run.stdout);
        }
        "junit" => assert!(!run.stdout.contains("<img"), "{}", run.stdout),
        _ => {}
    }
}

/// Nothing in a text is unseen, and nothing is a command.
pub(super) fn check_text(text: &str, format: &str, what: &str) {
    let unmentioned = text.replace("@\u{200b}", "@");
    let text = if format == "markdown" { &unmentioned } else { text };
    let hidden = text.chars().find(|&c| is_hidden(c) && c != '\n' && c != '\t');
    assert_eq!(hidden, None, "{what}\n{text:?}");
    assert!(!text.contains("##["), "{what}\n{text}");
    let annotation = |line: &str| format == "github" && line.starts_with("::") && line.contains(" file=");
    let command = text.lines().find(|line| line.trim_start().starts_with("::") && !annotation(line));
    assert_eq!(command, None, "{what}\n{text}");
}

/// Outside of code there is no markup of others.
fn check_markdown(text: &str) {
    let mut fence: Option<usize> = None;
    for line in text.lines() {
        let ticks = line.trim_start().chars().take_while(|c| *c == '`').count();
        match fence {
            Some(length) if ticks >= length => fence = None,
            None if ticks >= 3 => fence = Some(ticks),
            Some(_) => {}
            None => {
                let prose = without_code(line);
                for markup in ["<img", "@someone", "](http", "://"] {
                    assert!(!prose.contains(markup), "{markup} in {line}");
                }
            }
        }
    }
    assert_eq!(fence, None, "{text}");
}

/// Removes spans of code from a line.
fn without_code(line: &str) -> String {
    let mut out = String::new();
    let mut rest = line;
    while let Some(at) = rest.find('`') {
        let length = rest[at..].chars().take_while(|c| *c == '`').count();
        let fence = "`".repeat(length);
        let behind = &rest[at + length..];
        out.push_str(&rest[..at]);
        match behind
            .match_indices(&fence)
            .map(|(end, _)| end)
            .find(|&end| !behind[end + length..].starts_with('`') && !behind[..end].ends_with('`'))
        {
            Some(end) => rest = &behind[end + length..],
            None => rest = behind,
        }
    }
    out + rest
}

/// An option that a text names is one of the command, unless the text names another command for it.
fn check_options(run: &Run, command: &Command, words: &[&str]) {
    let options = options(command);
    for line in run.stderr.lines().chain(run.stdout.lines()) {
        if !line.contains("help:") && !line.starts_with("error:") && !line.contains("(all of them") {
            continue;
        }
        if line.contains("gatewright ") || line.contains("unexpected argument") || line.contains("git config")
        {
            continue;
        }
        for word in line.split(|c: char| !c.is_ascii_alphanumeric() && c != '-') {
            let is_option = word
                .strip_prefix("--")
                .is_some_and(|name| name.starts_with(|c: char| c.is_ascii_lowercase()));
            assert!(!is_option || options.contains(word), "{words:?} has no {word}: {line}");
        }
    }
}
