//! The guided run: a repository, a mistake, a plan, a gateway, an apply under load, and witnesses replayed before and
//! after. Everything is real and computed while it runs; what goes wrong is said and decides the exit code.

mod backends;
mod client;
mod example;
mod load;
mod program;
mod replay;
mod repository;

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use gatewright_behaviour::{BehaviourDiff, Model, Observability, Options, Reply, Request, diff};
use gatewright_compiler::Engine;
use gatewright_compiler::options::CompileOptions;
use gatewright_ir::Ir;
use gatewright_reconciler::source::{Credentials, Loader};

pub use backends::DemoBackends;

use backends::Backends;
use client::Client;
use example::Files;
use load::Load;
use program::{Program, Running};
use repository::Manifests;

use crate::errors::{CliError, Exit};
use crate::terminal::Terminal;

/// How long the gateway may take to be ready, and to end.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long clients send before and after the change.
const WARM_UP: Duration = Duration::from_millis(700);

/// What a demo needs.
pub struct Setting {
    /// Where output goes.
    pub terminal: Terminal,
    /// Whether gateway and repository stay.
    pub keep: bool,
    /// Address of the clear-text listener; none takes a free port.
    pub http: Option<SocketAddr>,
    /// Address of the TLS listener; none takes a free port.
    pub https: Option<SocketAddr>,
}

/// Runs the demo.
pub async fn run(setting: &Setting) -> Result<Exit, CliError> {
    let mut demo = Demo::prepare(setting)?;
    demo.mistake()?;
    demo.plan()?;
    let mut gateway = demo.gateway()?;
    demo.wait_ready(&mut gateway).await?;
    demo.replay(Moment::Before).await?;
    demo.apply_under_load().await?;
    demo.replay(Moment::After).await?;
    demo.finish(gateway)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Moment {
    Before,
    After,
}

struct Demo {
    terminal: Terminal,
    keep: bool,
    folder: tempfile::TempDir,
    repository: PathBuf,
    program: Program,
    backends: Backends,
    certificates: Vec<String>,
    addresses: Addresses,
    difference: BehaviourDiff,
    before: Ir,
    after: Ir,
    problems: Vec<String>,
}

#[derive(Clone, Copy)]
struct Addresses {
    http: SocketAddr,
    https: SocketAddr,
    admin: SocketAddr,
}

impl Demo {
    fn prepare(setting: &Setting) -> Result<Self, CliError> {
        let terminal = setting.terminal.clone();
        let failed = |error: std::io::Error| CliError::environment(format!("cannot make a folder: {error}"));
        let folder = tempfile::Builder::new().prefix("gatewright-demo-").tempdir().map_err(failed)?;
        let repository = folder.path().join("shop-config");
        let named: Vec<(u16, String)> =
            example::backend_ports().into_iter().map(|port| (port, example::backend_name(port))).collect();
        let backends = Backends::start(&named, setting.keep)?;
        title(&terminal, 1, "A git repository of gateway configuration")?;
        let files = example::first(&backends.ports);
        commit(&repository, &files)?;
        terminal.show(&format!(
            "An example shop: {} files in {} namespaces, served by {} small upstreams (process {}).\n\
             Branches: `main` as it is today, `change` with a canary, a moved path, a header rule and a deleted\n\
             route, and `mistake`.\n",
            files.len(),
            namespaces(&files),
            named.len(),
            backends.id()
        ))?;
        let addresses =
            Addresses { http: address(setting.http)?, https: address(setting.https)?, admin: address(None)? };
        let (before, after) = models(&repository, folder.path())?;
        Ok(Demo {
            program: Program::in_folder(&repository, &terminal)?,
            terminal,
            keep: setting.keep,
            folder,
            repository,
            backends,
            certificates: certificates(&files),
            addresses,
            difference: diff(&before, &after, &Options::default()),
            before,
            after,
            problems: Vec::new(),
        })
    }

    fn mistake(&mut self) -> Result<(), CliError> {
        title(&self.terminal, 2, "A mistake is found before it is merged")?;
        let code = self.program.run(&["validate", "git:mistake:manifests"])?;
        self.check(code == 1, || format!("validation of the mistake ended with {code} instead of 1"));
        self.terminal.show("\nThe pull request is stopped here: exit code 1, with the line and what to do.\n")
    }

    fn plan(&mut self) -> Result<(), CliError> {
        title(&self.terminal, 3, "What the change does to requests")?;
        let out = self.plan_file().display().to_string();
        let arguments = [
            "plan",
            "git:change:manifests",
            "--base",
            "git:main:manifests",
            "--detailed-exitcode",
            "--out",
            &out,
        ];
        let code = self.program.run(&arguments)?;
        self.check(matches!(code, 4 | 5), || format!("the plan ended with {code} instead of 4 or 5"));
        Ok(())
    }

    fn gateway(&self) -> Result<Running, CliError> {
        title(&self.terminal, 4, "The bundled gateway serves `main`")?;
        let Addresses { http, https, admin } = self.addresses;
        let (http, https, admin) = (http.to_string(), https.to_string(), admin.to_string());
        let control = self.control().display().to_string();
        let arguments = [
            "gateway",
            "git:main:manifests",
            "--http",
            &http,
            "--https",
            &https,
            "--admin",
            &admin,
            "--control",
            &control,
        ];
        self.program.start(&arguments, &self.log())
    }

    async fn wait_ready(&mut self, gateway: &mut Running) -> Result<(), CliError> {
        let started = Instant::now();
        let ready = Request::parse(&format!("GET http://{}/ready", self.addresses.admin))
            .map_err(|error| CliError::bug(error.to_string()))?;
        let admin = Client::new(self.addresses.admin, self.addresses.admin, &[]).map_err(CliError::bug)?;
        while started.elapsed() < PATIENCE {
            if let Some(code) = gateway.ended() {
                let log = std::fs::read_to_string(self.log()).unwrap_or_default();
                return Err(CliError::environment(format!(
                    "the gateway ended with {code}:\n{}",
                    log.trim_end()
                )));
            }
            if admin.send(&ready).await.is_ok_and(|answer| answer.status == 200) {
                let took = started.elapsed().as_millis();
                return self.terminal.show(&format!("  ready after {took} ms, over its own xDS\n"));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Err(CliError::environment("the gateway is not ready in time"))
    }

    /// Sends each witness and compares the answer with what the model of that side says.
    async fn replay(&mut self, moment: Moment) -> Result<(), CliError> {
        let (number, text, ir) = match moment {
            Moment::Before => (5, "Each witness, sent to the gateway before the change", &self.before),
            Moment::After => (7, "The same witnesses after the change", &self.after),
        };
        title(&self.terminal, number, text)?;
        let model = Model::new(ir);
        let client = self.client()?;
        let mut wrong = Vec::new();
        for class in &self.difference.classes {
            let Some(request) = class.witness() else { continue };
            self.terminal.show(&format!("  {request}\n"))?;
            if class.observability() != Observability::OneRequest
                && class.observability() != Observability::Sample
            {
                self.terminal.show("    not observable by one request; `gatewright trace` shows it\n")?;
                continue;
            }
            let shown = replay::replay(&client, request, &model.decide(request).effect).await;
            let mark = if shown.wrong.is_some() { "WRONG" } else { "as planned" };
            self.terminal.show(&format!("    {} ({mark})\n", shown.text))?;
            wrong.extend(shown.wrong.map(|wrong| format!("{request}: {wrong}")));
        }
        self.problems.extend(wrong);
        Ok(())
    }

    async fn apply_under_load(&mut self) -> Result<(), CliError> {
        title(&self.terminal, 6, "The change goes live while clients keep sending")?;
        let load = Load::start(&self.client()?, self.steady_requests()?);
        tokio::time::sleep(WARM_UP).await;
        let plan = self.plan_file().display().to_string();
        let control = self.control().display().to_string();
        let code = self.program.run(&["apply", &plan, "--control", &control])?;
        tokio::time::sleep(WARM_UP).await;
        let tally = load.finish().await;
        self.check(code == 0, || format!("the apply ended with {code}"));
        self.check(tally.failed == 0 && tally.answered > 0, || {
            format!("{} requests failed during the apply: {}", tally.failed, tally.failures.join("; "))
        });
        self.terminal.show(&format!(
            "\n  {} requests answered, {} failed, {} connections lost\n",
            tally.answered, tally.failed, tally.reconnected
        ))
    }

    /// Requests that the change does not touch, with the status that both models give them.
    fn steady_requests(&self) -> Result<Vec<(Request, u16)>, CliError> {
        let texts = [
            "GET https://shop.example.com/checkout",
            "GET https://api.example.com/v1/search",
            "GET http://shop.example.com/cart",
            "GET https://eu.shop.example.com/status",
        ];
        let (before, after) = (Model::new(&self.before), Model::new(&self.after));
        let mut steady = Vec::new();
        for text in texts {
            let request = Request::parse(text).map_err(|error| CliError::bug(error.to_string()))?;
            let expected =
                [&before, &after].map(|model| expected_status(&model.decide(&request).effect.reply));
            match expected {
                [Some(now), Some(then)] if now == then => steady.push((request, now)),
                _ => {
                    return Err(CliError::bug(format!(
                        "the example was altered: the change touches `{text}`"
                    )));
                }
            }
        }
        Ok(steady)
    }

    fn finish(self, gateway: Running) -> Result<Exit, CliError> {
        title(&self.terminal, 8, "Result")?;
        for problem in &self.problems {
            self.terminal.show(&format!("  PROBLEM {problem}\n"))?;
        }
        let exit = if self.problems.is_empty() {
            self.terminal.show(
                "  Everything happened as planned: every witness before and after, no failed request.\n",
            )?;
            Exit::Fine
        } else {
            Exit::Findings
        };
        if self.keep {
            self.leave(gateway)?;
            return Ok(exit);
        }
        let code = gateway.stop(PATIENCE);
        self.backends.end();
        if code != Some(0) {
            return Err(CliError::environment("the gateway did not end cleanly"));
        }
        let removed = self.folder.close();
        removed
            .map_err(|error| CliError::environment(format!("cannot remove the demo's folder: {error}")))?;
        Ok(exit)
    }

    /// Tells what is left running, and what to try with it.
    fn leave(self, gateway: Running) -> Result<(), CliError> {
        let control = self.control().display().to_string();
        let Addresses { http, admin, .. } = self.addresses;
        self.terminal.show(&format!(
            "\nThe gateway (process {}) and its upstreams (process {}) are left running. Try:\n\
             \n  cd {}\n  git log --oneline --all --graph\n  gatewright trace git:change:manifests 'GET https://shop.example.com/cart'\n  \
             gatewright graph git:change:manifests --focus Service/shop/cart --dependents\n  \
             gatewright apply git:main:manifests --yes --control {control}\n  \
             curl -H 'Host: shop.example.com' http://{http}/cart\n  curl http://{admin}/stats/prometheus\n  \
             kill {} {}\n",
            gateway.id(),
            self.backends.id(),
            self.repository.display(),
            gateway.id(),
            self.backends.id(),
        ))?;
        gateway.leave();
        let kept = self.folder.keep();
        tracing::debug!(folder = %kept.display(), "kept");
        self.backends.leave();
        Ok(())
    }

    fn client(&self) -> Result<Client, CliError> {
        let pem: Vec<&str> = self.certificates.iter().map(String::as_str).collect();
        Client::new(self.addresses.http, self.addresses.https, &pem).map_err(CliError::bug)
    }

    fn check(&mut self, holds: bool, problem: impl FnOnce() -> String) {
        if !holds {
            self.problems.push(problem());
        }
    }

    fn plan_file(&self) -> PathBuf {
        self.folder.path().join("plan.json")
    }

    fn control(&self) -> PathBuf {
        self.folder.path().join("control.sock")
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("gateway.log")
    }
}

/// Backends of the demo answer 200.
fn expected_status(reply: &Reply) -> Option<u16> {
    reply.status().or(match reply {
        Reply::Forwarded(_) => Some(200),
        _ => None,
    })
}

fn title(terminal: &Terminal, number: u32, text: &str) -> Result<(), CliError> {
    terminal.show(&format!("\n== {number}. {text} ==\n"))
}

fn commit(folder: &Path, files: &Files) -> Result<(), CliError> {
    let altered = |error: example::Altered| CliError::bug(error.to_string());
    let (second, mistaken) =
        (example::second(files).map_err(altered)?, example::mistaken(files).map_err(altered)?);
    let made = || -> Result<(), git2::Error> {
        let repository = Manifests::init(folder)?;
        let first = repository.commit("main", None, "The shop as it is", files)?;
        repository.commit("change", Some(first), "Canary, moved files, frame header, no docs", &second)?;
        repository.commit("mistake", Some(first), "Cart by the name of its port", &mistaken)?;
        Ok(())
    };
    made().map_err(|error| CliError::environment(format!("cannot make the repository: {}", error.message())))
}

fn namespaces(files: &Files) -> usize {
    let names: std::collections::BTreeSet<&str> =
        files.keys().filter_map(|path| path.split('/').next()).collect();
    names.len()
}

/// Texts with the PEM certificates of the example's TLS Secrets, to trust.
fn certificates(files: &Files) -> Vec<String> {
    let secrets = files.values().filter(|text| text.contains("kind: Secret"));
    secrets.map(|text| text.lines().map(str::trim).collect::<Vec<_>>().join("\n")).collect()
}

/// Compiles both branches to their models.
fn models(repository: &Path, cache: &Path) -> Result<(Ir, Ir), CliError> {
    let loader = Loader {
        working_folder: repository.to_owned(),
        cache_folder: cache.join("cache"),
        credentials: Credentials::from_variables(|_| None)?,
    };
    let mut engine = Engine::new(CompileOptions::higress_defaults());
    let mut compile = |text: &str| -> Result<Ir, CliError> {
        let spec = text.parse().map_err(|error| CliError::bug(format!("{text}: {error}")))?;
        engine.update(&loader.load(&[spec])?.tree)?;
        Ok(engine.ir().clone())
    };
    Ok((compile("git:main:manifests")?, compile("git:change:manifests")?))
}

/// Returns the address asked for, or one that is free now.
fn address(asked: Option<SocketAddr>) -> Result<SocketAddr, CliError> {
    let wanted = asked.unwrap_or_else(|| SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
    let failed = |error: std::io::Error| CliError::environment(format!("cannot listen on {wanted}: {error}"));
    TcpListener::bind(wanted).and_then(|listener| listener.local_addr()).map_err(failed)
}
