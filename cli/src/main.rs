//! The gatewright program: arguments, terminal, exit codes.
fn main() {}
