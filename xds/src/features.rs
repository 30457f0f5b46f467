//! Words by which gatewright's own two ends of the xDS protocol know each other (`Node.client_features`).

/// The client applies what it can of a response and names each rejected resource on a line of its own in the error
/// text, `name: reason`. Without it a server must assume that a rejection concerns the whole response.
pub const PER_RESOURCE_REJECTION: &str = "gatewright.per_resource_rejection";

/// The client takes a set of resources in several responses: it counts a set as whole after the first response about its
/// type that is not marked by [`MORE_FOLLOWS`]. Without it a server must assume that the first response is taken for all.
pub const SERIES: &str = "gatewright.series";

/// The client takes the filter chains of a listener one by one, where the listener says so by `fcds_config`. Each is named
/// `LISTENER/SERVER_NAME`; one without filters has those of the listener's `default_filter_chain`, which then takes no
/// connection itself. Envoy defines this kind of discovery and does not do it, so that this is gatewright's meaning of it.
/// Without the word a server must put the chains into the listener.
pub const FILTER_CHAINS: &str = "gatewright.filter_chains";

/// Stands as `control_plane.identifier` in each response of a series but the last.
pub const MORE_FOLLOWS: &str = "gatewright.more_follows";
