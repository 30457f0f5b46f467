//! Words by which gatewright's own two ends of the xDS protocol know each other (`Node.client_features`).

/// The client applies what it can of a response and names each rejected resource on a line of its own in the error
/// text, `name: reason`. Without it a server must assume that a rejection concerns the whole response.
pub const PER_RESOURCE_REJECTION: &str = "gatewright.per_resource_rejection";

/// The client takes a set of resources in several responses: it counts a set as whole after the first response about its
/// type that is not marked by [`MORE_FOLLOWS`]. Without it a server must assume that the first response is taken for all.
pub const SERIES: &str = "gatewright.series";

/// Stands as `control_plane.identifier` in each response of a series but the last.
pub const MORE_FOLLOWS: &str = "gatewright.more_follows";
