//! The baseline detector: weak, simple, honest.
