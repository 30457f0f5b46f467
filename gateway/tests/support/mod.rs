//! A gateway under test with a small control plane of its own: resources in, real delta ADS out.

#![allow(dead_code, unreachable_pub, reason = "each test binary uses its part of what is shared")]

pub mod control_plane;
pub mod filters;
pub mod resources;

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use gatewright_gateway::{GatewayOptions, RunningGateway, run};
use gatewright_testkit::http::{Answer, Call};
use gatewright_testkit::wait::eventually;

pub use control_plane::ControlPlane;

pub const SOON: Duration = Duration::from_secs(10);
/// Workers of a gateway under test.
pub const WORKERS: usize = 2;

/// A running gateway and its control plane.
pub struct Rig {
    pub control: ControlPlane,
    pub log: Log,
    gateway: Option<RunningGateway>,
    runtime: tokio::runtime::Runtime,
}

/// An access log in memory.
#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Log {
    /// Returns the lines so far.
    pub fn lines(&self) -> Vec<serde_json::Value> {
        let bytes = self.0.lock().unwrap().clone();
        let text = String::from_utf8(bytes).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Waits for a line whose path is this, and returns it.
    pub fn line(&self, path: &str) -> serde_json::Value {
        eventually("a line of the access log", SOON, || {
            let lines = self.lines();
            lines.into_iter().find(|line| line["path"] == path).ok_or_else(|| format!("none for {path}"))
        })
    }
}

impl Rig {
    /// Starts a gateway on these resources and waits until it is ready.
    pub fn start(resources: Vec<gatewright_xds::Resource>) -> Self {
        let rig = Self::launch(resources, |_| {});
        rig.wait_until_ready();
        rig
    }

    /// Starts a gateway whose options `adjust` may change.
    pub fn launch(
        resources: Vec<gatewright_xds::Resource>,
        adjust: impl FnOnce(&mut GatewayOptions),
    ) -> Self {
        let control = ControlPlane::start(resources);
        let log = Log::default();
        let mut options = GatewayOptions::new(control.url(), "test");
        options.admin = vec![SocketAddr::from(([127, 0, 0, 1], 0))];
        options.workers = WORKERS;
        options.access_log = Some(Box::new(log.clone()));
        adjust(&mut options);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let gateway = Some(run(options).unwrap());
        Self { control, log, gateway, runtime }
    }

    pub fn gateway(&self) -> &RunningGateway {
        self.gateway.as_ref().unwrap()
    }

    pub fn wait_until_ready(&self) {
        let ready = async { tokio::time::timeout(SOON, self.gateway().ready()).await };
        match self.runtime.block_on(ready) {
            Ok(result) => result.unwrap(),
            Err(_) => panic!("not ready; missing {:?}", self.gateway().missing()),
        }
    }

    /// Returns where a listener can be reached.
    pub fn address(&self, listener: &str) -> SocketAddr {
        eventually("the listener", SOON, || {
            let listeners = self.gateway().listeners();
            listeners.get(listener).copied().ok_or_else(|| format!("only {listeners:?}"))
        })
    }

    /// Returns where the clear-text listener can be reached.
    pub fn http(&self) -> SocketAddr {
        self.address(resources::HTTP)
    }

    pub fn get(&self, host: &str, path: &str) -> Answer {
        Call::get(self.http(), host, path).send().unwrap()
    }

    /// Asks until the answer has this status.
    pub fn get_until(&self, host: &str, path: &str, status: u16) -> Answer {
        eventually(&format!("{status} for {host}{path}"), SOON, || {
            let answer = self.get(host, path);
            if answer.status == status {
                Ok(answer)
            } else {
                Err(format!("{} {}", answer.status, answer.text()))
            }
        })
    }

    /// Asks the admin endpoint.
    pub fn admin(&self, path: &str) -> Answer {
        Call::get(self.gateway().admin_addresses()[0], "localhost", path).send().unwrap()
    }

    pub fn shutdown(mut self, grace: Duration) -> Log {
        let gateway = self.gateway.take().unwrap();
        self.runtime.block_on(gateway.shutdown(grace));
        self.log.clone()
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        if let Some(gateway) = self.gateway.take() {
            self.runtime.block_on(gateway.shutdown(Duration::ZERO));
        }
    }
}

/// Sends raw bytes and returns what comes until the connection is closed or silent for a moment.
pub fn raw(address: SocketAddr, bytes: &[u8]) -> String {
    let mut client = TcpStream::connect(address).unwrap();
    client.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
    // The gateway may answer and close before it has read everything.
    let _ = client.write_all(bytes);
    let mut all = Vec::new();
    let mut buffer = [0; 4096];
    while let Ok(count @ 1..) = client.read(&mut buffer) {
        all.extend_from_slice(&buffer[..count]);
    }
    String::from_utf8_lossy(&all).into_owned()
}
