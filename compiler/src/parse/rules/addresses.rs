//! IP addresses and ranges as the API server reads them: numbers of an IPv4 address may have leading zeros.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Reads an address as Go's older reader does, for fields that had it first.
pub(super) fn parse(text: &str) -> Option<IpAddr> {
    if text.contains(':') {
        return parse_v6(text).map(IpAddr::V6);
    }
    parse_v4(text).map(IpAddr::V4)
}

/// Returns whether a text is an address.
pub(super) fn is_address(text: &str) -> bool {
    parse(text).is_some()
}

fn parse_v4(text: &str) -> Option<Ipv4Addr> {
    let mut octets = [0; 4];
    let mut parts = text.split('.');
    for octet in &mut octets {
        *octet = decimal(parts.next()?)?;
    }
    parts.next().is_none().then(|| octets.into())
}

/// Reads a number up to 255, leading zeros allowed.
fn decimal(text: &str) -> Option<u8> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let significant = text.trim_start_matches('0');
    match significant {
        _ if !digits => None,
        "" => Some(0),
        number => number.parse().ok(),
    }
}

fn parse_v6(text: &str) -> Option<Ipv6Addr> {
    if let Ok(address) = text.parse() {
        return Some(address);
    }
    // With an IPv4 address at the end, whose numbers may have leading zeros.
    let (start, end) = text.rsplit_once(':')?;
    format!("{start}:{}", parse_v4(end)?).parse().ok()
}

/// Returns whether a text is a range: an address and the length of its prefix.
pub(super) fn is_range(text: &str) -> bool {
    let Some((address, length)) = text.split_once('/') else { return false };
    let most = match parse(address) {
        Some(IpAddr::V4(_)) => 32,
        Some(IpAddr::V6(_)) => 128,
        None => return false,
    };
    decimal(length).is_some_and(|length| length <= most)
}

/// Says why requests to an address cannot be meant. Loopback addresses are let through: tests and examples run there,
/// although the API server refuses them.
pub(super) fn special(address: IpAddr) -> Option<&'static str> {
    let (unspecified, link_local, multicast) = match address {
        IpAddr::V4(v4) => v4_traits(v4),
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => v4_traits(v4),
            None => (v6.is_unspecified(), v6.is_unicast_link_local(), v6.segments()[0] & 0xff0f == 0xff02),
        },
    };
    if unspecified {
        Some("may not be the unspecified address")
    } else if link_local {
        Some("may not be a link-local address")
    } else if multicast {
        Some("may not be a link-local multicast address")
    } else {
        None
    }
}

fn v4_traits(address: Ipv4Addr) -> (bool, bool, bool) {
    let [first, second, third, _] = address.octets();
    (address.is_unspecified(), address.is_link_local(), (first, second, third) == (224, 0, 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_the_api_server_reads_them() {
        for good in ["1.2.3.4", "010.002.0003.0", "::1", "fe80::1", "::ffff:1.2.3.4", "::ffff:01.2.3.4"] {
            assert!(is_address(good), "{good}");
        }
        for bad in ["", "1.2.3", "1.2.3.256", "1.2.3.4.5", "a", "1.2.3.x", "::1%eth0", "1:2", "+1.2.3.4"] {
            assert!(!is_address(bad), "{bad}");
        }
    }

    #[test]
    fn ranges_have_a_length_that_fits() {
        for good in ["10.0.0.0/8", "10.0.0.1/032", "::/0", "2001:db8::/128"] {
            assert!(is_range(good), "{good}");
        }
        for bad in ["10.0.0.0", "10.0.0.0/33", "::/129", "10.0.0.0/", "10.0.0.0/-1", "a/8"] {
            assert!(!is_range(bad), "{bad}");
        }
    }

    #[test]
    fn some_addresses_lead_nowhere() {
        for special_address in ["0.0.0.0", "::", "169.254.1.1", "fe80::1", "224.0.0.5", "ff02::1"] {
            assert!(parse(special_address).and_then(special).is_some(), "{special_address}");
        }
        for plain in ["127.0.0.1", "::1", "10.0.0.1", "224.0.1.1", "ff05::1"] {
            assert_eq!(parse(plain).and_then(special), None, "{plain}");
        }
    }
}
