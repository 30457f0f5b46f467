//! Where a serving process answers.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;

use rustls::pki_types::ServerName;

use super::identity::Identity;

/// How a serving process is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// Over its control socket.
    Socket(PathBuf),
    /// Over its control address.
    Network(Remote),
}

/// A control address, and who is at both ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remote {
    /// Where it is.
    pub address: HostPort,
    /// The name that its certificate must have; without one, the host of the address.
    pub server_name: Option<PeerName>,
    /// Who we are, and who may have issued its certificate.
    pub identity: Identity,
}

/// An address: a host by name or number, and a port.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct HostPort {
    host: String,
    port: u16,
}

/// A name that a certificate may have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerName(ServerName<'static>);

/// Says that a text is no address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an address: write HOST:PORT, or [IP]:PORT for IPv6")]
pub struct NoAddress(String);

/// Says that a text is no name of a certificate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no name that a certificate can have: write a DNS name or an IP address")]
pub struct NoPeerName(String);

impl Endpoint {
    /// Returns the path or the address alone.
    pub(crate) fn place(&self) -> String {
        match self {
            Endpoint::Socket(path) => path.display().to_string(),
            Endpoint::Network(remote) => remote.address.to_string(),
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if matches!(self, Endpoint::Socket(_)) { "socket" } else { "address" };
        write!(f, "control {kind} {}", self.place())
    }
}

impl Remote {
    /// Returns the name that the certificate of the other side must have.
    pub(super) fn peer(&self) -> ServerName<'static> {
        self.server_name.as_ref().map_or_else(|| self.address.name(), |PeerName(name)| name.clone())
    }
}

impl HostPort {
    /// Returns host and port, as a connection takes them.
    pub(super) fn parts(&self) -> (&str, u16) {
        (&self.host, self.port)
    }

    fn name(&self) -> ServerName<'static> {
        ServerName::try_from(self.host.clone()).expect("it was tried when the address was read")
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.parse::<IpAddr>() {
            Ok(IpAddr::V6(_)) => write!(f, "[{}]:{}", self.host, self.port),
            _ => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

impl FromStr for HostPort {
    type Err = NoAddress;

    fn from_str(text: &str) -> Result<Self, NoAddress> {
        let parts = || {
            let (host, port) = text.rsplit_once(':')?;
            let port: u16 = port.parse().ok().filter(|port| *port > 0)?;
            let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
            let is_v6 = |host: &str| host.parse::<std::net::Ipv6Addr>().is_ok();
            // Without brackets, the last group of an address would be taken for a port.
            let host = match bare {
                Some(host) => Some(host).filter(|host| is_v6(host)),
                None => Some(host).filter(|host| !host.contains(':')),
            }?;
            ServerName::try_from(host).ok()?;
            Some(HostPort { host: host.to_owned(), port })
        };
        parts().ok_or_else(|| NoAddress(text.to_owned()))
    }
}

impl FromStr for PeerName {
    type Err = NoPeerName;

    fn from_str(text: &str) -> Result<Self, NoPeerName> {
        ServerName::try_from(text.to_owned()).map(PeerName).map_err(|_| NoPeerName(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_written_alike() {
        for text in ["gw.example.com:15011", "127.0.0.1:1", "[::1]:65535", "gw:80"] {
            assert_eq!(text.parse::<HostPort>().unwrap().to_string(), text);
        }
        for text in
            ["", "gw", "gw:", "gw:0", "gw:65536", ":80", "::1:80", "[gw]:80", "[::1]", "g w:80", "gw:80/x"]
        {
            assert_eq!(text.parse::<HostPort>(), Err(NoAddress(text.to_owned())), "{text}");
        }
        assert!("a b".parse::<PeerName>().is_err());
        assert!("::1".parse::<PeerName>().is_ok() && "gw.test".parse::<PeerName>().is_ok());
    }
}
