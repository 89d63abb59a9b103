//! The certificates that the agent and the callbacks show over TLS: an authority made at every start,
//! and one certificate of it for this machine.

use std::error::Error;
use std::fmt::{self, Formatter};
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256, RsaKeySize,
};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs::{Ticketer, default_provider};

/// Why there are no certificates. No caller can do anything about any of the reasons.
pub(crate) type TlsError = Box<dyn Error + Send + Sync>;

/// What TLS needs here. Dropping it removes the file of the authority.
pub(crate) struct Certificates {
    acceptor: TlsAcceptor,
    authority_file: PathBuf,
}

impl Certificates {
    /// Makes an authority and a certificate, and writes a file for the function with what it shall
    /// trust: the authority and whatever this machine trusts, since a real agent and an OpenID
    /// provider show other certificates. Lambda's own file has a hundred and more of them, too.
    pub(crate) fn make() -> Result<Self, TlsError> {
        let (authority, issuer) = authority()?;
        let acceptor = acceptor(&issuer)?;
        let authority_file = write_temporary(&(authority.pem() + &roots_of_the_machine()))?;
        Ok(Self { acceptor, authority_file })
    }

    pub(crate) fn acceptor(&self) -> &TlsAcceptor {
        &self.acceptor
    }

    /// The file with the authority's certificate, and after it those that this machine trusts, in PEM.
    pub(crate) fn authority_file(&self) -> &Path {
        &self.authority_file
    }
}

impl Drop for Certificates {
    fn drop(&mut self) {
        // Where it can't be removed, a file stays behind whose authority nothing trusts.
        let _ = fs::remove_file(&self.authority_file);
    }
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Certificates");
        shown.field("authority_file", &self.authority_file).finish_non_exhaustive()
    }
}

fn authority() -> Result<(Certificate, Issuer<'static, KeyPair>), rcgen::Error> {
    let mut parameters = CertificateParams::default();
    parameters.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    // Each has a name of its own, or else a client would take one for the other and refuse its key.
    let name = format!("The local AWS {:016x}", fastrand::u64(..));
    parameters.distinguished_name.push(DnType::CommonName, name);
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let certificate = parameters.self_signed(&key)?;
    Ok((certificate, Issuer::new(parameters, key)))
}

/// A server with a certificate of this authority. Like AWS's it has an RSA key of 2,048 bits, speaks
/// TLS 1.3 and 1.2, HTTP/2 and HTTP/1.1, and hands out session tickets.
fn acceptor(issuer: &Issuer<'_, KeyPair>) -> Result<TlsAcceptor, TlsError> {
    let names = ["127.0.0.1".to_owned(), "localhost".to_owned()];
    let mut parameters = CertificateParams::new(names)?;
    parameters.use_authority_key_identifier_extension = true;
    parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    parameters.distinguished_name.push(DnType::CommonName, "localhost");
    let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048)?;
    let certificate = parameters.signed_by(&key, issuer)?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key.into())?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config.ticketer = Ticketer::new()?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// The certificates that this machine trusts, in PEM. Those that can't be read are left out, as the
/// function itself would.
fn roots_of_the_machine() -> String {
    let mut pem = String::new();
    for certificate in rustls_native_certs::load_native_certs().certs {
        pem += "-----BEGIN CERTIFICATE-----\n";
        // 48 bytes fill a line of 64 letters.
        for line in certificate.chunks(48) {
            STANDARD.encode_string(line, &mut pem);
            pem.push('\n');
        }
        pem += "-----END CERTIFICATE-----\n";
    }
    pem
}

/// Writes a temporary file of a name of its own.
fn write_temporary(text: &str) -> io::Result<PathBuf> {
    let name = format!("local-aws-authority-{}-{:016x}.pem", std::process::id(), fastrand::u64(..));
    let path = std::env::temp_dir().join(name);
    File::create_new(&path)?.write_all(text.as_bytes())?;
    Ok(path)
}
