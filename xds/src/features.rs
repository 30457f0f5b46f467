//! Words by which gatewright's own two ends of the xDS protocol know each other (`Node.client_features`).

/// The client applies what it can of a response and names each rejected resource on a line of its own in the error
/// text, `name: reason`. Without it a server must assume that a rejection concerns the whole response.
pub const PER_RESOURCE_REJECTION: &str = "gatewright.per_resource_rejection";
