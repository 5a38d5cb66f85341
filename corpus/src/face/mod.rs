//! Faces in a picture: where they are, and their landmarks.
