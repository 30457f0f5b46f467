//! The real program, run as users run it: exit codes, streams, formats and files.

mod compile;
mod explain;
mod graph;
mod hostile;
mod hostile_serving;
mod plan;
mod roles;
mod secrets;
mod settings;
mod shown;
mod sources;
mod support;
mod test_command;
mod trace;
mod validate;
