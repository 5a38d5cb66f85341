//! What a fake's file says of itself: tags of the container, and a signed C2PA manifest.
//!
//! Neither names people: they carry the pair's id, which only the corpus's own tables lead on
//! from. The manifest (C2PA 2.x) has the actions `c2pa.created` and `c2pa.edited` with IPTC's
//! source type `compositeSynthetic`, and an assertion of ours, [`ASSERTION`].
//!
//! It is signed with Ed25519, by the key and certificate that [`Signer::from_pem`] is given, or by
//! those that an installation makes for itself ([`Signer::of_installation`]). Such a certificate is
//! vouched for by nobody else: it proves that a file was labelled by whoever holds that key, and
//! was not changed since; not who that is. The `c2pa` crate salts every assertion at random, as
//! C2PA asks: two signings of the same bytes differ in their salts.

use std::{
    fs::{self, File, OpenOptions, Permissions},
    io::{self, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use c2pa::{Builder, Context, SigningAlg, create_signer};
use fairframe_schemas::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ED25519, date_time_ymd,
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest, Sha256};

/// The assertion with the pair, the method and the dataset.
pub const ASSERTION: &str = "fairframe.manipulation";
/// `digitalSourceType` of what is made of several recordings, one of them synthetic (IPTC).
pub const SOURCE_TYPE: &str = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeSynthetic";

const KEY: &str = "key.pem";
const CERTIFICATES: &str = "certificates.pem";

/// What is said of a fake.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Label {
    pub dataset: String,
    /// The pair's id: leads to people in the corpus's own tables only.
    pub pair: String,
    /// E.g. `face-swap`.
    pub method: String,
}

impl Label {
    /// What a player shows as the video's name.
    pub fn title(&self) -> String {
        format!("Manipulated video ({}): this did not happen", self.method)
    }

    /// Tags for the container: `title` and `comment`, which every container keeps.
    pub fn tags(&self) -> Vec<(String, String)> {
        let Self {
            dataset,
            pair,
            method,
        } = self;
        let comment =
            format!("fairframe_manipulated=true; dataset={dataset}; pair={pair}; method={method}");
        vec![
            ("title".to_owned(), self.title()),
            ("comment".to_owned(), comment),
        ]
    }
}

/// Why a label could not be written. Nothing of a sample's: the run ends.
#[derive(Debug, thiserror::Error)]
pub enum LabelError {
    #[error("{}: {error}", path.display())]
    Io { path: PathBuf, error: io::Error },
    #[error("make a certificate: {0}")]
    Certificate(#[from] rcgen::Error),
    #[error("sign {}: {error}", path.display())]
    Sign {
        path: PathBuf,
        error: Box<c2pa::Error>,
    },
    #[error(
        "{}: only one of `{KEY}` and `{CERTIFICATES}` is there; put the other back, or remove it to have both made anew",
        folder.display()
    )]
    Half { folder: PathBuf },
}

/// Signs labels.
pub struct Signer {
    signer: c2pa::BoxedSigner,
    certificates: String,
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Signer")
            .field("certificate", &self.certificate())
            .finish_non_exhaustive()
    }
}

impl Signer {
    /// From a chain of certificates, the signer's first, and its Ed25519 key (PKCS 8), both PEM.
    pub fn from_pem(certificates: &str, key: &str) -> Result<Self, c2pa::Error> {
        let signer = create_signer::from_keys(
            certificates.as_bytes(),
            key.as_bytes(),
            SigningAlg::Ed25519,
            None,
        )?;
        Ok(Self {
            signer,
            certificates: certificates.to_owned(),
        })
    }

    /// The key and certificates in an installation's `folder`; made at the first use. Only the
    /// key's owner may read the key.
    pub fn of_installation(folder: &Path) -> Result<Self, LabelError> {
        let (key, certificates) = (folder.join(KEY), folder.join(CERTIFICATES));
        let wrap = |path: &Path| {
            let path = path.to_owned();
            move |error| LabelError::Io { path, error }
        };
        match (key.exists(), certificates.exists()) {
            (true, true) => {}
            (false, false) => {
                let (made_key, made_certificates) = make_certificates()?;
                fs::create_dir_all(folder).map_err(wrap(folder))?;
                fs::set_permissions(folder, Permissions::from_mode(0o700)).map_err(wrap(folder))?;
                write_new(&certificates, &made_certificates, 0o644).map_err(wrap(&certificates))?;
                write_new(&key, &made_key, 0o600).map_err(wrap(&key))?;
            }
            _ => {
                return Err(LabelError::Half {
                    folder: folder.to_owned(),
                });
            }
        }
        let chain = fs::read_to_string(&certificates).map_err(wrap(&certificates))?;
        let secret = fs::read_to_string(&key).map_err(wrap(&key))?;
        Self::from_pem(&chain, &secret).map_err(|error| LabelError::Sign {
            path: key,
            error: Box::new(error),
        })
    }

    /// Digest of the certificates: what a label can be told by to be ours.
    pub fn certificate(&self) -> String {
        hex::encode(Sha256::digest(self.certificates.as_bytes()))
    }

    /// Writes `from`, an MP4, to `to` with a manifest that says `label`, made at `at`.
    pub fn sign(
        &self,
        from: &Path,
        to: &Path,
        label: &Label,
        at: Timestamp,
    ) -> Result<(), LabelError> {
        let io = |path: &Path, error| LabelError::Io {
            path: path.to_owned(),
            error,
        };
        let signing = |error| LabelError::Sign {
            path: to.to_owned(),
            error: Box::new(error),
        };
        let when = at.to_rfc3339();
        let action = |action: &str, description: &str| {
            json!({
                "action": action,
                "when": when,
                "digitalSourceType": SOURCE_TYPE,
                "description": description,
            })
        };
        let definition = json!({
            "claim_generator_info": [{"name": "fairframe", "version": env!("CARGO_PKG_VERSION")}],
            "title": label.title(),
            "format": "video/mp4",
            "assertions": [
                {"label": "c2pa.actions", "data": {"actions": [
                    action("c2pa.created", "made from two recordings of consenting people"),
                    action("c2pa.edited", "the face shown was replaced by another person's"),
                ]}},
                {"label": ASSERTION, "data": label},
            ],
        });
        let mut builder = Builder::from_context(Context::new())
            .with_definition(definition.to_string())
            .map_err(signing)?;
        let mut source = File::open(from).map_err(|e| io(from, e))?;
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(true);
        let mut target = options.open(to).map_err(|e| io(to, e))?;
        builder
            .sign(&*self.signer, "video/mp4", &mut source, &mut target)
            .map_err(signing)?;
        Ok(())
    }
}

/// Writes a file that is not there yet.
fn write_new(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(mode).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// A key, and a chain of its certificate and that of an issuer whose key is forgotten at once:
/// C2PA wants a signer's certificate to be issued by another.
fn make_certificates() -> Result<(String, String), rcgen::Error> {
    let named = |name: &str| {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params
            .distinguished_name
            .push(DnType::OrganizationName, "A Fairframe installation");
        // A validity would say something only if somebody renewed or revoked.
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2049, 12, 31);
        params
    };
    let mut issuer = named("Fairframe, self-made issuer");
    issuer.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    issuer.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let issuer_key = KeyPair::generate_for(&PKCS_ED25519)?;
    let issuer_certificate = issuer.self_signed(&issuer_key)?;
    let mut signer = named("Fairframe, labels of manipulated clips");
    signer.is_ca = IsCa::ExplicitNoCa;
    signer.use_authority_key_identifier_extension = true;
    signer.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    signer.extended_key_usages = vec![ExtendedKeyUsagePurpose::EmailProtection];
    let key = KeyPair::generate_for(&PKCS_ED25519)?;
    let certificate = signer.signed_by(&key, &Issuer::new(issuer, issuer_key))?;
    let chain = certificate.pem() + &issuer_certificate.pem();
    Ok((key.serialize_pem(), chain))
}
