//! The two ends of a client's connection, in the forms that headers and logs need.

use std::net::{IpAddr, SocketAddr};

use http::HeaderValue;

/// The two ends of a client's connection.
#[derive(Clone, Debug)]
pub(crate) struct Ends {
    pub(crate) remote: Box<str>,
    pub(crate) local: Box<str>,
    /// The client's IP address, as `x-forwarded-for` gets it.
    pub(crate) client: HeaderValue,
}

impl Ends {
    pub(crate) fn new(remote: SocketAddr, local: SocketAddr) -> Self {
        let client = HeaderValue::try_from(canonical(remote.ip()).to_string())
            .expect("an address is made of characters that a header may hold");
        Self { remote: remote.to_string().into(), local: local.to_string().into(), client }
    }
}

/// Returns an IPv4 address that came mapped into IPv6 as what it is.
fn canonical(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or(ip, IpAddr::V4),
        IpAddr::V4(_) => ip,
    }
}
