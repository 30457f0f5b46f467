//! Streams: a request and its response on their way through filters, before the router and after it.
//!
//! A stream owns both messages from their coming to its end. Filters are shown what happens, as [`Event`]s, and answer how
//! the message goes on, by a [`Step`]; through the [`Host`] they see and edit both messages whenever they exist, have the
//! route chosen anew, call clusters, wait, and make data of their own. `machine` and `passing` decide what passes when; they do no input
//! or output, and whoever drives a stream carries out what filters order.
//!
//! A [`FilterKind`] loads a configuration, which may take seconds; what it makes is [`Shared`] by all workers and attached
//! to each, and the [`Factory`] there makes a filter per stream.

mod call;
mod filter;
mod host;
mod info;
mod kind;
mod lane;
mod load;
mod machine;
mod passing;
mod signal;

pub use call::{CallAnswer, CallError, CallId, CallRequest, CallResponse, TimerId};
pub use filter::{Event, Filter, Interest, Side, Step};
pub use host::Host;
pub use info::{ConnectionInfo, Outcome};
pub use kind::{Factory, FilterKind, Loaded, Loading, Shared, Start, Task, Worker};
pub use load::FilterRegistry;
pub use signal::FilterWaker;

pub(crate) use call::Order;
pub(crate) use host::Around;
pub(crate) use info::Info;
pub(crate) use kind::Outside;
pub(crate) use lane::Part;
pub(crate) use load::{Discovered, Load, Loader, Work};
pub(crate) use machine::{Place, Stream};
pub(crate) use signal::Signal;

pub use crate::message::{LocalReply, RequestHead, ResponseHead};
