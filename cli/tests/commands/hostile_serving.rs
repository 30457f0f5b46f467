//! Nothing that others wrote steers whoever reads the pages and logs of what serves, nor does the name of a branch.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use gatewright_testkit::free_port;
use gatewright_testkit::git::TempRepo;
use gatewright_testkit::http::Call;
use gatewright_testkit::process::ChildProcess;

use super::hostile::{EVIL, broken, check_text, sound};
use super::support::{Folder, SERVICE, ingress, program, run};

const SOON: Duration = Duration::from_secs(60);
/// What git takes as the name of a branch.
const BRANCH: &str = "x\u{9b}31m\u{202e}\u{200b}##;error<img-src=x>`$(forged)";

fn local() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], free_port()))
}

fn spawn(folder: &Folder, arguments: &[&str]) -> ChildProcess {
    let mut command = program(folder.path());
    ChildProcess::spawn(arguments[0], command.args(arguments).env("GATEWRIGHT_LOG", "debug"))
}

/// Manifests of which some are served, and more that are not.
fn served(folder: &Folder) {
    sound(folder);
    folder.write("shop/ok.yaml", &ingress("ok", "ok.example.com"));
    broken(folder);
    // Settings of their own are read by other tests.
    std::fs::rename(folder.path().join("bad"), folder.path().join("shop/bad")).expect("a folder moves");
}

/// Sends bytes as they are and returns what comes back.
fn raw(address: SocketAddr, request: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).expect("the gateway listens");
    stream.set_read_timeout(Some(SOON)).expect("a time to wait");
    stream.write_all(request).ok();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok();
    answer
}

fn send_hostile_requests(address: SocketAddr) {
    let lines = EVIL.replace(['\r', '\n'], "");
    let word = lines.replace(' ', "");
    for (method, path, host, header) in [
        ("GET", format!("/{word}"), "ok.example.com".to_owned(), lines.clone()),
        ("GET", format!("/x?y={word}"), word.clone(), lines.clone()),
        (
            "GET",
            "/\u{9b}\u{202e}##[error]::error::".to_owned(),
            "ok.example.com".to_owned(),
            "\u{9b}##[error]\u{202e}".to_owned(),
        ),
        ("FORGED", "/".to_owned(), "ok.example.com".to_owned(), "x".to_owned()),
        ("G\u{9b}T", "/".to_owned(), "ok.example.com".to_owned(), "x".to_owned()),
    ] {
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: {header}\r\nX-Request-Id: {header}\r\n\
             X-Forwarded-For: {header}\r\nConnection: close\r\n\r\n"
        );
        raw(address, request.as_bytes());
    }
    let head = raw(address, b"GET /\xc2\x9b?\xe2\x80\xae HTTP/1.1\r\nHost: redirect.example.com\r\nUser-Agent: last\r\nConnection: close\r\n\r\n");
    let head = String::from_utf8_lossy(&head).into_owned();
    assert!(head.starts_with("HTTP/1.1 "), "{head}");
    let odd = head.chars().find(|c| !matches!(c, ' '..='~' | '\r' | '\n'));
    assert_eq!(odd, None, "{head:?}");
    assert!(!head.contains("\n::") && !head.to_lowercase().contains("\nforged"), "{head}");
}

#[test]
fn no_page_and_no_log_of_a_serving_command_lets_others_speak() {
    let folder = Folder::new();
    served(&folder);
    let (http, https, admin, listen) = (local(), local(), local(), local());
    let [http_text, https_text, admin_text] = [http, https, admin].map(|address| address.to_string());
    let mut gateway = spawn(
        &folder,
        &[
            "gateway",
            "shop",
            "--keep-going",
            "--control",
            "c.sock",
            "--http",
            &http_text,
            "--https",
            &https_text,
            "--admin",
            &admin_text,
        ],
    );
    gateway.wait_for_http(admin, "/ready", SOON);
    send_hostile_requests(http);
    gateway.wait_for_log("\"user_agent\":\"last\"", SOON);
    for page in ["/", "/ready", "/config_dump", "/clusters", "/listeners", "/stats/prometheus", "/\u{202e}"] {
        let Ok(answer) = Call::get(admin, "localhost", page).send() else { continue };
        let json = page == "/config_dump";
        check_text(&answer.text(), if json { "json" } else { "text" }, page);
        assert!(!json || answer.json()["configs"].is_array());
    }
    let log = gateway.log();
    check_text(&log, "text", "gateway");
    let lines: Vec<&str> = log.lines().filter(|line| line.starts_with("{\"authority\"")).collect();
    assert!(lines.len() >= 3, "{log}");
    for line in lines {
        serde_json::from_str::<serde_json::Value>(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    }

    let listen_text = listen.to_string();
    let mut sync = spawn(
        &folder,
        &[
            "sync",
            "shop",
            "--control",
            "c.sock",
            "--control",
            "x\u{9b}\u{202e}##[error].sock",
            "--listen",
            &listen_text,
            "--status-file",
            "status.json",
        ],
    );
    sync.wait_for_http(listen, "/ready", SOON);
    for page in ["/status", "/metrics"] {
        let answer = Call::get(listen, "localhost", page).send().expect(page);
        check_text(&answer.text(), "json", page);
    }
    check_text(&folder.read("status.json"), "json", "the status file");
    check_text(&sync.log(), "text", "sync");
}

#[test]
fn no_name_of_a_branch_and_no_message_of_a_commit_speaks() {
    let repository = TempRepo::new();
    repository.write("web.yaml", &(ingress("web", "web.example.com") + "---\n" + SERVICE)).commit(EVIL);
    repository.git(&["checkout", "--quiet", "-b", BRANCH]);
    repository.write("more.yaml", &ingress("more", "more.example.com")).commit(EVIL);
    repository.write("bad.yaml", "kind: Ingress\nspec: [\n").commit(EVIL);
    let elsewhere = Folder::new();
    let local = format!("git:{BRANCH}");
    let (remote, missing) =
        (format!("git+{}@{BRANCH}", repository.url()), format!("git+{}@{BRANCH}x", repository.url()));
    let good = format!("git:{BRANCH}~1");
    let mut seen = 0;
    for (folder, arguments) in [
        (repository.path(), vec!["validate", local.as_str(), "--format", "FORMAT"]),
        (repository.path(), vec!["validate", &good, "--format", "FORMAT"]),
        (elsewhere.path(), vec!["validate", &remote, "--format", "FORMAT"]),
        (elsewhere.path(), vec!["validate", &missing, "--format", "FORMAT"]),
    ] {
        for format in ["text", "json", "sarif", "junit", "github", "gitlab"] {
            let arguments: Vec<&str> =
                arguments.iter().map(|word| if *word == "FORMAT" { format } else { word }).collect();
            let run = run(folder, &arguments, "");
            check_text(&run.stdout, format, &format!("{arguments:?}"));
            check_text(&run.stderr, format, &format!("{arguments:?}"));
        }
    }
    for format in ["text", "json", "markdown"] {
        let arguments = ["plan", &good, "--base", "git:main", "--format", format];
        let run = run(repository.path(), &arguments, "");
        assert_eq!(run.code, 0, "{run:?}");
        check_text(&run.stdout, format, &format!("{arguments:?}"));
        check_text(&run.stderr, format, &format!("{arguments:?}"));
        seen += usize::from(run.stdout.contains("forged"));
    }
    for arguments in [
        vec!["sync", &remote, "--once", "--control", "none.sock", "--status-file", "status.json"],
        vec!["sync", &missing, "--once", "--control", "none.sock"],
        vec!["apply", &remote, "--yes", "--control", "none.sock"],
        vec!["gateway", &missing],
        vec!["xds", &missing],
        vec!["trace", &missing, "GET http://web.example.com/"],
        vec!["graph", &missing],
    ] {
        let run = run(elsewhere.path(), &arguments, "");
        check_text(&(run.stdout + &run.stderr), "text", &format!("{arguments:?}"));
    }
    check_text(&elsewhere.read("status.json"), "json", "the status file");
    assert!(seen > 0, "no plan names its source");
}
