//! Ports for servers that cannot be told to bind port 0 and report it.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU32, Ordering};

/// Servers stay below the kernel's range for outgoing connections, so that no client socket takes a handed-out port.
const FIRST: u32 = 20_000;
const COUNT: u32 = 12_000;

static NEXT: AtomicU32 = AtomicU32::new(0);

/// Returns a TCP port on which nothing listens at 127.0.0.1, different at each call in this process.
///
/// The start depends on the process id, so that test binaries running side by side rarely try the same port.
///
/// # Panics
/// When every port of the range is taken.
pub fn free_port() -> u16 {
    let start = std::process::id().wrapping_mul(97) % COUNT;
    for _ in 0..COUNT {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = (FIRST + (start + step) % COUNT) as u16;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("no free port between {FIRST} and {}", FIRST + COUNT)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn hands_out_each_port_once() {
        let ports: BTreeSet<u16> = (0..50).map(|_| free_port()).collect();
        assert_eq!(ports.len(), 50);
    }

    #[test]
    fn a_port_can_be_bound() {
        TcpListener::bind(("127.0.0.1", free_port())).unwrap();
    }
}
