//! Stage 1: text of one file to typed manifests and findings with spans. Knows no paths.
