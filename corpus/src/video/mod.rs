//! Videos in and out: decoded frames as shown, encoded clips.
