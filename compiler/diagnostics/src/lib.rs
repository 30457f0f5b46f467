//! Diagnostics: codes, positions, renderers.
