//! Under which names the admin pages are served. A page in a browser can make its own name lead here; what it must not do is
//! read what the gateway shows.

use std::net::{Ipv4Addr, Ipv6Addr};

use gatewright_http::authority;
use http::{Request, header};

/// Returns whether a request names this host by an address or as `localhost`. Who names no host is no browser.
pub(super) fn may_ask<B>(request: &Request<B>) -> bool {
    let target = request.uri().authority().map(|authority| authority.as_str().as_bytes());
    let lines = request.headers().get_all(header::HOST).iter().map(|line| line.as_bytes());
    target.into_iter().chain(lines).all(|name| std::str::from_utf8(name).is_ok_and(is_own))
}

fn is_own(name: &str) -> bool {
    let host = authority::host(name);
    let address = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    match address {
        Some(address) => address.parse::<Ipv6Addr>().is_ok(),
        None => host == "localhost" || host.ends_with(".localhost") || host.parse::<Ipv4Addr>().is_ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_localhost_may_ask() {
        for name in [
            "localhost",
            "LocalHost:15000",
            "a.localhost",
            "127.0.0.1:1",
            "10.1.2.3",
            "[::1]:15000",
            "[fe80::1]",
        ] {
            assert!(is_own(name), "{name}");
        }
        for name in [
            "",
            "evil.test",
            "localhost.evil.test",
            "127.0.0.1.evil.test",
            "evillocalhost",
            "1.2.3",
            "[::1",
            "::1",
            "[a]",
        ] {
            assert!(!is_own(name), "{name}");
        }
    }

    #[test]
    fn every_name_in_a_request_counts() {
        let request = |uri: &str, hosts: &[&str]| {
            let builder =
                hosts.iter().fold(Request::builder().uri(uri), |builder, host| builder.header("host", *host));
            builder.body(()).unwrap()
        };
        assert!(may_ask(&request("/ready", &["localhost"])));
        assert!(may_ask(&request("/ready", &[])));
        assert!(!may_ask(&request("/ready", &["localhost", "evil.test"])));
        assert!(!may_ask(&request("http://evil.test/ready", &["localhost"])));
    }
}
