//! `Authorization: Basic …` (RFC 7617).
//!
//! In: a credential with a secret field `password`, and `username` as a secret field or an
//! attribute. Out: the header, marked sensitive. Never: the secret anywhere else.

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::AUTHORIZATION;
use zeroize::Zeroizing;

use super::attach::{Attach, AttachError, Outgoing};
use super::header::sensitive_value;
use llm_host_vault::{Secret, Secrets};

/// Sends user name and password.
#[derive(Debug)]
pub(super) struct Basic {
    username: Option<String>,
}

impl Basic {
    /// With the user name from the credential's attributes, where it is not a secret field.
    pub(super) fn new(username: Option<String>) -> Self {
        Self { username }
    }
}

#[async_trait]
impl Attach for Basic {
    async fn attach(&self, secrets: &Secrets, outgoing: &mut Outgoing) -> Result<(), AttachError> {
        let password = secrets
            .get("password")
            .ok_or(AttachError::Field("a secret field `password`"))?;
        let username = secrets.get("username").map(Secret::expose).or(self.username.as_deref());
        let username = username.ok_or(AttachError::Field("a `username`, as a secret field or an attribute"))?;
        // RFC 7617, section 2: the first colon ends the user name.
        if username.contains(':') {
            return Err(AttachError::Field("a `username` without a colon"));
        }
        let pair = Zeroizing::new(format!("{username}:{}", password.expose()));
        let encoded = Secret::new(STANDARD.encode(pair.as_bytes()));
        outgoing
            .headers
            .insert(AUTHORIZATION, sensitive_value("Basic ", encoded.expose())?);
        outgoing.derived.push(encoded);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::egress::testing::outgoing;

    #[tokio::test]
    async fn the_pair_is_encoded_as_the_standard_says() {
        // The example of RFC 7617, section 2.
        let secrets = Secrets::one("password", Secret::new("open sesame"));
        let mut request = outgoing();
        Basic::new(Some("Aladdin".to_owned()))
            .attach(&secrets, &mut request)
            .await
            .unwrap();
        assert_eq!(
            request.headers[AUTHORIZATION].as_bytes(),
            b"Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="
        );
    }

    #[tokio::test]
    async fn what_is_missing_is_named() {
        let password = Secrets::one("password", Secret::new("open sesame"));
        for (username, secrets, missing) in [
            (None, &password, "a `username`, as a secret field or an attribute"),
            (Some("a:b"), &password, "a `username` without a colon"),
            (
                Some("a"),
                &Secrets::one("token", Secret::new("x")),
                "a secret field `password`",
            ),
        ] {
            let basic = Basic::new(username.map(str::to_owned));
            let failed = basic.attach(secrets, &mut outgoing()).await;
            assert_eq!(failed, Err(AttachError::Field(missing)));
        }
    }
}
