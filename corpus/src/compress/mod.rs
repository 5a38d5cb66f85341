//! Compress: every clip, real or fake, through the same ladder of qualities.
