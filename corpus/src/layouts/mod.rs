//! Layouts of other corpora, written and read.
