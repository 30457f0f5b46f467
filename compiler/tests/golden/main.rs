//! Goldens of the compiler: what each case and each example becomes, stage by stage, and the pages of the reference
//! that its tables make.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on must stop")]

mod artefacts;
mod cases;
mod examples;
mod reference;
