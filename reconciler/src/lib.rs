//! The shell: sources, ADS server, sync.
