//! A header of the provider's own, such as `x-api-key`.
//!
//! In: a header's name, what stands in front of the secret, a credential with one secret field.
//! Out: the header, marked sensitive. Never: the secret anywhere else.

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderName, HeaderValue};
use zeroize::Zeroizing;

use super::attach::{Attach, AttachError, Outgoing, only_secret};
use llm_host_vault::Secrets;

/// Sends the secret in a header.
#[derive(Debug)]
pub(super) struct Header {
    name: HeaderName,
    prefix: String,
}

impl Header {
    /// Sends it in the header `name`, after `prefix`.
    pub(super) fn new(name: HeaderName, prefix: String) -> Self {
        Self { name, prefix }
    }
}

#[async_trait]
impl Attach for Header {
    fn header(&self) -> Option<&HeaderName> {
        Some(&self.name)
    }

    async fn attach(&self, secrets: &Secrets, outgoing: &mut Outgoing) -> Result<(), AttachError> {
        let value = sensitive_value(&self.prefix, only_secret(secrets)?.expose())?;
        outgoing.headers.insert(self.name.clone(), value);
        Ok(())
    }
}

/// Bytes that are overwritten when the last header value that shares them is dropped.
struct Wiped(Zeroizing<Vec<u8>>);

impl AsRef<[u8]> for Wiped {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// A header value that neither `Debug` nor HPACK's table shows, and that is overwritten when the
/// request is dropped. What the HTTP client writes into its own buffers is beyond reach.
///
/// # Errors
/// When the secret has characters that a header cannot carry.
pub(super) fn sensitive_value(prefix: &str, secret: &str) -> Result<HeaderValue, AttachError> {
    let mut text = Zeroizing::new(Vec::with_capacity(prefix.len() + secret.len()));
    text.extend_from_slice(prefix.as_bytes());
    text.extend_from_slice(secret.as_bytes());
    let shared = Bytes::from_owner(Wiped(text));
    let mut value = HeaderValue::from_maybe_shared(shared).map_err(|_| AttachError::Characters)?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_header_does_not_show_itself() {
        let value = sensitive_value("Bearer ", "canary-value").unwrap();
        assert_eq!(value.as_bytes(), b"Bearer canary-value");
        assert!(!format!("{value:?}").contains("canary"));
    }

    #[test]
    fn a_secret_that_would_break_the_header_is_refused() {
        assert_eq!(sensitive_value("", "a\r\nhost: b"), Err(AttachError::Characters));
    }
}
