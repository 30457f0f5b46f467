//! A real kube-apiserver on its own etcd, for the ignored `real_kube*` tests that `cargo xtask test` runs.
//!
//! Nothing but the API is there: no controllers, so that namespaces stay `Terminating` and nobody collects what an
//! owner leaves behind.

use std::fs;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use rcgen::KeyPair;
use serde_json::{Value, json};

use crate::certs::Authority;
use crate::http::{Call, Tls};
use crate::kube_relay::{Relay, Trouble};
use crate::wait::poll;
use crate::{free_port, workspace_root};

/// Names the folder with kube-apiserver, etcd and kubectl; `cargo xtask test` sets it.
pub const ASSETS: &str = "KUBEBUILDER_ASSETS";

/// The user who may do everything.
pub const ADMIN: &str = "admin";

/// Users without any right until a test binds them to a role, each with a token of its own.
pub const USERS: [&str; 5] = ["planner", "applier", "syncer", "gateway", "nobody"];

/// A kube-apiserver is ready after some seconds on an idle machine.
const START: Duration = Duration::from_secs(180);
const PROBE: Duration = Duration::from_secs(2);
const TAIL_LINES: usize = 30;
/// A port may be taken between the look and the bind.
const ATTEMPTS: usize = 3;

/// A running API server. It ends with its value, and with this process however that ends.
pub struct Cluster {
    folder: tempfile::TempDir,
    address: SocketAddr,
    authority: String,
    apiserver: Option<Server>,
    relay: Option<Relay>,
    /// Where etcd listens for the API server.
    storage: String,
    _etcd: Server,
}

/// Returns the API server that the tests of this process share. They keep apart by namespace.
pub fn shared() -> &'static Cluster {
    static SHARED: OnceLock<Cluster> = OnceLock::new();
    SHARED.get_or_init(Cluster::start)
}

impl Cluster {
    /// Starts etcd and kube-apiserver with RBAC and the custom resources of `schemas/crds`, and waits until both serve.
    ///
    /// # Panics
    /// When a program is missing or does not get ready; the message shows the end of its log.
    pub fn start() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (etcd, storage) = start_etcd(folder.path());
        let authority = Authority::new("cluster of the test");
        write_credentials(folder.path(), &authority);
        let mut cluster = Self {
            folder,
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            authority: authority.pem().to_owned(),
            apiserver: None,
            relay: None,
            storage,
            _etcd: etcd,
        };
        cluster.start_on_a_free_port();
        cluster.relay = Some(Relay::start(cluster.address, &cluster.authority));
        USERS.iter().chain([&ADMIN]).for_each(|user| cluster.write_kubeconfigs(user));
        cluster.install_crds();
        cluster
    }

    /// Stops the API server; what it keeps stays.
    pub fn stop(&mut self) {
        self.apiserver = None;
    }

    /// Starts the API server again where it was, and waits until it serves.
    ///
    /// # Panics
    /// When it does not get ready; the message shows the end of its log.
    pub fn start_again(&mut self) {
        self.start_apiserver().unwrap_or_else(|reason| panic!("{reason}"));
    }

    /// Returns the address of the API server.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the certificate authority as PEM.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// Returns the folder of kubeconfigs and logs.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Returns the kubeconfig of [`ADMIN`] or of one of [`USERS`]. The context is named as the user.
    pub fn kubeconfig_of(&self, user: &str) -> PathBuf {
        self.folder.path().join(format!("{user}.kubeconfig"))
    }

    /// Returns a kubeconfig as [`kubeconfig_of`](Self::kubeconfig_of) does, of one who is shown the loopback address in
    /// the place of [`STAND_IN`](crate::kube_relay::STAND_IN).
    pub fn loopback_kubeconfig_of(&self, user: &str) -> PathBuf {
        self.folder.path().join(format!("{user}.loopback.kubeconfig"))
    }

    /// Makes trouble for the next requests of a method whose path has this part, of clients with a kubeconfig of
    /// [`loopback_kubeconfig_of`](Self::loopback_kubeconfig_of).
    ///
    /// # Panics
    /// Never: the relay runs as long as the API server does.
    pub fn trouble(&self, method: &str, part: &str, times: usize, trouble: Trouble) {
        self.relay().troubles.order(method, part, times, trouble);
    }

    /// Takes back all trouble for paths with this part.
    ///
    /// # Panics
    /// Never: the relay runs as long as the API server does.
    pub fn no_trouble(&self, part: &str) {
        self.relay().troubles.end(part);
    }

    fn relay(&self) -> &Relay {
        self.relay.as_ref().expect("it runs as long as the API server does")
    }

    fn write_kubeconfigs(&self, user: &str) {
        let direct = json!({
            "server": format!("https://{}", self.address),
            "certificate-authority": self.folder.path().join("ca.pem"),
        });
        let relay = self.relay().address();
        let relayed = json!({"server": format!("http://{relay}")});
        for (path, cluster) in
            [(self.kubeconfig_of(user), direct), (self.loopback_kubeconfig_of(user), relayed)]
        {
            let config = json!({
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": user,
                "clusters": [{"name": "test", "cluster": cluster}],
                "users": [{"name": user, "user": {"token": token_of(user)}}],
                "contexts": [{"name": user, "context": {"cluster": "test", "user": user}}],
            });
            fs::write(path, config.to_string()).expect("a kubeconfig in a temporary folder");
        }
    }

    /// Calls the API as the admin and returns the status and the answer as JSON.
    ///
    /// # Panics
    /// When there is no answer.
    pub fn call(&self, method: &str, path: &str, content_type: &str, body: &str) -> (u16, Value) {
        let answer = self
            .request(method, path)
            .header("content-type", content_type)
            .body(body.to_owned())
            .timeout(Duration::from_secs(30))
            .send()
            .unwrap_or_else(|error| panic!("{method} {path}: {error}"));
        (answer.status, serde_json::from_slice(&answer.body).unwrap_or_default())
    }

    /// Reads an object or a list as the admin.
    ///
    /// # Panics
    /// When the answer is not 200.
    pub fn get(&self, path: &str) -> Value {
        let (status, value) = self.call("GET", path, "application/json", "");
        assert_eq!(status, 200, "GET {path}: {value}");
        value
    }

    /// Runs kubectl as a user with a kubeconfig, with `input` as its standard input.
    ///
    /// # Panics
    /// When kubectl cannot be run.
    pub fn kubectl(&self, kubeconfig: &Path, arguments: &[&str], input: &str) -> Output {
        let mut child = Command::new(program("kubectl"))
            .args(arguments)
            .env("KUBECONFIG", kubeconfig)
            // Its cache of discovery stays out of the user's home.
            .env("HOME", self.folder.path())
            .env("KUBECTL_APPLYSET", "true")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("kubectl cannot be run: {error}"));
        // It may end without reading; its output says why.
        child.stdin.take().map(|mut stdin| stdin.write_all(input.as_bytes()).ok());
        child.wait_with_output().expect("a child of this process")
    }

    /// Runs kubectl as the admin and returns what it printed.
    ///
    /// # Panics
    /// When kubectl fails; the message carries what it said.
    pub fn admin(&self, arguments: &[&str], input: &str) -> String {
        let output = self.kubectl(&self.kubeconfig_of(ADMIN), arguments, input);
        let says = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "kubectl {}: {says}", arguments.join(" "));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Makes a namespace, if it is not there.
    pub fn namespace(&self, name: &str) {
        let body = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
        let (status, answer) = self.call("POST", "/api/v1/namespaces", "application/json", &body.to_string());
        assert!(status == 201 || status == 409, "namespace {name}: {answer}");
    }

    /// Returns the audit log: one entry for each request that was answered.
    pub fn audit(&self) -> Vec<Value> {
        let log = fs::read_to_string(self.folder.path().join("audit.log")).unwrap_or_default();
        // A line may still be half written.
        log.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// Returns the requests of a user that change something, as `verb resource namespace/name`, dry runs left out.
    pub fn writes_of(&self, user: &str) -> Vec<String> {
        let reads = ["get", "list", "watch"];
        self.audit()
            .iter()
            .filter(|entry| entry["user"]["username"] == user)
            .filter(|entry| !reads.contains(&entry["verb"].as_str().unwrap_or_default()))
            .filter(|entry| !entry["requestURI"].as_str().unwrap_or_default().contains("dryRun="))
            .map(|entry| {
                let text = |field: &str| entry["objectRef"][field].as_str().unwrap_or_default();
                let verb = entry["verb"].as_str().unwrap_or_default();
                format!("{verb} {} {}/{}", text("resource"), text("namespace"), text("name"))
            })
            .collect()
    }

    fn request(&self, method: &str, path: &str) -> Call {
        let tls = Tls { authority: Some(self.authority.clone()), ..Tls::default() };
        Call::new(method, self.address, "127.0.0.1", path)
            .tls(Tls { sni: Some("localhost".to_owned()), ..tls })
            .header("authorization", &format!("Bearer {}", token_of(ADMIN)))
    }

    fn start_on_a_free_port(&mut self) {
        for attempt in 1.. {
            self.address.set_port(free_port());
            match self.start_apiserver() {
                Ok(()) => return,
                Err(_) if attempt < ATTEMPTS => {}
                Err(reason) => panic!("{reason}"),
            }
        }
    }

    /// Starts the API server on the port of its address, and says what its log ends with when it does not get ready.
    fn start_apiserver(&mut self) -> Result<(), String> {
        let mut server = Server::start("kube-apiserver", &self.arguments(), self.folder.path());
        let ready = poll(START, || {
            if let Some(reason) = server.ended() {
                return Ok(Err(reason));
            }
            let answer = self.request("GET", "/readyz").timeout(PROBE).send()?;
            if answer.status == 200 { Ok(Ok(())) } else { Err(format!("answers {}", answer.status)) }
        });
        let ready = ready.and_then(|ended| ended);
        ready.map_err(|reason| format!("kube-apiserver is not ready: {reason}\n{}", server.log_tail()))?;
        self.apiserver = Some(server);
        Ok(())
    }

    fn arguments(&self) -> Vec<String> {
        let file = |name: &str| self.folder.path().join(name).display().to_string();
        vec![
            format!("--etcd-servers={}", self.storage),
            "--bind-address=127.0.0.1".to_owned(),
            "--advertise-address=127.0.0.1".to_owned(),
            format!("--secure-port={}", self.address.port()),
            "--endpoint-reconciler-type=none".to_owned(),
            "--service-cluster-ip-range=10.0.0.0/16".to_owned(),
            "--authorization-mode=RBAC".to_owned(),
            "--disable-admission-plugins=ServiceAccount".to_owned(),
            format!("--client-ca-file={}", file("ca.pem")),
            format!("--tls-cert-file={}", file("server.pem")),
            format!("--tls-private-key-file={}", file("server.key")),
            format!("--token-auth-file={}", file("tokens.csv")),
            "--service-account-issuer=https://kubernetes.default.svc.cluster.local".to_owned(),
            format!("--service-account-key-file={}", file("accounts.pub")),
            format!("--service-account-signing-key-file={}", file("accounts.key")),
            format!("--audit-policy-file={}", file("audit-policy.json")),
            format!("--audit-log-path={}", file("audit.log")),
            "--audit-log-mode=blocking".to_owned(),
        ]
    }

    /// Installs the custom resources, and waits until they can be used.
    fn install_crds(&self) {
        let folder = workspace_root().join("schemas/crds");
        let folder = folder.to_str().expect("the path of the checkout is text");
        self.admin(&["apply", "--server-side", "-f", folder], "");
        self.admin(&["wait", "--for=condition=Established", "--timeout=60s", "-f", folder], "");
    }
}

/// Returns the token of a user. The server hears loopback alone and ends with the test.
fn token_of(user: &str) -> String {
    format!("token-of-{user}")
}

fn program(name: &str) -> PathBuf {
    let Some(folder) = std::env::var_os(ASSETS) else {
        panic!("{ASSETS} is not set: run this test through `cargo xtask test`")
    };
    let program = PathBuf::from(folder).join(name);
    assert!(program.is_file(), "{} is not a file", program.display());
    program
}

fn write_credentials(folder: &Path, authority: &Authority) {
    let write = |name: &str, text: &str| {
        fs::write(folder.join(name), text).unwrap_or_else(|error| panic!("{name}: {error}"));
    };
    write("ca.pem", authority.pem());
    let names = ["localhost", "127.0.0.1", "kubernetes.default.svc"];
    let server = authority.server(&names);
    write("server.pem", &server.certificate);
    write("server.key", &server.key);
    let accounts = KeyPair::generate().expect("the system gives random bytes");
    write("accounts.key", &accounts.serialize_pem());
    write("accounts.pub", &accounts.public_key_pem());
    let mut tokens = format!("{},{ADMIN},1,\"system:masters\"\n", token_of(ADMIN));
    for (index, user) in USERS.iter().enumerate() {
        tokens.push_str(&format!("{},{user},{}\n", token_of(user), index + 2));
    }
    write("tokens.csv", &tokens);
    let policy = json!({
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "omitStages": ["RequestReceived"],
        "rules": [{"level": "Metadata"}],
    });
    write("audit-policy.json", &policy.to_string());
}

/// Starts etcd and returns it with the URL for its client.
fn start_etcd(folder: &Path) -> (Server, String) {
    for attempt in 1.. {
        let client = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let peer = format!("http://127.0.0.1:{}", free_port());
        let arguments = [
            "--name=test".to_owned(),
            format!("--data-dir={}", folder.join(format!("etcd-{attempt}")).display()),
            "--unsafe-no-fsync".to_owned(),
            "--log-level=warn".to_owned(),
            format!("--listen-client-urls=http://{client}"),
            format!("--advertise-client-urls=http://{client}"),
            format!("--listen-peer-urls={peer}"),
            format!("--initial-advertise-peer-urls={peer}"),
            format!("--initial-cluster=test={peer}"),
        ];
        let mut server = Server::start("etcd", &arguments, folder);
        let ready = poll(START, || {
            if let Some(reason) = server.ended() {
                return Ok(Err(reason));
            }
            let answer = Call::get(client, "localhost", "/health").timeout(PROBE).send()?;
            if answer.status == 200 { Ok(Ok(())) } else { Err(format!("answers {}", answer.status)) }
        });
        match ready {
            Ok(Ok(())) => return (server, format!("http://{client}")),
            Ok(Err(_)) if attempt < ATTEMPTS => {}
            Ok(Err(reason)) | Err(reason) => panic!("etcd is not ready: {reason}\n{}", server.log_tail()),
        }
    }
    unreachable!("the last attempt panics")
}

/// A server that is killed when this process closes a pipe, which happens however this process ends.
struct Server {
    child: Child,
    log: PathBuf,
}

/// Leaves a process behind that waits for the end of the pipe, and becomes the server.
const START_WITH_KEEPER: &str = r#"exec 3<&0 </dev/null
( read -r line <&3; kill -KILL $$ ) &
exec 3<&-
exec "$@""#;

impl Server {
    fn start(name: &str, arguments: &[String], folder: &Path) -> Self {
        let log = folder.join(format!("{name}.log"));
        let output = fs::File::create(&log).expect("a log file");
        let copy = output.try_clone().expect("a second handle of the log");
        let child = Command::new("sh")
            .args(["-c", START_WITH_KEEPER, "sh"])
            .arg(program(name))
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(output)
            .stderr(copy)
            .spawn()
            .unwrap_or_else(|error| panic!("{name} cannot be started: {error}"));
        Self { child, log }
    }

    /// Returns how the server ended, if it did.
    fn ended(&mut self) -> Option<String> {
        let status = self.child.try_wait().expect("a child of this process")?;
        Some(format!("ended with {status}"))
    }

    fn log_tail(&self) -> String {
        let log = fs::read(&self.log).unwrap_or_default();
        let log = String::from_utf8_lossy(&log).into_owned();
        let lines: Vec<&str> = log.lines().collect();
        let first = lines.len().saturating_sub(TAIL_LINES);
        format!("--- the log ends with ---\n{}", lines[first..].join("\n"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        // Nothing to wait for is nothing to stop.
        self.child.wait().ok();
    }
}
