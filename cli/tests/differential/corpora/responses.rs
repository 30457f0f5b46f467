//! Responses of an upstream, and what the client gets of them.

use super::{Case, STRICT, differs, same};

const NO_BODY: &str = "a response without body ends with its head, whatever that says";

/// Sent by an upstream that closes the connection after each.
pub(super) const CASES: &[Case] = &[
    // Two readers could see different ends.
    same("response: chunks, length", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n5\r\nhello\r\n0\r\n\r\n", 502),
    same("response: length, chunks", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", 502),
    same("response: gzip", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nhello", 502),
    same("response: gzip, chunked", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", 502),
    same("response: identity", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\nhello", 502),
    same("response: identity, length", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\nContent-Length: 5\r\n\r\nhello", 502),
    same("response: two lines of chunks", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", 502),
    same("response: chunked twice", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", 502),
    same("response: no coding", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: \r\n\r\nhi", 502),
    same("response: empty item", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: ,chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", 502),
    same("response: two lengths", b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nhi", 502),
    same("response: one length twice", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nhi", 502),
    same("response: list of lengths", b"HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nhi", 502),
    same("response: length abc", b"HTTP/1.1 200 OK\r\nContent-Length: abc\r\n\r\nhi", 502),
    same("response: length -1", b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nhi", 502),
    same("response: length +2", b"HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nhi", 502),
    same("response: empty length", b"HTTP/1.1 200 OK\r\nContent-Length: \r\n\r\nhi", 502),
    same("response: large length", b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\nhi", 502),
    same("response: capitals", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: CHUNKED\r\n\r\n5\r\nhello\r\n0\r\n\r\n", 200),
    differs("response: chunks in HTTP/1.0", b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", 200, 502, STRICT),
    // No response at all.
    same("response: garbage", b"garbage garbage\r\n\r\n", 502),
    same("response: binary", b"\x16\x03\x01\x00\x00\r\n\r\n", 502),
    same("response: a page alone", b"<html>hello</html>\r\n\r\n", 502),
    same("response: a frame of HTTP/2", b"\x00\x00\x00\x04\x00\x00\x00\x00\x00", 502),
    same("response: no code", b"HTTP/1.1 abc OK\r\nContent-Length: 0\r\n\r\n", 502),
    same("response: small letters", b"http/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 502),
    same("response: nothing", b"", 503),
    differs("response: half a head", b"HTTP/1.1 200 OK\r\nX: a", 502, 503, "the HTTP library does not tell a head that breaks off from none"),
    differs("response: HTTP/1.2", b"HTTP/1.2 200 OK\r\nContent-Length: 0\r\n\r\n", 200, 502, STRICT),
    differs("response: HTTP/2.0", b"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n", 200, 502, STRICT),
    differs("response: HTTP/0.9", b"HTTP/0.9 200 OK\r\nContent-Length: 0\r\n\r\n", 200, 502, STRICT),
    differs("response: code 99", b"HTTP/1.1 99 OK\r\nContent-Length: 0\r\n\r\n", 99, 502, STRICT),
    differs("response: code 1000", b"HTTP/1.1 1000 OK\r\nContent-Length: 0\r\n\r\n", 1000, 502, STRICT),
    same("response: code 600", b"HTTP/1.1 600 OK\r\nContent-Length: 0\r\n\r\n", 600),
    same("response: no reason", b"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", 200),
    // Heads.
    same("response: zero byte", b"HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 2\r\n\r\nhi", 502),
    same("response: space in a name", b"HTTP/1.1 200 OK\r\nX y: a\r\nContent-Length: 2\r\n\r\nhi", 502),
    same("response: space before the colon", b"HTTP/1.1 200 OK\r\nX : a\r\nContent-Length: 2\r\n\r\nhi", 502),
    same("response: no colon", b"HTTP/1.1 200 OK\r\nX\r\nContent-Length: 2\r\n\r\nhi", 502),
    same("response: control character", b"HTTP/1.1 200 OK\r\nX: \x01\r\nContent-Length: 2\r\n\r\nhi", 502),
    differs("response: folded line", b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 2\r\n\r\nhi", 200, 502, STRICT),
    differs("response: carriage return in a value", b"HTTP/1.1 200 OK\r\nX: a\rb\r\nContent-Length: 2\r\n\r\nhi", 200, 502, STRICT),
    same("response: line feeds", b"HTTP/1.1 200 OK\nContent-Length: 2\n\nhi", 200),
    same("response: beyond ASCII", b"HTTP/1.1 200 OK\r\nX: \xff\r\nContent-Length: 2\r\n\r\nhi", 200),
    differs("response: empty line before", b"\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", 502, 200, "empty lines before a message change nothing"),
    same("response: headers of the connection", b"HTTP/1.1 200 OK\r\nConnection: x-a, close\r\nX-A: 1\r\nContent-Length: 2\r\n\r\nhi", 200),
    // Bodies.
    same("response: body cut short", b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhi", 200),
    same("response: body too long", b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nhi", 200),
    same("response: trailer", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX: y\r\n\r\n", 200),
    same("response: broken chunk with the head", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n", 200),
    same("response: broken second chunk", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n", 200),
    same("response: until the end", b"HTTP/1.1 200 OK\r\n\r\nhello", 200),
    same("response: until the end in HTTP/1.0", b"HTTP/1.0 200 OK\r\n\r\nhello", 200),
    same("response: two responses", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhiHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", 200),
    differs("response: 204 with a length", b"HTTP/1.1 204 No\r\nContent-Length: 2\r\n\r\nhi", 502, 204, NO_BODY),
    differs("response: 204 with chunks", b"HTTP/1.1 204 No\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 502, 204, NO_BODY),
    same("response: 304 with a length", b"HTTP/1.1 304 No\r\nContent-Length: 2\r\n\r\n", 304),
    // Before the response.
    same("response: 100 first", b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", 200),
    same("response: 103 first", b"HTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", 200),
    differs("response: 101 that nobody asked for", b"HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", 101, 502, "another protocol begins only where one was asked for"),
];
