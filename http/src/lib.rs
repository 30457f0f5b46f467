//! What the head of a request means, as Envoy 1.40 reads it: one reading for the bundled gateway and for `trace`, `test`
//! and `plan`, which say beforehand what happens.

pub mod authority;
pub mod origin;
pub mod path;
pub mod re2;
