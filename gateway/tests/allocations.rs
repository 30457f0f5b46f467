//! What a request costs in memory taken from the system: a count that does not depend on the machine.

#![allow(clippy::unwrap_used, reason = "a helper that cannot do its work fails the test")]
#![allow(unsafe_code, reason = "an allocator cannot be written without")]

mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};

use gatewright_xds::Resource;
use gatewright_xds::envoy::extensions::filters::network::http_connection_manager::v3::HttpFilter;
use support::Rig;
use support::resources::*;

/// What one request may take: heads, the request's record, and what the HTTP library has for a message on each side.
const AT_MOST: u64 = 40;
const REQUESTS: u64 = 400;
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
const REQUEST: &[u8] = b"GET /cart?id=7 HTTP/1.1\r\nhost: shop.example.com\r\nuser-agent: test\r\n\r\n";

struct Counting;

static TAKEN: AtomicU64 = AtomicU64::new(0);

// SAFETY: all that is asked for is handed on as it is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        TAKEN.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller keeps to the rules of the same method.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        TAKEN.fetch_add(1, Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Answers the requests of one connection, without taking memory for it. It ends with the connection.
fn upstream() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut buffer = [0; 4096];
        while let Ok(1..) = stream.read(&mut buffer) {
            if stream.write_all(ANSWER).is_err() {
                return;
            }
        }
    });
    address
}

fn exchange(client: &mut TcpStream) {
    client.write_all(REQUEST).unwrap();
    let mut buffer = [0; 4096];
    let mut filled = 0;
    while !buffer[..filled].ends_with(b"\r\n\r\nok") {
        match client.read(&mut buffer[filled..]).unwrap() {
            0 => panic!("{}", String::from_utf8_lossy(&buffer[..filled])),
            count => filled += count,
        }
    }
    assert!(buffer.starts_with(b"HTTP/1.1 200 OK\r\n"), "{}", String::from_utf8_lossy(&buffer[..filled]));
}

/// Returns how often memory is taken for a request on a connection that is open, in a chain of these filters.
fn taken(filters: Vec<HttpFilter>) -> u64 {
    let listener = Resource::of(&listener_with(HTTP, 0, &manager(HTTP_ROUTES, filters)));
    let host = host(HTTP_ROUTES, "*", vec![to(prefix("/"), forward("a"))]);
    let mut all = vec![listener, routes(HTTP_ROUTES), host];
    all.extend(upstream_of(upstream()));
    let rig = Rig::launch(all, |options| options.workers = 1);
    rig.wait_until_ready();
    let mut client = TcpStream::connect(rig.http()).unwrap();
    for _ in 0..20 {
        exchange(&mut client);
    }
    let before = TAKEN.load(Ordering::Relaxed);
    for _ in 0..REQUESTS {
        exchange(&mut client);
    }
    // Beside the requests there is a tick each second, which the division leaves out.
    (TAKEN.load(Ordering::Relaxed) - before) / REQUESTS
}

fn upstream_of(address: SocketAddr) -> Vec<Resource> {
    support::resources::upstream("a", &[address])
}

#[test]
fn filters_with_nothing_to_do_take_nothing() {
    let plain = taken(vec![]);
    assert!(plain <= AT_MOST, "{plain}");
    let idle = vec![cors_filter(), HttpFilter { name: "cors-2".to_owned(), ..cors_filter() }];
    assert_eq!(taken(idle), plain);
    let disabled = vec![HttpFilter { disabled: true, ..cors_filter() }];
    assert_eq!(taken(disabled), plain);
}
