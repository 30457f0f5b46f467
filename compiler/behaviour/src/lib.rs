//! The theory behind `plan`, `trace`, `test` and every witness: what happens to requests, and to which of them something
//! else happens after a change. Pure: it knows the model ([`gatewright_ir`]) and nothing of YAML, Kubernetes or xDS.
//!
//! # Words
//!
//! - A [`Request`] is what a client sends: listener, server name, method, authority, path with query, headers.
//!   [`Request::parse`] reads `GET https://host/path -H 'name: value'`, `Display` writes it. Its [`Canonical`] form is
//!   what routes are matched with (Envoy's path normalization, header lines joined).
//! - An [`Outcome`] is what happens to all requests that take one route, in canonical form; provenance is no part of it.
//!   An [`Effect`] is what one request meets: upstream path, `Location`, CORS headers, preflight answer filled in.
//! - A [`Facet`] is one thing about an outcome that somebody could notice; [`Facet::observability`] says how, and
//!   [`changes`] lists the facets in which two outcomes differ, with texts.
//! - A [`Region`] is a set of requests in product form; [`Region::contains`] tests membership.
//!
//! # Questions
//!
//! - [`Model::decide`] answers one request: outcome, effect, and the trail of hosts and routes tried, each with the test
//!   that it failed. [`Trail::matched`] names the route, whose [`gatewright_ir::RouteId`] is the key to provenance.
//! - [`diff`] compares two models: a [`BehaviourDiff`] of [`BehaviourClass`]es (rows), each made of [`Case`]s that have a
//!   region, one outcome before and one after, the routes of both sides, a [`Certainty`] and a witness.
//! - [`Agreement`] tells whether a model does with the requests of a region what another one does.
//! - [`risks`] marks what a careful operator would stop a merge for.
//! - [`shadowed`] finds routes of a virtual host that no request can reach, and which route takes theirs.
//! - [`twin::observe`] is the slow, obvious reference that the tests compare all of this with.
//!
//! # Example
//!
//! ```
//! use gatewright_behaviour::{Model, Request, Options, diff};
//! use gatewright_ir::Ir;
//!
//! let (before, after) = (Ir::default(), Ir::default());
//! let request = Request::parse("GET http://shop.example.com/cart").unwrap();
//! let decision = Model::new(&before).decide(&request);
//! assert_eq!(decision.effect.reply.status(), Some(404));
//! assert!(diff(&before, &after, &Options::default()).is_empty());
//! ```

mod agree;
mod automata;
mod candidates;
mod canonical;
mod class;
mod decide;
mod decision_list;
mod diff;
mod effect;
mod facet;
mod hosts;
mod outcome;
mod paths;
mod patterns;
mod plain;
mod region;
mod request;
mod resolve;
mod rewrite;
mod risk;
mod shadow;
mod solve;
mod summary;
mod table;
#[doc(hidden)]
pub mod testing;
pub mod twin;
mod verdict;
mod witness;
mod words;

pub use agree::{Agreement, Compared, Names};
pub use canonical::{BadRequest, Canonical, is_normal_path};
pub use class::{BehaviourClass, BehaviourDiff, Case, Certainty, Counters, Options, RoutePair};
pub use decide::{Decision, HostStep, Mismatch, Model, RouteStep, Tables, Trail};
pub use diff::diff;
pub use effect::{CorsReply, Effect, ForwardEffect, PreflightReply, Reply};
pub use facet::{Facet, FacetChange, Observability, changes};
pub use outcome::{
    Answer, ClusterOutcome, CorsOutcome, ForwardOutcome, Handshake, HeaderChange, HeaderOutcome, Outcome,
    PathOutcome, RedirectOutcome, RefuseOutcome, RouteOutcome, Supply, TargetOutcome,
};
pub use plain::{Plain, PlainFacet};
pub use region::{Condition, HostSet, HttpPart, Part, PathSet, Region, ServedNames, ServerNames, Test};
pub use request::{Request, RequestError};
pub use rewrite::rewritten;
pub use risk::{Risk, RiskKind, RiskLevel, RiskOptions, risks};
pub use shadow::{Shadowed, shadowed};
