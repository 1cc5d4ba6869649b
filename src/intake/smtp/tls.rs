//! STARTTLS (RFC 3207) by rustls: our certificate, which can be exchanged
//! while the server runs.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio_rustls::TlsAcceptor;

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("{path}: {cause} (a PEM file is needed)")]
    Unreadable { path: PathBuf, cause: rustls::pki_types::pem::Error },
    #[error("{0}: there is no certificate in this file")]
    Empty(PathBuf),
    #[error("the certificate {certificate} and the key {key} do not belong together: {cause}")]
    Mismatch { certificate: PathBuf, key: PathBuf, cause: rustls::Error },
    #[error("TLS cannot be set up: {0}")]
    Setup(#[from] rustls::Error),
}

/// Our certificate and key. Clones share them.
#[derive(Clone, Debug)]
pub struct Certificate {
    resolver: Arc<Resolver>,
    config: Arc<ServerConfig>,
}

#[derive(Debug)]
struct Resolver {
    certificate: PathBuf,
    key: PathBuf,
    current: RwLock<Arc<CertifiedKey>>,
}

impl Certificate {
    /// Reads a PEM chain, leaf first, and its PEM key.
    ///
    /// # Errors
    /// [`TlsError`].
    pub fn load(certificate: &Path, key: &Path) -> Result<Self, TlsError> {
        let current = RwLock::new(Arc::new(read(certificate, key)?));
        let resolver =
            Arc::new(Resolver { certificate: certificate.into(), key: key.into(), current });
        let config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&resolver) as Arc<dyn ResolvesServerCert>);
        Ok(Self { resolver, config: Arc::new(config) })
    }

    /// Reads the files again; sessions that begin later use what they hold.
    ///
    /// # Errors
    /// [`TlsError`]; the old certificate stays in use then.
    pub fn reload(&self) -> Result<(), TlsError> {
        let fresh = Arc::new(read(&self.resolver.certificate, &self.resolver.key)?);
        *self.resolver.current.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        Ok(())
    }

    pub fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::clone(&self.config))
    }
}

impl ResolvesServerCert for Resolver {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

/// Version and cipher of a session as RFC 8446 writes them, for the envelope
/// and the trace header.
pub fn facts(session: &rustls::CommonState) -> String {
    let version = session.protocol_version().and_then(|version| version.as_str());
    let suite = session.negotiated_cipher_suite().and_then(|suite| suite.suite().as_str());
    let version = version.unwrap_or("TLS").replace('_', ".");
    format!("{version} {}", suite.unwrap_or("unknown").replacen("TLS13_", "TLS_", 1))
}

fn read(certificate: &Path, key: &Path) -> Result<CertifiedKey, TlsError> {
    let chain = chain(certificate)?;
    let private = PrivateKeyDer::from_pem_file(key)
        .map_err(|cause| TlsError::Unreadable { path: key.into(), cause })?;
    CertifiedKey::from_der(chain, private, &provider()).map_err(|cause| TlsError::Mismatch {
        certificate: certificate.into(),
        key: key.into(),
        cause,
    })
}

fn chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let unreadable = |cause| TlsError::Unreadable { path: path.into(), cause };
    let chain = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(unreadable)?;
    if chain.is_empty() { Err(TlsError::Empty(path.into())) } else { Ok(chain) }
}

/// Named, because several providers may be linked and none is the default.
fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}
