//! Labels in the media: what a clip is, in its own metadata.
