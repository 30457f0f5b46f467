//! Pure planning: desired and observed state in, plan out.
