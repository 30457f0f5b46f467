//! The ADS protocol from the client's side.
