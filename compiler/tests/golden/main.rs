//! Goldens of the compiler: what each case and each example becomes, stage by stage.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on must stop")]

mod artefacts;
mod cases;
mod examples;
