//! The gateway model: types only.
