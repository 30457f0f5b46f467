//! xDS words shared by control and data plane.
