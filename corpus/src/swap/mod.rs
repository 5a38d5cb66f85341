//! Swap: one person's face onto another's, frame by frame.
