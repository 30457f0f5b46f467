//! nginx as a peer of the bench: the hosts of the repository, keep-alive to the upstream, access log on.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::Result;

use super::repository::UPSTREAM_PORT;

/// Writes nginx' configuration for so many hosts, and returns the command that runs it in one process.
///
/// # Errors
/// When the folder cannot be written.
pub(super) fn command(
    mut pinned: Command,
    folder: &Path,
    hosts: usize,
    ports: (u16, u16),
) -> Result<Command> {
    let home = folder.join("nginx");
    fs::create_dir_all(&home)?;
    let file = home.join("nginx.conf");
    fs::write(&file, configuration(&home.display().to_string(), hosts, ports))?;
    pinned.arg("-p").arg(&home).arg("-c").arg(&file);
    Ok(pinned)
}

fn configuration(home: &str, hosts: usize, (http, admin): (u16, u16)) -> String {
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    let temporary: String =
        temporary.iter().map(|kind| format!("  {kind}_temp_path {home}/{kind};\n")).collect();
    let servers: String = (1..=hosts).map(|index| server(index, http)).collect();
    format!(
        "daemon off;\nmaster_process off;\nworker_processes 1;\npid {home}/pid;\nerror_log {home}/error.log;\n\
         events {{ worker_connections 4096; }}\nhttp {{\n{temporary}  access_log {home}/access.log;\n  \
         server_names_hash_max_size 65536;\n  server_names_hash_bucket_size 128;\n  keepalive_requests 1000000000;\n  \
         proxy_http_version 1.1;\n  proxy_set_header Connection \"\";\n  proxy_set_header Host $host;\n  \
         upstream shop {{ server 127.0.0.1:{UPSTREAM_PORT}; keepalive 256; keepalive_requests 1000000000; }}\n  \
         server {{ listen 127.0.0.1:{admin}; location /ready {{ return 200; }} }}\n{servers}}}\n"
    )
}

fn server(index: usize, port: u16) -> String {
    format!(
        "  server {{ listen 127.0.0.1:{port}; server_name shop-{index:05}.example.com; location / {{ proxy_pass \
         http://shop; }} }}\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_host_is_a_server() {
        let text = configuration("home", 3, (18_081, 18_083));
        assert_eq!(text.matches("proxy_pass").count(), 3);
        assert!(text.contains("server_name shop-00003.example.com;") && text.ends_with("}\n"), "{text}");
    }
}
