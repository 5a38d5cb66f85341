//! Clips: the rows of the release to come, from all that was made.
