//! The assertion with which an application proves that it holds the key of a certificate.
//!
//! In: certificate and key as PEM, the token endpoint, the application's id, the time. Out: a signed
//! JWT that is good for ten minutes. Never: the key; the certificate is public.
//!
//! Form: Microsoft identity platform, "application authentication with certificate credentials":
//! header `alg` PS256 (RS256 where it is asked for) and `x5t#S256`, claims `aud`, `iss`, `sub`, `jti`,
//! `nbf`, `iat`, `exp`; RFC 7521 and 7523.

use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use llm_host_vault::{Secret, Secrets};
use memchr::memmem;
use ring::rand::{SecureRandom as _, SystemRandom};
use ring::signature::{RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaEncoding, RsaKeyPair};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};

use super::source::Algorithm;
use crate::egress::credential::token::TokenError;

/// How long an assertion is good for.
const LIFE: Duration = Duration::from_secs(10 * 60);
/// How far behind Entra's clock may be.
const SKEW: Duration = Duration::from_secs(60);

/// The secret field of the certificate, with those of its issuers beside it where they are sent.
const CERTIFICATE: &str = "certificate";
/// The secret field of the key; absent when the key stands in the certificate's field.
const PRIVATE_KEY: &str = "private_key";

/// A certificate and its key.
pub(super) struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: RsaKeyPair,
}

impl Identity {
    /// Reads them out of a credential's fields.
    ///
    /// # Errors
    /// What is missing or does not fit, for the admin.
    pub(super) fn read(secrets: &Secrets) -> Result<Self, TokenError> {
        let field = |name| {
            let missing = || TokenError::lasting(format!("the credential has no secret field `{name}`"));
            secrets.get(name).ok_or_else(missing)
        };
        let certificate = field(CERTIFICATE)?;
        let key = secrets.get(PRIVATE_KEY).unwrap_or(certificate);
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(certificate.expose().as_bytes()).collect();
        let mut chain = chain.ok().filter(|chain| !chain.is_empty()).ok_or_else(|| {
            TokenError::lasting("the credential's field `certificate` holds no certificate in PEM form")
        })?;
        let key = read_key(key)?;
        // The certificate has the public key in its subjectPublicKeyInfo, byte for byte. Its issuers' may stand
        // before it, as `openssl pkcs12` writes them now and then; in the assertion it has to be the first.
        let holds_key = |one: &CertificateDer<'_>| memmem::find(one, key.public().as_ref()).is_some();
        let own = chain.iter().position(holds_key).ok_or_else(|| {
            TokenError::lasting("the credential's certificate and private key do not belong together")
        })?;
        if let Some(before) = chain.get_mut(..=own) {
            before.rotate_right(1);
        }
        Ok(Self { chain, key })
    }

    /// Signs an assertion.
    ///
    /// # Errors
    /// When the system gives no random numbers.
    pub(super) fn assert(
        &self,
        algorithm: Algorithm,
        send_chain: bool,
        audience: &str,
        client: &str,
        now: SystemTime,
    ) -> Result<Secret, TokenError> {
        let (name, encoding): (_, &dyn RsaEncoding) = match algorithm {
            Algorithm::Ps256 => ("PS256", &RSA_PSS_SHA256),
            Algorithm::Rs256 => ("RS256", &RSA_PKCS1_SHA256),
        };
        let leaf = self.chain.first().map(|leaf| leaf.as_ref()).unwrap_or_default();
        let thumbprint = ring::digest::digest(&ring::digest::SHA256, leaf);
        let mut header = json!({ "alg": name, "typ": "JWT", "x5t#S256": URL_SAFE_NO_PAD.encode(thumbprint) });
        if let (true, Some(header)) = (send_chain, header.as_object_mut()) {
            let chain = self
                .chain
                .iter()
                .map(|certificate| Value::String(STANDARD.encode(certificate)));
            header.insert("x5c".to_owned(), chain.collect());
        }
        let random = SystemRandom::new();
        let mut id = [0; 16];
        random.fill(&mut id).map_err(|_| no_random())?;
        let claims = json!({
            "aud": audience,
            "iss": client,
            "sub": client,
            "jti": URL_SAFE_NO_PAD.encode(id),
            "nbf": seconds(now.checked_sub(SKEW).unwrap_or(now)),
            "iat": seconds(now),
            "exp": seconds(now.checked_add(LIFE).unwrap_or(now)),
        });
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(&header), part(&claims));
        let mut signature = vec![0; self.key.public().modulus_len()];
        self.key
            .sign(encoding, &random, signed.as_bytes(), &mut signature)
            .map_err(|_| no_random())?;
        Ok(Secret::new(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))))
    }
}

fn read_key(field: &Secret) -> Result<RsaKeyPair, TokenError> {
    let text = field.expose();
    if text.contains("ENCRYPTED") {
        return Err(TokenError::lasting(
            "the credential's private key is encrypted; the vault encrypts it already: store it as \
             `openssl pkey -in key.pem` writes it",
        ));
    }
    let key = PrivateKeyDer::from_pem_slice(text.as_bytes())
        .map_err(|_| TokenError::lasting("the credential has no private key in PEM form"))?;
    let pair = match &key {
        PrivateKeyDer::Pkcs8(der) => RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()),
        PrivateKeyDer::Pkcs1(der) => RsaKeyPair::from_der(der.secret_pkcs1_der()),
        _ => {
            return Err(TokenError::lasting(
                "the credential's private key is not an RSA key, which Entra demands",
            ));
        }
    };
    pair.map_err(|error| {
        TokenError::lasting(format!(
            "the credential's private key cannot be used: {error}; Entra demands RSA of 2048 bits or more"
        ))
    })
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs()
}

fn no_random() -> TokenError {
    TokenError::passing("the assertion cannot be signed: the system gives no random numbers")
}

#[cfg(test)]
mod tests {
    use ring::signature::{
        RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256, UnparsedPublicKey, VerificationAlgorithm,
    };

    use super::*;

    const APPLICATION: &str = include_str!(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../tests/cloud/entra/application.pem"
    ));
    const STRANGER: &str = include_str!(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../tests/cloud/entra/stranger.pem"
    ));
    const ENDPOINT: &str = "https://login.microsoftonline.com/t/oauth2/v2.0/token";

    fn secrets(fields: &[(&str, &str)]) -> Secrets {
        fields
            .iter()
            .map(|(name, value)| ((*name).to_owned(), Secret::new(*value)))
            .collect()
    }

    fn key_of(pem: &str) -> &str {
        pem.split_once("-----END CERTIFICATE-----").unwrap().1
    }

    fn decode(part: &str) -> Value {
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
    }

    #[test]
    fn an_assertion_is_signed_and_says_what_it_must() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let chain = format!("{APPLICATION}{STRANGER}");
        let separate = secrets(&[("certificate", &chain), ("private_key", key_of(APPLICATION))]);
        let together = secrets(&[("certificate", APPLICATION)]);
        let table: [(_, _, _, &dyn VerificationAlgorithm, _, _); 2] = [
            (&separate, Algorithm::Ps256, "PS256", &RSA_PSS_2048_8192_SHA256, true, 2),
            (
                &together,
                Algorithm::Rs256,
                "RS256",
                &RSA_PKCS1_2048_8192_SHA256,
                false,
                0,
            ),
        ];
        for (secrets, algorithm, name, verification, send_chain, sent) in table {
            let identity = Identity::read(secrets).unwrap();
            let assertion = identity.assert(algorithm, send_chain, ENDPOINT, "app", now).unwrap();
            let (signed, signature) = assertion.expose().rsplit_once('.').unwrap();
            let (header, claims) = signed.split_once('.').unwrap();
            UnparsedPublicKey::new(verification, identity.key.public().as_ref())
                .verify(signed.as_bytes(), &URL_SAFE_NO_PAD.decode(signature).unwrap())
                .unwrap();
            let (header, claims) = (decode(header), decode(claims));
            assert_eq!((&header["alg"], &header["typ"]), (&json!(name), &json!("JWT")));
            let thumbprint = ring::digest::digest(&ring::digest::SHA256, &identity.chain[0]);
            assert_eq!(header["x5t#S256"], URL_SAFE_NO_PAD.encode(thumbprint));
            assert_eq!(header["x5c"].as_array().map_or(0, Vec::len), sent);
            for (claim, value) in [("aud", json!(ENDPOINT)), ("iss", json!("app")), ("sub", json!("app"))] {
                assert_eq!(claims[claim], value);
            }
            assert_eq!(
                (&claims["nbf"], &claims["exp"]),
                (&json!(1_699_999_940), &json!(1_700_000_600))
            );
            let again = identity.assert(algorithm, send_chain, ENDPOINT, "app", now).unwrap();
            assert_ne!(decode(again.expose().split('.').nth(1).unwrap())["jti"], claims["jti"]);
        }
    }

    #[test]
    fn the_certificate_of_the_key_is_the_first_wherever_it_stood() {
        let leaf_last = format!("{STRANGER}{APPLICATION}");
        let fields = secrets(&[("certificate", &leaf_last), ("private_key", key_of(APPLICATION))]);
        let identity = Identity::read(&fields).unwrap();
        let alone = Identity::read(&secrets(&[("certificate", APPLICATION)])).unwrap();
        let issuer = Identity::read(&secrets(&[("certificate", STRANGER)])).unwrap();
        assert_eq!(identity.chain, [alone.chain, issuer.chain].concat());
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let ec = "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEIA==\n-----END EC PRIVATE KEY-----\n";
        let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
        for (fields, named) in [
            (&[][..], "`certificate`"),
            (&[("certificate", key_of(APPLICATION))], "no certificate"),
            (&[("certificate", "")], "no certificate"),
            (
                &[("certificate", APPLICATION), ("private_key", key_of(STRANGER))],
                "do not belong together",
            ),
            (
                &[("certificate", APPLICATION), ("private_key", "canary")],
                "no private key",
            ),
            (&[("certificate", APPLICATION), ("private_key", ec)], "RSA"),
            (
                &[("certificate", APPLICATION), ("private_key", encrypted)],
                "openssl pkey",
            ),
        ] {
            let error = Identity::read(&secrets(fields)).err().unwrap();
            assert!(error.reason.contains(named) && !error.retryable, "{error}");
            assert!(!error.reason.contains("canary"));
        }
    }
}
