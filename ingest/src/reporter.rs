//! How the library speaks of long work. Only the binary knows a terminal.

/// Told what is going on; may be called from several threads.
pub trait Reporter: Send + Sync {
    /// A stage begins; `total` steps are known to come, or not.
    fn stage(&self, name: &str, total: Option<u64>);
    /// So many steps are done.
    fn advance(&self, steps: u64);
    /// Something a person should read.
    fn message(&self, text: &str);
}

/// Says nothing.
pub struct Silent;

impl Reporter for Silent {
    fn stage(&self, _: &str, _: Option<u64>) {}
    fn advance(&self, _: u64) {}
    fn message(&self, _: &str) {}
}
