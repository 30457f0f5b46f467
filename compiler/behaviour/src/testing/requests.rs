//! Requests drawn from the vocabulary of the models, from its neighbours, and from noise.

use gatewright_ir::ListenerId;

use super::Choices;
use super::models::{AUTHORITIES, HEADERS, HOSTS, LITERALS, METHODS, ORIGINS, PARAMETERS, VALUES};
use crate::request::Request;

/// Returns a request.
pub fn request(choices: &mut Choices) -> Request {
    let listener = if choices.one_in(3) { ListenerId::HTTPS } else { ListenerId::HTTP };
    let authority = authority(choices);
    let mut request = Request::get(listener, &authority, &path(choices));
    if listener.is_tls() && choices.one_in(4) {
        request.sni = match choices.below(3) {
            0 => None,
            _ => Some(host(choices)),
        };
    }
    request.method = match choices.below(4) {
        0 => choices.pick(&METHODS).to_owned(),
        1 if choices.one_in(4) => "DELETE".to_owned(),
        _ => "GET".to_owned(),
    };
    while choices.one_in(3) {
        let name = choices.pick(&HEADERS);
        let value = choices.pick(&["always", "never", "alx", "u-1", "u-22", "", " always ", "a,b"]);
        request = request.with_header(name, value);
    }
    if choices.one_in(4) {
        request = request.with_header("Origin", choices.pick(&[ORIGINS[0], ORIGINS[1], "https://z.com", ""]));
        if choices.one_in(2) {
            request = request.with_header("access-control-request-method", choices.pick(&["PUT", "PUT", ""]));
            if choices.one_in(2) {
                request.method = "OPTIONS".into();
            }
        }
    }
    if choices.one_in(8) {
        request = request.with_header(choices.pick(&["X-One", "x-two", "x-noise"]), "0");
    }
    request
}

fn host(choices: &mut Choices) -> String {
    let name = choices.pick(&HOSTS).trim_start_matches('*').trim_start_matches('.').to_owned();
    let name = if name.is_empty() { "z.net".to_owned() } else { name };
    match choices.below(6) {
        0 => format!("x.{name}"),
        1 => format!("any.x.{name}"),
        2 if choices.one_in(4) => name.to_uppercase(),
        3 if choices.one_in(4) => "nobody.test".to_owned(),
        _ => name,
    }
}

fn authority(choices: &mut Choices) -> String {
    if choices.one_in(6) {
        return choices.pick(&AUTHORITIES).to_owned();
    }
    let host = host(choices);
    match choices.below(8) {
        0 => format!("{host}:8080"),
        1 => format!("{host}:{}", choices.pick(&["80", "443", ""])),
        2 => format!("{host}{}", choices.pick(&[":abc", ":-1", ":80:80", "/x", "?x", ", b.test", ",b", "."])),
        _ => host,
    }
}

fn path(choices: &mut Choices) -> String {
    let literal = choices.pick(&LITERALS);
    let more = [
        "", "", "", "", "b", "/", "/b", "/1", "1", "/y", "/../b", "/./", "%2e", "%41", "//", "x", "/B",
        "/b/c", "\\x", ";", "%",
    ];
    let mut path = format!("{literal}{}", choices.pick(&more));
    if choices.one_in(12) {
        path = path.to_uppercase();
    }
    if choices.one_in(40) {
        path = choices.pick(&["*", "/a b", "/%00", "/é", "/123/x", "/x/z9", "//a", "/"]).to_owned();
    }
    if choices.one_in(3) {
        let pair = |choices: &mut Choices| {
            let name = choices.pick(&PARAMETERS);
            let value = choices.pick(&VALUES);
            if choices.one_in(6) { name.to_owned() } else { format!("{name}={value}") }
        };
        let first = pair(choices);
        path = match choices.one_in(3) {
            true => format!("{path}?{first}&{}", pair(choices)),
            false => format!("{path}?{first}"),
        };
    }
    path
}

/// Returns a request near another one: with one thing about it changed, or none.
pub fn neighbour(choices: &mut Choices, request: &Request) -> Request {
    let mut near = request.clone();
    match choices.below(10) {
        0 => near.method = choices.pick(&METHODS).to_owned(),
        1 => near.authority = authority(choices),
        2 => near.path = path(choices),
        3 => near.path = format!("{}{}", near.path, choices.pick(&["x", "/", "/b", "?v=al"])),
        4 if !near.headers.is_empty() => {
            near.headers.remove(choices.below(near.headers.len()));
        }
        5 => near = near.with_header(choices.pick(&HEADERS), choices.pick(&VALUES)),
        6 => near = near.with_header("origin", choices.pick(&ORIGINS)),
        7 => {
            near = near.with_header("origin", ORIGINS[0]).with_header("access-control-request-method", "PUT");
            near.method = "OPTIONS".into();
        }
        8 => near.authority = format!("{}:8080", near.authority),
        _ => {
            near.headers.iter_mut().for_each(|(_, value)| value.push('1'));
        }
    }
    near
}
