//! Reason codes: why a sample is not (or not simply) accepted. The one list.

use std::{fmt, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Status;

macro_rules! reasons {
    ($($variant:ident $code:literal $status:ident $text:literal;)*) => {
        /// Why a sample stands where it stands. Codes are stable and appear in
        /// the `reasons` column; a sample's status is the gravest of its reasons.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        pub enum Reason {
            $(#[doc = $text] #[serde(rename = $code)] $variant,)*
        }

        impl Reason {
            pub const ALL: &'static [Reason] = &[$(Reason::$variant,)*];

            /// The code written in manifests.
            pub fn code(self) -> &'static str {
                match self { $(Reason::$variant => $code,)* }
            }

            /// The status this reason alone leads to.
            pub fn status(self) -> Status {
                match self { $(Reason::$variant => Status::$status,)* }
            }

            /// One sentence for people.
            pub fn text(self) -> &'static str {
                match self { $(Reason::$variant => $text,)* }
            }
        }
    };
}

reasons! {
    // licence
    LicenceMissing "licence-missing" Quarantined "upstream states no licence";
    LicenceUnknown "licence-unknown" Quarantined "the licence stated upstream is not one we can read";
    LicenceContradiction "licence-contradiction" Quarantined "two upstream statements of the licence disagree";
    LicenceNotAllowed "licence-not-allowed" Rejected "the licence is not on the list of the dataset's policy";
    RestrictionNotAllowed "restriction-not-allowed" Rejected "upstream names a restriction that the policy refuses";
    // consent
    ConsentMissing "consent-missing" Rejected "people are shown and no consent record covers them";
    ConsentInvalid "consent-invalid" Rejected "the consent record cannot be read or contradicts itself";
    ConsentNotYetValid "consent-not-yet-valid" Rejected "the consent is not yet in force";
    ConsentExpired "consent-expired" Rejected "the consent has expired";
    ConsentRefused "consent-refused" Rejected "the consent was refused or is only requested";
    ConsentWithdrawn "consent-withdrawn" Withdrawn "a person shown has withdrawn consent";
    ConsentPurposeMissing "consent-purpose-missing" Rejected "the consent does not cover a purpose the dataset needs";
    SubjectUnknown "subject-unknown" Rejected "the sample names a subject that the source does not declare";
    SubjectsNotOne "subjects-not-one" Rejected "not exactly one person is named to be shown";
    // opt-outs
    OptOut "opt-out" Rejected "the rights holder has reserved or refused machine use";
    // place and time
    PlaceContradiction "place-contradiction" Quarantined "the declared place and the place in the file disagree";
    PlaceInvalid "place-invalid" Accepted "coordinates were given that cannot be read; the place is unknown";
    CountryUnknown "country-unknown" Accepted "the declared country is not an ISO 3166-1 code or name; it is left empty";
    DateInvalid "date-invalid" Accepted "a date was given that cannot be read; it is left empty";
    // upstream
    UpstreamMissing "upstream-missing" Rejected "the page or file does not exist upstream";
    UpstreamDeleted "upstream-deleted" Withdrawn "the file was there before and has been deleted upstream";
    UpstreamUnlisted "upstream-unlisted" Rejected "the source no longer lists this sample";
    UpstreamHidden "upstream-hidden" Rejected "the file's revision is hidden upstream";
    UpstreamRedirect "upstream-redirect" Rejected "the title is a redirect; its target stands as a sample of its own";
    UpstreamRenamed "upstream-renamed" Accepted "the file was renamed upstream; the sample keeps its identity";
    UpstreamReplaced "upstream-replaced" Accepted "the file was replaced upstream by a new version";
    UpstreamNotAFile "upstream-not-a-file" Rejected "the page is not a media file";
    UpstreamNoImageinfo "upstream-no-imageinfo" Rejected "upstream gives no facts about the file";
    MediaTypeNotWanted "media-type-not-wanted" Rejected "the media type is not one the source asks for";
    RowInvalid "row-invalid" Rejected "the source's row for this sample cannot be read";
    KeyRepeated "key-repeated" Rejected "the source names the same sample twice with different content";
    // fetching
    FetchRefusedAddress "fetch-refused-address" Failed "the address is private, local or not http(s)";
    FetchNotFound "fetch-not-found" Failed "the server says that the file does not exist";
    FetchHttpError "fetch-http-error" Failed "the server answered with an error";
    FetchNetworkError "fetch-network-error" Failed "the connection failed";
    FetchTimeout "fetch-timeout" Failed "the transfer took too long or stalled";
    FetchTooLarge "fetch-too-large" Failed "the file is larger than the limit";
    FetchTruncated "fetch-truncated" Failed "fewer or more bytes came than were announced";
    FetchTooManyRedirects "fetch-too-many-redirects" Failed "the redirects do not end";
    FetchChanged "fetch-changed" Failed "the file changed while it was being fetched";
    StoreFailed "store-failed" Failed "the bytes could not be written to the store";
    DigestMismatch "digest-mismatch" Failed "the bytes do not have the digest that the source states";
    FileMissing "file-missing" Failed "the file named by the source is not in the drop";
    FileRefused "file-refused" Rejected "the path leaves the drop, or is a link or special file";
    // media
    MediaEmpty "media-empty" Failed "the file has no bytes";
    MediaCorrupt "media-corrupt" Failed "the file cannot be decoded";
    MediaTruncated "media-truncated" Failed "the file ends before its content does";
    MediaTypeUnknown "media-type-unknown" Rejected "the content is no image or video format we read";
    MediaTypeMismatch "media-type-mismatch" Accepted "the content is of another type than its name or header says";
    MediaTooLarge "media-too-large" Failed "the pixels, duration or memory needed exceed the limit";
    MediaTooSmall "media-too-small" Rejected "the picture is smaller than the policy's minimum";
    MediaAnimated "media-animated" Quarantined "the picture is animated and the source asks for stills";
    WorkerCrashed "worker-crashed" Failed "the decoder died or ran over its limits on this file";
    // faces
    FaceMissing "face-missing" Rejected "no face is to be seen";
    FaceUnsure "face-unsure" Rejected "what looked like a face has no face's landmarks";
    FaceOther "face-other" Rejected "a face is to be seen, but not the one that the clip follows";
    FaceTooSmall "face-too-small" Rejected "the face is smaller than the minimum";
    FaceBlurred "face-blurred" Rejected "the face is less sharp than the minimum";
    // fakes
    FaceHidden "face-hidden" Rejected "too much of the face is hidden";
    PoseGap "pose-gap" Rejected "the source's head is nowhere turned nearly as the target's";
    SwapDistorted "swap-distorted" Rejected "the fake's landmarks are too far from the target's";
    SwapSeam "swap-seam" Rejected "the border of the swapped face shows";
    SwapTooFew "swap-too-few" Rejected "fewer frames than declared could be swapped";
    SwapMethodFailed "swap-method-failed" Failed "the swapping program failed, ran too long or left what cannot be used";
    // duplicates
    DuplicateExact "duplicate-exact" Rejected "another accepted sample has the same bytes";
    DuplicateNear "duplicate-near" Accepted "another sample looks nearly the same; both stand in one split group";
    // pairing
    NoPartner "no-partner" Rejected "nobody in the same split may be paired with this person";
    NotDrawn "not-drawn" Accepted "as many pairs as asked for were drawn without this person";
    // people's decisions
    CuratorAccepted "curator-accepted" Accepted "a curator looked at it and accepted it";
    CuratorQuarantined "curator-quarantined" Quarantined "a curator set it aside";
    CuratorRejected "curator-rejected" Rejected "a curator found that it does not belong in the dataset";
    Withdrawn "withdrawn" Withdrawn "taken out on request";
    DerivedFromWithdrawn "derived-from-withdrawn" Withdrawn "made from a sample that was withdrawn";
}

impl Reason {
    /// Whether a curator who has looked may accept a sample in spite of it. Never where a
    /// licence or a consent is wanting: those are not for a curator to give.
    pub fn may_be_lifted(self) -> bool {
        matches!(self, Reason::PlaceContradiction | Reason::MediaAnimated)
    }

    /// Whether it is itself a curator's ruling, which the next one replaces.
    pub fn is_ruling(self) -> bool {
        matches!(
            self,
            Reason::CuratorAccepted | Reason::CuratorQuarantined | Reason::CuratorRejected
        )
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// A text that is not a reason code of this release.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is not a reason code")]
pub struct UnknownReason(pub String);

impl FromStr for Reason {
    type Err = UnknownReason;

    fn from_str(code: &str) -> Result<Self, UnknownReason> {
        Reason::ALL
            .iter()
            .copied()
            .find(|r| r.code() == code)
            .ok_or_else(|| UnknownReason(code.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn codes_are_unique_and_round_trip() {
        let mut seen = HashSet::new();
        for &reason in Reason::ALL {
            assert!(seen.insert(reason.code()), "{reason} stands twice");
            assert_eq!(reason.code().parse::<Reason>().unwrap(), reason);
            let json = serde_json::to_string(&reason).unwrap();
            assert_eq!(json, format!("\"{}\"", reason.code()));
        }
        assert!("no-such".parse::<Reason>().is_err());
    }
}
