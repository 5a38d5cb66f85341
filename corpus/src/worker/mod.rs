//! Work done in a process of its own, which may touch little.
