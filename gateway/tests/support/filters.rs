//! Filters of a test's own: each is a function from an event to a step, named in the bytes of its configuration.

use std::any::Any as AnySettings;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use gatewright_gateway::FieldError;
use gatewright_gateway::stream::{
    CallAnswer, CallId, CallRequest, Event, Factory, Filter, FilterKind, Host, Interest, Loading, Shared,
    Start, Step, Task, Worker,
};
use gatewright_testkit::wait::eventually;
use gatewright_xds::envoy::extensions::filters::network::http_connection_manager::v3::HttpFilter;
use gatewright_xds::google::protobuf::Any;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method};

use super::SOON;
use super::resources::http_filter;

pub const TYPE: &str = "type.googleapis.com/gatewright.test.Filter";
pub const ROUTE_TYPE: &str = "type.googleapis.com/gatewright.test.OfRoute";

/// What happened to the filters of a gateway, in order.
#[derive(Clone, Default)]
pub struct Notes(Arc<Mutex<Vec<String>>>);

impl Notes {
    pub fn note(&self, what: impl Into<String>) {
        self.0.lock().unwrap().push(what.into());
    }

    pub fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }

    pub fn count(&self, what: &str) -> usize {
        self.all().iter().filter(|note| *note == what).count()
    }

    /// Waits until something was noted this often.
    pub fn wait_for(&self, what: &str, times: usize) {
        eventually(what, SOON, || {
            if self.count(what) >= times { Ok(()) } else { Err(format!("only {:?}", self.all())) }
        });
    }
}

/// What one filter remembers of its stream.
pub struct Memory {
    /// What follows the name in the configuration.
    pub argument: String,
    pub notes: Notes,
    pub call: Option<CallId>,
    /// What this filter has counted on its worker.
    pub of_worker: Rc<std::cell::Cell<u32>>,
}

/// What a filter does.
pub type Behave = fn(&mut Memory, Event<'_>, &mut Host<'_>) -> Step;

/// The filters that configuration can name, each with the bodies it wants to see: of the request and of the response.
pub type Behaviours = BTreeMap<&'static str, (bool, bool, Behave)>;

/// Kinds whose configuration is `NAME ARGUMENT`. `loading` stands before both where loading takes its time: it goes on until
/// the test opens the gate.
pub struct TestKind {
    pub behaviours: Behaviours,
    pub notes: Notes,
    pub gate: Gate,
}

/// Holds loadings up.
#[derive(Clone, Default)]
pub struct Gate(Arc<(Mutex<bool>, std::sync::Condvar)>);

impl Gate {
    pub fn open(&self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_all();
    }

    fn pass(&self) {
        let open = self.0.0.lock().unwrap();
        drop(self.0.1.wait_while(open, |open| !*open).unwrap());
    }
}

impl FilterKind for TestKind {
    fn chain_type(&self) -> &'static str {
        TYPE
    }

    fn route_type(&self) -> Option<&'static str> {
        Some(ROUTE_TYPE)
    }

    fn load(&self, message: Any) -> Loading {
        let text = String::from_utf8(message.value.to_vec()).unwrap();
        let slow = text.strip_prefix("loading ");
        let mut words = slow.unwrap_or(&text).splitn(2, ' ');
        let (name, argument) = (words.next().unwrap(), words.next().unwrap_or_default().to_owned());
        self.notes.note(format!("load {text}"));
        if slow.is_some() && name == "fails" {
            let gate = self.gate.clone();
            return Loading::Later(Box::new(move || {
                gate.pass();
                Err(FieldError::new("value", "cannot be loaded"))
            }));
        }
        if slow.is_some() && name == "panics" {
            return Loading::Later(Box::new(|| panic!("a fault of the kind")));
        }
        let Some(&(request_body, response_body, behave)) = self.behaviours.get(name) else {
            return Loading::Ready(Err(FieldError::new("value", "names no filter")));
        };
        let interest = Interest { request_body, response_body };
        let shared: Arc<dyn Shared> =
            Arc::new(Configured { argument, interest, behave, notes: self.notes.clone() });
        match slow {
            None => Loading::Ready(Ok(shared)),
            Some(_) => {
                let gate = self.gate.clone();
                Loading::Later(Box::new(move || {
                    gate.pass();
                    Ok(shared)
                }))
            }
        }
    }

    fn route_settings(&self, message: Any) -> Result<Arc<dyn AnySettings + Send + Sync>, FieldError> {
        Ok(Arc::new(String::from_utf8(message.value.to_vec()).unwrap()))
    }
}

struct Configured {
    argument: String,
    interest: Interest,
    behave: Behave,
    notes: Notes,
}

impl Configured {
    /// With the argument `errand CLUSTER MILLISECONDS`, asks the cluster, which answers after that time, and waits as long.
    fn errands(&self, worker: &Worker) -> Vec<Task> {
        let words: Vec<&str> = self.argument.split(' ').collect();
        let ["errand", cluster, time] = words[..] else { return Vec::new() };
        let mut request = check(cluster, None);
        request.headers.insert("x-echo-delay-ms", HeaderValue::from_str(time).unwrap());
        let (called, ticked) = (self.notes.clone(), self.notes.clone());
        let call = worker.call(request, move |answer| match answer {
            CallAnswer::Response(response) => {
                called.note(format!("answered {}", response.head.status.as_u16()))
            }
            CallAnswer::Broken => called.note("broken"),
        });
        let after = Duration::from_millis(time.parse().unwrap());
        let timer = worker.timer(after, move || ticked.note("ticked"));
        match call {
            Ok(call) => vec![call, timer],
            Err(error) => {
                self.notes.note(error.to_string());
                vec![timer]
            }
        }
    }
}

impl Shared for Configured {
    fn attach(&self, worker: &Worker) -> Rc<dyn Factory> {
        self.notes.note(format!("attach {} {}", self.argument, worker.index()));
        let tasks = self.errands(worker);
        Rc::new(OnWorker {
            worker: worker.index(),
            argument: self.argument.clone(),
            interest: self.interest,
            behave: self.behave,
            notes: self.notes.clone(),
            count: Rc::default(),
            _tasks: tasks,
        })
    }
}

struct OnWorker {
    worker: usize,
    argument: String,
    interest: Interest,
    behave: Behave,
    notes: Notes,
    count: Rc<std::cell::Cell<u32>>,
    _tasks: Vec<Task>,
}

impl Drop for OnWorker {
    fn drop(&mut self) {
        self.notes.note(format!("detach {} {}", self.argument, self.worker));
    }
}

impl Factory for OnWorker {
    fn filter(&self, start: &Start<'_>) -> Option<Box<dyn Filter>> {
        let settings = start.route().and_then(|route| route.filter_settings::<String>(start.name()));
        let argument = settings.unwrap_or(&self.argument).clone();
        if argument == "idle" {
            self.notes.note("asked");
            return None;
        }
        let memory =
            Memory { argument, notes: self.notes.clone(), call: None, of_worker: self.count.clone() };
        Some(Box::new(Running { memory, interest: self.interest, behave: self.behave }))
    }
}

struct Running {
    memory: Memory,
    interest: Interest,
    behave: Behave,
}

impl Filter for Running {
    fn interest(&self) -> Interest {
        self.interest
    }

    fn on(&mut self, event: Event<'_>, host: &mut Host<'_>) -> Step {
        (self.behave)(&mut self.memory, event, host)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.memory.notes.note(format!("delete {}", self.memory.argument));
    }
}

pub fn config(text: &str) -> Any {
    Any { type_url: TYPE.to_owned(), value: Bytes::copy_from_slice(text.as_bytes()) }
}

/// A filter of a chain, by name and configuration.
pub fn filter(name: &str, text: &str) -> HttpFilter {
    http_filter(name, config(text))
}

/// A GET of `/check` at a cluster.
pub fn check(cluster: &str, timeout: Option<Duration>) -> CallRequest {
    CallRequest {
        cluster: cluster.to_owned(),
        method: Method::GET,
        target: PathAndQuery::from_static("/check"),
        authority: HeaderValue::from_static("auth.test"),
        headers: HeaderMap::new(),
        body: Bytes::new(),
        trailers: HeaderMap::new(),
        timeout,
    }
}
