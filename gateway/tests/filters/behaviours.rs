//! What the filters of these tests do.

use std::time::Duration;

use bytes::Bytes;
use gatewright_gateway::stream::{CallAnswer, CallResponse, Event, Host, LocalReply, Side, Step};
use http::{HeaderValue, StatusCode};

use crate::support::filters::{Behaviours, Memory, check};

/// Returns the filters by the names that configurations have for them.
pub(super) fn behaviours() -> Behaviours {
    Behaviours::from([
        ("tag", (false, false, tag as _)),
        ("edit-from-body", (true, false, edit_from_body as _)),
        ("authorize", (true, false, authorize as _)),
        ("stop-all", (true, false, stop_all as _)),
        ("replace", (true, true, replace as _)),
        ("double", (true, true, double as _)),
        ("inject", (true, true, inject as _)),
        ("collect", (true, true, collect as _)),
        ("answer", (true, false, answer as _)),
        ("reroute", (false, false, reroute as _)),
        ("late", (false, false, late as _)),
        ("remember", (false, false, remember as _)),
        ("life", (false, false, life as _)),
        ("end", (false, false, end as _)),
        ("wake", (false, false, wake as _)),
        ("trail", (true, true, trail as _)),
        ("review", (false, true, review as _)),
    ])
}

fn value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap()
}

fn reply(status: StatusCode, text: &str) -> Step {
    let mut reply = LocalReply::new(status, text.to_owned());
    reply.headers.insert("x-own", value("1"));
    Step::Reply(reply)
}

/// Notes the order in which filters see request and response.
fn tag(_: &mut Memory, event: Event<'_>, host: &mut Host<'_>) -> Step {
    let name = value(host.name());
    match event {
        Event::Head { side: Side::Request, .. } => {
            host.request_mut().unwrap().headers.append("x-tag", name);
        }
        Event::Head { side: Side::Response, .. } => {
            host.response_mut().unwrap().headers.append("x-tag", name);
        }
        _ => {}
    }
    Step::Continue
}

/// Holds the head until the whole body is there, and tells its length in a header.
fn edit_from_body(_: &mut Memory, event: Event<'_>, host: &mut Host<'_>) -> Step {
    match event {
        Event::Head { side: Side::Request, end: false } => Step::StopHeaders,
        Event::Data { end: false, .. } => Step::Buffer,
        Event::Data { data, .. } => {
            let length = value(&data.len().to_string());
            host.request_mut().unwrap().headers.insert("x-length", length);
            Step::Continue
        }
        _ => Step::Continue,
    }
}

/// Asks a cluster whether the request may go on. Its data callback continues: that must open nothing.
fn authorize(memory: &mut Memory, event: Event<'_>, host: &mut Host<'_>) -> Step {
    match event {
        Event::Head { side: Side::Request, .. } => {
            let mut request = check(&memory.argument, Some(Duration::from_secs(2)));
            for name in ["x-echo-status", "x-echo-delay-ms"] {
                if let Some(wish) = host.request().unwrap().headers.get(format!("x-auth-{name}")) {
                    request.headers.insert(name, wish.clone());
                }
            }
            match host.call(request) {
                Ok(call) => memory.call = Some(call),
                Err(error) => return reply(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
            }
            Step::StopAll
        }
        Event::Data { data, end, .. } => {
            memory.notes.note(format!("data {} {end}", data.len()));
            Step::Continue
        }
        Event::Called { call, answer: CallAnswer::Response(response) } => {
            let CallResponse { head, body, .. } = *response;
            assert_eq!(Some(call), memory.call);
            if head.status != StatusCode::OK {
                return reply(head.status, &String::from_utf8_lossy(&body));
            }
            host.request_mut().unwrap().headers.insert("x-user", value("ann"));
            host.resume(Side::Request);
            Step::Continue
        }
        Event::Called { .. } => reply(StatusCode::BAD_GATEWAY, "broken"),
        _ => Step::Continue,
    }
}

/// Stops everything for a moment, and is shown what was collected then.
fn stop_all(memory: &mut Memory, event: Event<'_>, host: &mut Host<'_>) -> Step {
    match event {
        Event::Head { side: Side::Request, .. } => {
            host.timer(Duration::from_millis(100));
            Step::StopAll
        }
        Event::Timer { .. } => {
            memory.notes.note("timer");
            host.request_mut().unwrap().headers.insert("x-waited", value("yes"));
            host.resume(Side::Request);
            Step::Continue
        }
        Event::Data { data, end, .. } => {
            memory.notes.note(format!("data {} {end}", String::from_utf8_lossy(data)));
            Step::Continue
        }
        _ => Step::Continue,
    }
}

/// Puts another body in the place of both, with the head held.
fn replace(memory: &mut Memory, event: Event<'_>, _: &mut Host<'_>) -> Step {
    match event {
        Event::Head { end: false, .. } => Step::StopHeaders,
        Event::Data { end: false, .. } => Step::Buffer,
        Event::Data { side, data, .. } => {
            let word = if side == Side::Request { "request" } else { "response" };
            *data = Bytes::from(format!("{word} {}", memory.argument));
            Step::Continue
        }
        _ => Step::Continue,
    }
}

/// Makes each piece of data twice as long as it passes.
fn double(_: &mut Memory, event: Event<'_>, _: &mut Host<'_>) -> Step {
    if let Event::Data { data, .. } = event {
        *data = [&data[..], data].concat().into();
    }
    Step::Continue
}

/// Takes the request's data as its own and sends other data; puts something before and behind the response's.
fn inject(_: &mut Memory, event: Event<'_>, host: &mut Host<'_>) -> Step {
    match event {
        Event::Head { side: Side::Request, end: false } => Step::StopHeaders,
        Event::Data { side: Side::Request, end, .. } => {
            host.inject(Side::Request, Bytes::from_static(b"own "), false);
            if end {
                host.inject(Side::Request, Bytes::from_static(b"end"), true);
            }
            Step::NoBuffer
        }
        Event::Data { side: Side::Response, data, end } => {
            host.inject(Side::Response, Bytes::from_static(b"<"), false);
            if end {
                *data = [&data[..], b">"].concat().into();
            }
            Step::Continue
        }
        _ => Step::Continue,
    }
}

/// Collects both messages up to a limit, that of the request being ten times as much.
fn collect(memory: &mut Memory, event: Event<'_>, host: &mut Host<'_>) -> Step {
    let limit: usize = memory.argument.parse().unwrap();
    match event {
        Event::Head { side, end } => {
            host.set_buffer_limit(side, if side == Side::Request { 10 * limit } else { limit });
            if end { Step::Continue } else { Step::StopHeaders }
        }
        Event::Data { end: false, .. } => Step::Buffer,
        _ => Step::Continue,
    }
}

/// Answers in the upstream's place, at the callback that the request asks for.
fn answer(_: &mut Memory, event: Event<'_>, host: &mut Host<'_>) -> Step {
    match event {
        Event::Head { side: Side::Request, .. } if host.request().unwrap().target.path() == "/headers" => {
            reply(StatusCode::IM_A_TEAPOT, "headers")
        }
        Event::Data { side: Side::Request, data, .. } if data.starts_with(b"bad") => {
            reply(StatusCode::IM_A_TEAPOT, "data")
        }
        Event::Head { side: Side::Response, .. }
            if host.response().unwrap().status == StatusCode::BAD_GATEWAY =>
        {
            reply(StatusCode::IM_A_TEAPOT, "response")
        }
        _ => Step::Continue,
    }
}

/// Sends the request to another host's routes.
fn reroute(memory: &mut Memory, event: Event<'_>, host: &mut Host<'_>) -> Step {
    if let Event::Head { side: Side::Request, .. } = event {
        memory.notes.note(format!("{} {:?}", host.route().unwrap().name(), host.cluster()));
        host.request_mut().unwrap().authority = value("b.example.com");
        host.clear_route();
    }
    Step::Continue
}

/// Answers while the upstream is asked already.
fn late(_: &mut Memory, event: Event<'_>, host: &mut Host<'_>) -> Step {
    match event {
        Event::Head { side: Side::Request, .. } if host.request().unwrap().target.path() == "/late" => {
            host.timer(Duration::from_millis(100));
            Step::Continue
        }
        Event::Timer { .. } => reply(StatusCode::TOO_MANY_REQUESTS, "late"),
        _ => Step::Continue,
    }
}

/// Reads the request when the response comes, and when all is over.
fn remember(memory: &mut Memory, event: Event<'_>, host: &mut Host<'_>) -> Step {
    let asked = host.request().and_then(|head| head.headers.get("x-ask").cloned());
    match event {
        Event::Head { side: Side::Response, .. } => {
            host.set_property("asked", Bytes::from_static(b"kept"));
            host.response_mut().unwrap().headers.insert("x-asked", asked.unwrap());
        }
        Event::Log => {
            let outcome = host.outcome().unwrap();
            let line = format!(
                "log {} {} {} {:?} {}",
                asked.unwrap().to_str().unwrap(),
                host.response().unwrap().headers["x-asked"].to_str().unwrap(),
                outcome.code,
                outcome.cluster.as_deref(),
                host.property("asked").is_some() && host.upstream().is_some(),
            );
            memory.notes.note(line);
        }
        _ => {}
    }
    Step::Continue
}

/// Notes how a stream ends.
fn life(memory: &mut Memory, event: Event<'_>, host: &mut Host<'_>) -> Step {
    match event {
        Event::Log => {
            let outcome = host.outcome().unwrap();
            memory.notes.note(format!("log {} {} {}", memory.argument, outcome.code, outcome.flags));
        }
        Event::Done => memory.notes.note(format!("done {}", memory.argument)),
        _ => {}
    }
    Step::Continue
}

/// Ends the stream without an answer: at once, or when the response has come.
fn end(_: &mut Memory, event: Event<'_>, host: &mut Host<'_>) -> Step {
    let when = match event {
        Event::Head { side: Side::Request, .. } => "/now",
        Event::Head { side: Side::Response, .. } => "/then",
        _ => return Step::Continue,
    };
    if host.request().unwrap().target.path() != when {
        return Step::Continue;
    }
    host.end();
    Step::StopAll
}

/// Is woken by work of its own.
fn wake(memory: &mut Memory, event: Event<'_>, host: &mut Host<'_>) -> Step {
    match event {
        Event::Head { side: Side::Request, .. } => {
            let waker = host.waker();
            tokio::task::spawn_local(async move { waker.wake() });
            Step::StopAll
        }
        Event::Woken => {
            memory.notes.note("woken");
            host.resume(Side::Request);
            Step::Continue
        }
        _ => Step::Continue,
    }
}

/// Makes trailers behind a response that has none.
fn trail(_: &mut Memory, event: Event<'_>, host: &mut Host<'_>) -> Step {
    if let Event::Data { side: Side::Response, end: true, .. } = event {
        host.trailers_mut(Side::Response).insert("x-trailer", value("made"));
    }
    Step::Continue
}

/// Asks a cluster about the response, all of which waits meanwhile.
fn review(memory: &mut Memory, event: Event<'_>, host: &mut Host<'_>) -> Step {
    match event {
        Event::Head { side: Side::Response, .. } => {
            let mut request = check(&memory.argument, None);
            if let Some(wish) = host.request().unwrap().headers.get("x-review") {
                request.headers.insert("x-echo-status", wish.clone());
            }
            memory.call = Some(host.call(request).unwrap());
            Step::StopAll
        }
        Event::Data { side: Side::Response, data, .. } => {
            *data = data.to_ascii_uppercase().into();
            Step::Continue
        }
        Event::Called { answer: CallAnswer::Response(response), .. } if response.head.status == 200 => {
            host.response_mut().unwrap().headers.insert("x-reviewed", value("yes"));
            host.resume(Side::Response);
            Step::Continue
        }
        Event::Called { .. } => reply(StatusCode::UNAVAILABLE_FOR_LEGAL_REASONS, "reviewed"),
        _ => Step::Continue,
    }
}
