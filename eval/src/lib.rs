//! Manifests and submissions to reports: pure, synchronous, seeded
