//! Requests at a steady rate, by wrk and h2load on core 1.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};

use crate::process;

const WITHIN: Duration = Duration::from_secs(60);
const HTTP1_CONNECTIONS: u32 = 128;
const HTTP2_CONNECTIONS: u32 = 16;
const STREAMS: u32 = 8;
/// Of one connection of HTTP/2. The pauses of the script come to some hundred of each of HTTP/1.1.
const HTTP2_RATE: u32 = 750;

/// What requests are made with.
pub(super) enum Protocol<'a> {
    /// By wrk, as the script says.
    Http1 { port: u16, script: &'a Path },
    /// By h2load, in clear text. It knows one host only.
    Http2 { port: u16 },
}

/// Each connection takes its hosts in turn, so that no proxy lives from one cached decision, and pauses some milliseconds
/// after each answer.
const SCRIPT: &str = r#"
local requests = {}
init = function()
  for i = 1, 200 do
    local host = string.format("shop-%05d.example.com", i)
    requests[i] = wrk.format("GET", i % 2 == 0 and "/api/items?id=7" or "/cart", { Host = host })
  end
end
local next = 0
request = function()
  next = next % #requests + 1
  return requests[next]
end
delay = function()
  return math.random(6, 14)
end
"#;

/// Writes the script of HTTP/1.1.
///
/// # Errors
/// When the folder cannot be written.
pub(super) fn script(folder: &Path) -> Result<PathBuf> {
    let file = folder.join("hosts.lua");
    fs::write(&file, SCRIPT)?;
    Ok(file)
}

/// Sends requests for so many seconds and returns how many were answered with 200.
///
/// # Errors
/// When one was not, or the tool fails.
pub(super) fn run(protocol: &Protocol<'_>, seconds: u32) -> Result<u32> {
    let mut command = Command::new("taskset");
    command.args(["-c", "1"]);
    match protocol {
        Protocol::Http1 { port, script } => {
            let (connections, time) = (HTTP1_CONNECTIONS.to_string(), format!("{seconds}s"));
            command.args(["wrk", "-t", "1", "-c", &connections, "-d", &time, "-s"]).arg(script);
            command.arg(format!("http://127.0.0.1:{port}"));
            requests_of_wrk(&lines(&mut command)?)
        }
        Protocol::Http2 { port } => {
            let (connections, streams) = (HTTP2_CONNECTIONS.to_string(), STREAMS.to_string());
            let (rate, seconds) = (HTTP2_RATE.to_string(), seconds.to_string());
            command.args(["h2load", "-t", "1", "-c", &connections, "-m", &streams, "-D", &seconds]);
            command.args(["--rps", &rate, &format!("--connect-to=127.0.0.1:{port}")]);
            for path in ["api/items?id=7", "cart"] {
                command.arg(format!("http://shop-00001.example.com/{path}"));
            }
            requests_of_h2load(&lines(&mut command)?)
        }
    }
}

fn lines(command: &mut Command) -> Result<Vec<String>> {
    let ended = process::run_quietly(command, WITHIN)?;
    ensure!(ended.success(), "the load: {}: {}", ended.reason(), ended.lines.join(" "));
    Ok(ended.lines)
}

fn requests_of_wrk(lines: &[String]) -> Result<u32> {
    let line = |text: &str| lines.iter().find(|line| line.contains(text));
    if let Some(errors) = line("Non-2xx").or_else(|| line("Socket errors")) {
        bail!("wrk: {}", errors.trim());
    }
    let requests = line(" requests in ").and_then(|line| line.trim().split(' ').next()?.parse().ok());
    requests.filter(|&requests| requests > 0).with_context(|| format!("wrk says {}", lines.join(" ")))
}

fn requests_of_h2load(lines: &[String]) -> Result<u32> {
    let says = || format!("h2load says {}", lines.join(" "));
    let codes = lines.iter().find_map(|line| line.strip_prefix("status codes: ")).with_context(says)?;
    let counts: Vec<u32> =
        codes.split(", ").filter_map(|count| count.split(' ').next()?.parse().ok()).collect();
    match counts[..] {
        [requests @ 1..=u32::MAX, 0, 0, 0] => Ok(requests),
        _ => bail!("{}", says()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn only_answers_with_200_count() {
        assert_eq!(requests_of_wrk(&lines("  2 threads\n  812 requests in 4.00s, 1MB read")).unwrap(), 812);
        let errors = lines("  812 requests in 4.00s\n  Non-2xx or 3xx responses: 3");
        assert!(requests_of_wrk(&errors).unwrap_err().to_string().contains("Non-2xx"));
        let good = lines("status codes: 4211 2xx, 0 3xx, 0 4xx, 0 5xx\ntraffic: 1MB");
        assert_eq!(requests_of_h2load(&good).unwrap(), 4211);
        for bad in
            ["status codes: 42 2xx, 0 3xx, 1 4xx, 0 5xx", "status codes: 0 2xx, 0 3xx, 0 4xx, 0 5xx", ""]
        {
            assert!(requests_of_h2load(&lines(bad)).is_err(), "{bad}");
        }
    }
}
