//! TLS towards next hops: with the certificate verified, or only encrypted.
//!
//! Opportunistic and required TLS accept any certificate (RFC 7435): against
//! who only listens, encryption without authentication is better than none.
//! The key exchange is still proved to be the certificate's.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

/// The two ways to encrypt. Clones share them.
#[derive(Clone, Debug)]
pub struct ClientTls {
    pub(super) verified: Arc<ClientConfig>,
    pub(super) unverified: Arc<ClientConfig>,
}

/// Why TLS towards next hops cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("{path}: {cause} (a PEM file of certificates is needed)")]
    Unreadable { path: PathBuf, cause: pem::Error },
    #[error("{0}: there is no certificate in this file")]
    Empty(PathBuf),
    #[error("TLS towards next hops cannot be set up: {0}")]
    Setup(#[from] rustls::Error),
}

impl ClientTls {
    /// Trusts the system's roots, and those of the PEM file `roots` besides.
    ///
    /// # Errors
    /// [`TlsError`] if the file holds anything but certificates.
    pub fn trusting(roots: Option<&Path>) -> Result<Self, TlsError> {
        let Some(path) = roots else { return Self::new(Vec::new()) };
        let read = CertificateDer::pem_file_iter(path)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|cause| TlsError::Unreadable { path: path.into(), cause })?;
        if read.is_empty() {
            return Err(TlsError::Empty(path.into()));
        }
        Self::new(read)
    }

    /// TLS that takes only a trusted certificate for the server's name.
    pub fn verified(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.verified)
    }

    /// Trusts the system's roots and these besides.
    ///
    /// # Errors
    /// [`TlsError`] if a root is not a certificate.
    pub fn new(roots: Vec<CertificateDer<'static>>) -> Result<Self, TlsError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut trusted = RootCertStore::empty();
        // A system without readable roots can still use unverified TLS; then
        // every verified handshake fails and says why.
        trusted.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        for root in roots {
            trusted.add(root)?;
        }
        let builder = || {
            ClientConfig::builder_with_provider(Arc::clone(&provider))
                .with_safe_default_protocol_versions()
        };
        let verified = builder()?.with_root_certificates(trusted).with_no_client_auth();
        let unverified = builder()?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AnyCertificate(Arc::clone(&provider))))
            .with_no_client_auth();
        Ok(Self { verified: Arc::new(verified), unverified: Arc::new(unverified) })
    }
}

/// Accepts every certificate, but only with its own key.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
