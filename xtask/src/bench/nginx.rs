//! nginx as a peer of the bench, and as the upstream of all: keep-alive on both sides, the headers and the log line that
//! the gateway and Envoy have too.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::Result;

use super::repository::UPSTREAM_PORT;

/// Bytes of a response.
const BODY: usize = 1024;

/// Where the peer listens.
#[derive(Clone, Copy)]
pub(super) struct Ports {
    pub(super) http: u16,
    /// This nginx speaks one of the two on a port.
    pub(super) http2: u16,
    pub(super) admin: u16,
}

/// The fields of the gateway's log.
const LOG: &str = concat!(
    r#"{"authority":"$http_host","bytes_received":$request_length,"bytes_sent":$body_bytes_sent,"#,
    r#""downstream_local_address":"$server_addr:$server_port","#,
    r#""downstream_remote_address":"$remote_addr:$remote_port","duration":$request_time,"#,
    r#""method":"$request_method","path":"$request_uri","protocol":"$server_protocol","#,
    r#""request_id":"$request_id","requested_server_name":"-","response_code":$status,"response_flags":"-","#,
    r#""route_name":"$server_name","start_time":"$time_iso8601","upstream_cluster":"$proxy_host","#,
    r#""upstream_host":"$upstream_addr","upstream_service_time":"$upstream_response_time","#,
    r#""user_agent":"$http_user_agent","x_forwarded_for":"$proxy_add_x_forwarded_for"}"#,
);

/// Returns the command of an nginx in one process that serves so many hosts.
///
/// # Errors
/// When the folder cannot be written.
pub(super) fn peer(pinned: Command, folder: &Path, hosts: usize, ports: Ports) -> Result<Command> {
    command(pinned, &folder.join("nginx"), |home| proxy(home, hosts, ports))
}

/// Returns the command of an nginx that answers every request with the same kilobyte.
///
/// # Errors
/// When the folder cannot be written.
pub(super) fn upstream(pinned: Command, folder: &Path) -> Result<Command> {
    let body = "x".repeat(BODY);
    let server = format!(
        "  access_log off;\n  server {{ listen 127.0.0.1:{UPSTREAM_PORT}; default_type text/plain; location / \
         {{ return 200 {body}; }} }}\n"
    );
    command(pinned, &folder.join("upstream"), |_| server)
}

fn command(mut pinned: Command, home: &Path, http: impl FnOnce(&str) -> String) -> Result<Command> {
    fs::create_dir_all(home)?;
    let (file, text) = (home.join("nginx.conf"), home.display().to_string());
    fs::write(&file, configuration(&text, &http(&text)))?;
    // It appends, and what it begins with is no part of what is measured.
    fs::write(home.join("access.log"), "")?;
    pinned.arg("-p").arg(home).arg("-c").arg(&file);
    Ok(pinned)
}

fn configuration(home: &str, http: &str) -> String {
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    let temporary: String =
        temporary.iter().map(|kind| format!("  {kind}_temp_path {home}/{kind};\n")).collect();
    format!(
        "daemon off;\nmaster_process off;\nworker_processes 1;\npid {home}/pid;\nerror_log {home}/error.log;\n\
         events {{ worker_connections 4096; }}\nhttp {{\n{temporary}  keepalive_requests 1000000000;\n{http}}}\n"
    )
}

fn proxy(home: &str, hosts: usize, ports: Ports) -> String {
    let admin = ports.admin;
    let servers: String = (1..=hosts).map(|index| server(index, ports)).collect();
    format!(
        "  log_format gateway escape=json '{LOG}';\n  access_log {home}/access.log gateway;\n  \
         server_names_hash_max_size 65536;\n  server_names_hash_bucket_size 128;\n  proxy_http_version 1.1;\n  \
         proxy_set_header Connection \"\";\n  proxy_set_header Host $http_host;\n  \
         proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;\n  \
         proxy_set_header X-Forwarded-Proto $scheme;\n  proxy_set_header X-Request-Id $request_id;\n  \
         upstream shop {{ server 127.0.0.1:{UPSTREAM_PORT}; keepalive 256; keepalive_requests 1000000000; }}\n  \
         server {{ listen 127.0.0.1:{admin}; location /ready {{ return 200; }} }}\n{servers}"
    )
}

fn server(index: usize, Ports { http, http2, .. }: Ports) -> String {
    format!(
        "  server {{ listen 127.0.0.1:{http}; listen 127.0.0.1:{http2} http2; server_name \
         shop-{index:05}.example.com; location / {{ proxy_pass http://shop; }} }}\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_host_is_a_server() {
        let text = proxy("home", 3, Ports { http: 18_081, http2: 18_084, admin: 18_083 });
        assert_eq!(text.matches("proxy_pass").count(), 3);
        assert!(text.contains("server_name shop-00003.example.com;"), "{text}");
    }
}
