//! The commands that serve, and those that talk to others: nothing that they log, answer or write holds a secret.

use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use gatewright_testkit::free_port;
use gatewright_testkit::http::Call;
use gatewright_testkit::process::ChildProcess;

use super::plant::MARK;
use super::{Folder, assert_hidden, check, program, write_served};

const SOON: Duration = Duration::from_secs(60);
/// Pages of a gateway.
const OF_GATEWAY: [&str; 6] = ["/", "/ready", "/config_dump", "/clusters", "/listeners", "/stats/prometheus"];

fn local() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], free_port()))
}

/// Returns the program as it tells the most.
fn talkative(folder: &Folder, arguments: &[&str]) -> Command {
    let mut command = program(folder.path());
    command.args(arguments).env("GATEWRIGHT_LOG", "trace").env("GATEWRIGHT_GIT_PASSWORD", format!("{MARK}9"));
    command
}

struct Gateway {
    process: ChildProcess,
    http: SocketAddr,
    admin: SocketAddr,
}

impl Gateway {
    fn start(folder: &Folder, arguments: &[&str], http: SocketAddr) -> Self {
        let admin = local();
        let mut command = talkative(folder, &["gateway", "--admin", &admin.to_string()]);
        let mut process = ChildProcess::spawn("gateway", command.args(arguments));
        process.wait_for_http(admin, "/ready", SOON);
        Gateway { process, http, admin }
    }

    /// Sends requests with secrets in them, and checks what the gateway says of itself and of them.
    fn check(&self) {
        let call = |host: &str, path: &str| {
            Call::get(self.http, host, path)
                .header("authorization", &format!("Bearer {MARK}4"))
                .header("x-api-key", &format!("{MARK}2"))
                .header("cookie", &format!("a={MARK}5"))
                .header("user-agent", &format!("x https://u:{MARK}@h.test Bearer {MARK}6"))
                .header("x-forwarded-for", &format!("u:{MARK}@h.test"))
                .header("x-request-id", &format!("ghp_{MARK}0123456789"))
                .header("referer", &format!("https://u:{MARK}@h.test/?token={MARK}"))
        };
        for path in [
            format!("/?token={MARK}2"),
            format!("/logged?a=b&password={MARK}"),
            format!("/eyJhbGciOi.eyJzdWIi{MARK}.c2ln/x"),
            format!("/ghp_{MARK}0123456789"),
            format!("//u:{MARK}@h.test/"),
        ] {
            // Whatever is answered, the log tells of it.
            call("shop.example.com", &path).send().ok();
        }
        call("old.example.com", "/").send().ok();
        call(&format!("u:{MARK}@shop.example.com"), "/").send().ok();
        self.process.wait_for_log("/logged?a=b", SOON);
        for page in OF_GATEWAY {
            let answer = Call::get(self.admin, "localhost", page).send().expect(page);
            assert_eq!(answer.status, 200, "{page}");
            assert_hidden(&answer.text(), page);
        }
        let dump = Call::get(self.admin, "localhost", "/config_dump").send().expect("a dump").text();
        assert!(dump.contains("shop.example.com"), "{dump}");
        assert_hidden(&self.process.log(), "gateway");
    }
}

#[test]
fn no_page_and_no_log_of_a_serving_command_holds_a_secret() {
    let folder = Folder::new();
    write_served(&folder, "new", "2");
    let (http, https) = (local(), local());
    let [http_text, https_text] = [http, https].map(|address| address.to_string());
    let listeners = ["--http", &http_text, "--https", &https_text];
    let arguments = ["new", "--keep-going", "--control", "c.sock"];
    let gateway = Gateway::start(&folder, &[&arguments[..], &listeners].concat(), http);
    gateway.check();
    check_orders(&folder);
    gateway.check();
    drop(gateway);

    let listen = local().to_string();
    let arguments = ["xds", "new", "--keep-going", "--listen", &listen];
    let xds = ChildProcess::spawn("xds", &mut talkative(&folder, &[&arguments[..], &listeners].concat()));
    let node = format!("u:{MARK}@node");
    Gateway::start(&folder, &["--xds", &listen, "--node-id", &node], http).check();
    assert_hidden(&xds.log(), "xds");
}

/// Orders a state from a gateway, once and as a sync that goes on.
fn check_orders(folder: &Folder) {
    write_served(folder, "old", "1");
    check(folder, &["apply", "old", "--control", "c.sock", "--yes", "--keep-going"]);
    check(folder, &["sync", "new", "--control", "c.sock", "--once", "--status-file", "status.json"]);
    assert_hidden(&folder.read("status.json"), "the status file");
    let secret = format!("{MARK}8");
    folder.write("webhook", &secret);
    let listen = local();
    let arguments = ["sync", "new", "--control", "c.sock", "--listen", &listen.to_string()];
    let mut command = talkative(folder, &arguments);
    command.env("GATEWRIGHT_WEBHOOK_SECRET_FILE", "webhook");
    let mut sync = ChildProcess::spawn("sync", &mut command);
    sync.wait_for_http(listen, "/ready", SOON);
    let webhook = Call::new("POST", listen, "localhost", "/webhook").header("x-hub-signature-256", &secret);
    assert_eq!(webhook.body(secret.clone()).send().expect("an answer").status, 401);
    for page in ["/status", "/metrics"] {
        assert_hidden(&Call::get(listen, "localhost", page).send().expect(page).text(), page);
    }
    assert_hidden(&sync.log(), "sync");
}

#[test]
fn no_complaint_of_a_command_that_talks_to_others_holds_a_secret() {
    let folder = Folder::clean();
    let server = |address: &str, user: &str| {
        format!(
            "{{apiVersion: v1, kind: Config, current-context: c, clusters: [{{name: c, cluster: {{{address}}}}}], \
             users: [{{name: u, user: {{{user}}}}}], contexts: [{{name: c, context: {{cluster: c, user: u}}}}]}}\n"
        )
    };
    let away = "server: 'https://127.0.0.1:1'";
    let configurations = [
        server(
            &format!("server: 'https://u:{MARK}@127.0.0.1:1'"),
            &format!("token: {MARK}, password: {MARK}"),
        ),
        server(away, &format!("client-key-data: {MARK}, client-certificate-data: {MARK}")),
        server(away, &format!("tokenFile: [{MARK}]")),
        server(&format!("{away}, certificate-authority-data: {MARK}"), "token: x"),
        server(&format!("{away}, proxy-url: 'http://u:{MARK}@127.0.0.1:1'"), "token: x"),
        server(
            away,
            &format!(
                "exec: {{apiVersion: client.authentication.k8s.io/v1, command: sh, args: ['-c', 'echo {MARK} >&2; echo {MARK}; exit 1'], interactiveMode: Never}}"
            ),
        ),
        format!("apiVersion: v1\nkind: Config\nusers: {MARK}\n"),
        format!("apiVersion: v1\nkind: Config\nusers:\n- name: u\n  user: {{token: [{MARK}\n"),
    ];
    for (number, text) in configurations.iter().enumerate() {
        let file = format!("config{number}");
        folder.write(&file, text);
        let access = ["--cluster", "--kubeconfig", &file, "--allow-exec"];
        for command in [
            &["import", "made"][..],
            &["apply", "shop", "--yes"],
            &["plan", "shop"],
            &["sync", "shop", "--once"],
        ] {
            check(&folder, &[command, &access].concat());
        }
    }
    for address in [
        format!("http://u:{MARK}@127.0.0.1:1"),
        format!("u:{MARK}@127.0.0.1:1"),
        format!("unix:x?token={MARK}"),
    ] {
        check(&folder, &["gateway", "--xds", &address, "--http", "nowhere"]);
        check(&folder, &["xds", "shop", "--listen", &address]);
        check(&folder, &["sync", "shop", "--listen", &address, "--once", "--control", "none.sock"]);
    }
    let mut proxied = program(folder.path());
    proxied.args(["validate", "git+http://h.test/x.git@main"]).env("GATEWRIGHT_LOG", "trace");
    let proxy = format!("http://u:{MARK}@127.0.0.1:1");
    let output =
        proxied.env("http_proxy", &proxy).env("HTTP_PROXY", &proxy).output().expect("the program starts");
    assert_hidden(&String::from_utf8_lossy(&output.stderr), "a proxy");
}
