//! The permission to swap two people, which only the check gives.

use fairframe_schemas::Reason;

use crate::{
    cast::{Cast, Video},
    item::Refusal,
};

/// Both people agreed, as consents stand now. There is no other way to have one than
/// [`Consented::check`], and no way to a swap without one.
#[derive(Debug)]
pub struct Consented<'a> {
    target: &'a Video,
    source: &'a Video,
}

impl<'a> Consented<'a> {
    /// Asks for both sides, whatever any plan says.
    pub fn check(cast: &Cast, target: &'a Video, source: &'a Video) -> Result<Self, Refusal> {
        for (side, video) in [("target", target), ("source", source)] {
            if let Some(reason) = cast.against_manipulating(video) {
                return Err(refused(side, video, reason));
            }
        }
        Ok(Self { target, source })
    }

    pub fn target(&self) -> &'a Video {
        self.target
    }

    pub fn source(&self) -> &'a Video {
        self.source
    }
}

fn refused(side: &str, video: &Video, reason: Reason) -> Refusal {
    let id = video.sample.sample_id;
    Refusal::new(reason, format!("{side} `{id}`: {}", reason.text()))
}
