//! Plans for people: terminal text and a pull-request comment. The form for programs is [`crate::Plan::to_json`].

pub(crate) mod difference;
mod markdown;
mod text;
mod words;
mod wrap;

pub use markdown::{MARKDOWN_LIMIT, markdown};
pub use text::{TextOptions, cluster, text};
