//! Pair: who is swapped with whom, as ids; no pixel is looked at.
