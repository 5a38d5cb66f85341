//! Frame: finding, following and cropping the face of a clip.
