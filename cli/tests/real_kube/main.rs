//! The real program against a real kube-apiserver, with kubectl as the other owner and as the reader of inventories.

mod apply;
mod failures;
mod import;
mod lease;
mod live;
mod plan;
mod prune;
mod roles;
mod scene;
#[expect(dead_code, reason = "the other tests of the program use the rest")]
#[path = "../commands/support.rs"]
mod support;
mod sync;
mod unseen;
mod verdicts;
