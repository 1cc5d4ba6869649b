//! DKIM signatures of letters (RFC 6376), and the keys for them.
//!
//! A key is `keys/dkim-<selector>.pem` (PKCS #8 or PKCS #1, mode 0600
//! enforced); every key there signs, so one can be changed for another. RSA
//! comes first: many receivers do not verify Ed25519 (RFC 8463) yet. We make
//! Ed25519 keys only; an RSA key is the operator's to make:
//! `openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out keys/dkim-r1.pem`.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mail_auth::common::crypto::{Ed25519Key, RsaKey, Sha256};
use mail_auth::common::headers::HeaderWriter;
use mail_auth::dkim::{DkimSigner, Done};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use zeroize::Zeroizing;

use crate::mail::Domain;

/// What a signature covers, as far as the letter has it: all that is shown,
/// threaded or decided by (RFC 6376 section 5.4.1).
const SIGNED_FIELDS: [&str; 13] = [
    "From",
    "To",
    "Reply-To",
    "Subject",
    "Date",
    "Message-ID",
    "In-Reply-To",
    "References",
    "Auto-Submitted",
    "Content-Language",
    "Reprieve-Notice",
    "MIME-Version",
    "Content-Type",
];

/// Why letters cannot be signed. Each sentence says what to do.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    #[error("cannot read or write {path}: {source}")]
    Io { path: PathBuf, source: io::Error },
    #[error("{0} may be read by others than its owner; run: chmod 600 {0}")]
    Permissions(PathBuf),
    #[error("{0} is no RSA or Ed25519 private key in PEM, or it is damaged")]
    NotAKey(PathBuf),
    #[error("{0:?} is no DKIM selector: write lower-case letters, digits and hyphens")]
    Selector(String),
    #[error("the letter could not be signed: {0}")]
    Failed(String),
}

/// Signs letters with every DKIM key of a folder. Clones share the keys.
#[derive(Clone)]
pub struct Signer {
    keys: Arc<[Key]>,
}

struct Key {
    selector: String,
    /// `k=` and `p=` of its DNS record.
    kind: &'static str,
    public: Vec<u8>,
    pair: Pair,
}

enum Pair {
    Rsa(DkimSigner<RsaKey<Sha256>, Done>),
    Ed25519(DkimSigner<Ed25519Key, Done>),
}

impl Signer {
    /// Reads every `dkim-<selector>.pem` of `folder`; none is no error, but
    /// then no letter goes out.
    ///
    /// # Errors
    /// [`SignError`] if a key cannot be read, is readable by others or damaged.
    pub fn open(folder: &Path, domain: &Domain) -> Result<Self, SignError> {
        let io = |source| SignError::Io { path: folder.to_owned(), source };
        let mut keys = Vec::new();
        for entry in fs::read_dir(folder).map_err(io)? {
            let name = entry.map_err(io)?.file_name();
            let selector = name.to_str().and_then(|name| {
                name.strip_prefix("dkim-")?.strip_suffix(".pem").map(str::to_owned)
            });
            if let Some(selector) = selector {
                keys.push(read(folder, &selector, domain)?);
            }
        }
        keys.sort_by(|a, b| (b.kind, &a.selector).cmp(&(a.kind, &b.selector)));
        Ok(Self { keys: keys.into() })
    }

    /// Whether there is a key to sign with.
    pub fn is_able(&self) -> bool {
        !self.keys.is_empty()
    }

    /// The DNS records that receivers verify by: name and TXT value of each
    /// key (RFC 6376 section 3.6.1).
    pub fn records(&self, domain: &Domain) -> Vec<(String, String)> {
        let record = |key: &Key| {
            let name = format!("{}._domainkey.{domain}", key.selector);
            (name, format!("v=DKIM1; k={}; p={}", key.kind, STANDARD.encode(&key.public)))
        };
        self.keys.iter().map(record).collect()
    }

    /// The message with a DKIM-Signature field of each key in front.
    ///
    /// # Errors
    /// [`SignError::Failed`], also if there is no key.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        if self.keys.is_empty() {
            return Err(SignError::Failed("there is no key".to_owned()));
        }
        let mut signed = Vec::with_capacity(message.len() + 1024);
        for key in self.keys.iter() {
            let signature = match &key.pair {
                Pair::Rsa(signer) => signer.sign(message),
                Pair::Ed25519(signer) => signer.sign(message),
            };
            let signature = signature.map_err(|error| SignError::Failed(error.to_string()))?;
            signed.extend_from_slice(signature.to_header().as_bytes());
        }
        signed.extend_from_slice(message);
        Ok(signed)
    }
}

/// Makes an Ed25519 key in `folder`, unless one of this selector is there, and
/// answers the name and the value of its TXT record.
///
/// # Errors
/// [`SignError`] if the selector is none, or the folder cannot be written.
pub fn generate_dkim(
    folder: &Path,
    selector: &str,
    domain: &Domain,
) -> Result<(String, String), SignError> {
    let fits = (1..=40).contains(&selector.len())
        && selector.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if !fits {
        return Err(SignError::Selector(selector.to_owned()));
    }
    let path = dkim_path(folder, selector);
    if !path.exists() {
        let made = Ed25519Key::generate_pkcs8();
        let der = Zeroizing::new(made.map_err(|error| SignError::Failed(error.to_string()))?);
        let encoded = Zeroizing::new(STANDARD.encode(der.as_slice()));
        // RFC 7468 section 2: lines of 64 characters; ours needs two.
        let mut pem = Zeroizing::new(String::from("-----BEGIN PRIVATE KEY-----\n"));
        for line in encoded.as_bytes().chunks(64) {
            pem.push_str(&String::from_utf8_lossy(line));
            pem.push('\n');
        }
        pem.push_str("-----END PRIVATE KEY-----\n");
        write_new(&path, pem.as_bytes())?;
    }
    let key = read(folder, selector, domain)?;
    let signer = Signer { keys: Arc::new([key]) };
    Ok(signer.records(domain).remove(0))
}

/// Where the key of a selector lies.
pub fn dkim_path(folder: &Path, selector: &str) -> PathBuf {
    folder.join(format!("dkim-{selector}.pem"))
}

fn write_new(path: &Path, content: &[u8]) -> Result<(), SignError> {
    let write = || -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        file.write_all(content)?;
        file.sync_all()
    };
    write().map_err(|source| SignError::Io { path: path.to_owned(), source })
}

fn read(folder: &Path, selector: &str, domain: &Domain) -> Result<Key, SignError> {
    let path = dkim_path(folder, selector);
    let io = |source| SignError::Io { path: path.clone(), source };
    let mode = fs::metadata(&path).map_err(io)?.permissions().mode();
    if mode & 0o077 != 0 {
        return Err(SignError::Permissions(path));
    }
    let content = Zeroizing::new(fs::read(&path).map_err(io)?);
    let der = PrivateKeyDer::from_pem_slice(&content);
    let der = der.map_err(|_| SignError::NotAKey(path.clone()))?;
    if let PrivateKeyDer::Pkcs8(pkcs8) = &der
        && let Ok(pair) = Ed25519Key::from_pkcs8_maybe_unchecked_der(pkcs8.secret_pkcs8_der())
    {
        let public = pair.public_key();
        let signer = DkimSigner::from_key(pair).domain(domain.as_str()).selector(selector);
        let pair = Pair::Ed25519(signer.headers(SIGNED_FIELDS));
        return Ok(Key { selector: selector.to_owned(), kind: "ed25519", public, pair });
    }
    let pair = RsaKey::<Sha256>::from_key_der(der).map_err(|_| SignError::NotAKey(path))?;
    let public = subject_public_key_info(&pair.public_key());
    let signer = DkimSigner::from_key(pair).domain(domain.as_str()).selector(selector);
    let pair = Pair::Rsa(signer.headers(SIGNED_FIELDS));
    Ok(Key { selector: selector.to_owned(), kind: "rsa", public, pair })
}

/// RFC 6376 section 3.6.1 asks for an `RSAPublicKey`; what all verifiers read
/// is the same inside a `SubjectPublicKeyInfo` (RFC 5280 section 4.1).
fn subject_public_key_info(rsa_public_key: &[u8]) -> Vec<u8> {
    // AlgorithmIdentifier: rsaEncryption (1.2.840.113549.1.1.1), NULL.
    const ALGORITHM: [u8; 15] =
        [0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00];
    let mut bits = vec![0];
    bits.extend_from_slice(rsa_public_key);
    let mut content = ALGORITHM.to_vec();
    content.extend(tagged(0x03, &bits));
    tagged(0x30, &content)
}

/// DER: tag, definite length, content.
fn tagged(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![tag];
    let length = content.len().to_be_bytes();
    let length = &length[length.iter().position(|b| *b != 0).unwrap_or(length.len() - 1)..];
    if content.len() >= 0x80 {
        // At most eight bytes of length.
        bytes.push(0x80 | u8::try_from(length.len()).unwrap_or_default());
    }
    bytes.extend_from_slice(length);
    bytes.extend_from_slice(content);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn domain() -> Domain {
        Domain::parse("notice.example").unwrap()
    }

    #[test]
    fn a_key_is_made_once_and_kept_private() {
        let keys = tempfile::tempdir().unwrap();
        let made = generate_dkim(keys.path(), "e1", &domain()).unwrap();
        assert_eq!(made.0, "e1._domainkey.notice.example");
        assert!(made.1.starts_with("v=DKIM1; k=ed25519; p="));
        assert_eq!(generate_dkim(keys.path(), "e1", &domain()).unwrap(), made);
        let path = dkim_path(keys.path(), "e1");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(Signer::open(keys.path(), &domain()), Err(SignError::Permissions(_))));
    }

    #[test]
    fn what_is_no_key_is_refused() {
        let keys = tempfile::tempdir().unwrap();
        assert!(matches!(
            generate_dkim(keys.path(), "../x", &domain()),
            Err(SignError::Selector(_))
        ));
        write_new(&dkim_path(keys.path(), "x"), b"-----BEGIN PRIVATE KEY-----\nAA==\n").unwrap();
        assert!(matches!(Signer::open(keys.path(), &domain()), Err(SignError::NotAKey(_))));
    }

    #[test]
    fn without_a_key_nothing_is_signed() {
        let keys = tempfile::tempdir().unwrap();
        let signer = Signer::open(keys.path(), &domain()).unwrap();
        assert!(!signer.is_able());
        assert!(signer.sign(b"From: a@b\r\n\r\n").is_err());
    }
}
