//! The pure compiler: manifests as text in, xDS snapshot out.
