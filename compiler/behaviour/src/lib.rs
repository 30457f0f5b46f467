//! Requests, outcomes, regions, behaviour diff and witnesses.
