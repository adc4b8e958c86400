//! Secrets that go where they should not.
//!
//! In: a request before the credential is attached, and the answer to it; the secrets of every
//! credential that the plugin could use. Out: both unchanged, or a refusal. A plugin that has
//! somehow come by a secret does not get it out; an upstream that repeats the credential does not
//! get it in. Never: a guess. Only exact secrets are looked for, in the forms of [`forms`]; what
//! merely looks like a key passes.
//!
//! Limits, stated: a secret shorter than [`SHORTEST`] is not looked for, because it would be found
//! by chance; one that an upstream disguises on purpose (reversed, split over several fields) is
//! not found.

mod forms;
mod scan;
mod search;

use std::borrow::Cow;

use bytes::Bytes;
use futures::StreamExt as _;
use tower::Layer;
use zeroize::Zeroizing;

use super::UpstreamResponse;
use super::credential::reachable_secrets;
use super::error::{EgressError, Rule};
use super::headers::Clean;
use super::service::Service;
use super::target::percent_decode;

pub use scan::Scan;
use search::{Search, Verdict, WINDOW};

/// The shortest secret that is looked for, in bytes.
pub const SHORTEST: usize = WINDOW;

/// How much of a body is searched at a time, in bytes.
const SLICE: usize = 256 * 1024;

/// What stands in place of a secret in a text.
pub const REDACTED: &str = "[secret]";

/// Texts to look for. Their memory is overwritten when the last scan is done.
pub struct Needles {
    search: Search,
}

impl Needles {
    /// Every form of every secret.
    pub fn of<'a>(secrets: impl IntoIterator<Item = &'a str>) -> Self {
        let mut all: Vec<Zeroizing<Vec<u8>>> = Vec::new();
        for secret in secrets
            .into_iter()
            .map(str::trim)
            .filter(|secret| secret.len() >= SHORTEST)
        {
            for form in forms::of(secret.as_bytes()) {
                if !all.contains(&form) {
                    all.push(form);
                }
            }
        }
        Self {
            search: Search::new(all),
        }
    }

    /// Whether there is nothing to look for.
    pub fn is_empty(&self) -> bool {
        self.search.longest() == 0
    }

    /// Length of the longest text that is looked for, in bytes; 0 when there is none.
    pub fn longest(&self) -> usize {
        self.search.longest()
    }

    /// The text with every secret taken out.
    pub fn redact<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let mut redacted = Cow::Borrowed(text);
        for form in self.search.texts().filter_map(|form| std::str::from_utf8(form).ok()) {
            if redacted.contains(form) {
                redacted = Cow::Owned(redacted.replace(form, REDACTED));
            }
        }
        redacted
    }

    /// Whether the bytes hold a secret.
    pub fn are_in(&self, bytes: &[u8]) -> bool {
        // Most headers are shorter than any secret.
        bytes.len() >= self.search.shortest() && self.search.run(bytes) == Verdict::Found
    }

    /// As [`are_in`](Self::are_in), letting other tasks run now and then: a request with pictures
    /// in it takes tens of milliseconds.
    async fn are_in_large(&self, bytes: &[u8]) -> bool {
        let overlap = self.search.longest().saturating_sub(1);
        let mut from = 0;
        while let Some(rest) = bytes.get(from..) {
            let slice = rest.get(..SLICE + overlap).unwrap_or(rest);
            if self.are_in(slice) {
                return true;
            }
            if slice.len() == rest.len() {
                return false;
            }
            from += SLICE;
            tokio::task::yield_now().await;
        }
        false
    }
}

/// The layer.
#[derive(Debug, Clone, Copy, Default)]
pub struct LeakScan;

impl<S> Layer<S> for LeakScan {
    type Service = Scanned<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Scanned { inner }
    }
}

/// The layer around what it calls.
#[derive(Debug)]
pub struct Scanned<S> {
    inner: S,
}

impl<S: Service<Clean>> Service<Clean> for Scanned<S> {
    async fn call(&self, clean: Clean) -> Result<UpstreamResponse, EgressError> {
        let permitted = &clean.permitted;
        let needles = reachable_secrets(&**permitted.store, &permitted.request.holder);
        check_request(&needles, &clean).await?;
        let response = self.inner.call(clean).await?;
        guard(needles, response)
    }
}

async fn check_request(needles: &Needles, clean: &Clean) -> Result<(), Rule> {
    if needles.is_empty() {
        return Ok(());
    }
    let url = clean.permitted.target.url.as_str();
    // Percent-encoding may be mixed at will, so the address is also looked at decoded.
    let decoded = percent_decode(url.as_bytes());
    if needles.are_in(url.as_bytes()) || needles.are_in(&decoded) {
        return Err(Rule::LeakOut("address"));
    }
    let in_header = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
        needles.are_in(name.as_str().as_bytes()) || needles.are_in(value.as_bytes())
    };
    if clean.headers.iter().any(in_header) {
        return Err(Rule::LeakOut("headers"));
    }
    if needles.are_in_large(&clean.permitted.request.body).await {
        return Err(Rule::LeakOut("body"));
    }
    Ok(())
}

/// Holds an answer back from repeating a secret. Headers are looked at now, the body as it comes.
///
/// # Errors
/// [`Rule::LeakIn`] when a header repeats a secret; a body that does ends with the same error.
pub fn guard(needles: Needles, response: UpstreamResponse) -> Result<UpstreamResponse, EgressError> {
    if needles.is_empty() {
        return Ok(response);
    }
    let repeats = |bytes: &[u8]| {
        bytes.len() >= needles.search.shortest() && (needles.are_in(bytes) || needles.are_in(&percent_decode(bytes)))
    };
    if response
        .headers
        .iter()
        .any(|(name, value)| repeats(name.as_bytes()) || repeats(value))
    {
        return Err(Rule::LeakIn("headers").into());
    }
    let UpstreamResponse { status, headers, body } = response;
    Ok(UpstreamResponse {
        status,
        headers,
        body: Scan::new(needles, body).boxed(),
    })
}

/// A piece of a body.
type Piece = Result<Bytes, EgressError>;

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "sk-canary-0123456789";

    #[tokio::test]
    async fn a_large_body_is_searched_across_its_slices() {
        let needles = Needles::of([SECRET]);
        for at in [0, SLICE - SECRET.len(), SLICE - 1, SLICE, SLICE + 1, 3 * SLICE - 7] {
            let mut body = vec![b'a'; 3 * SLICE + 100];
            body.splice(at..at + SECRET.len(), SECRET.bytes());
            assert!(needles.are_in_large(&body).await, "{at}");
        }
        assert!(!needles.are_in_large(&vec![b'a'; 3 * SLICE]).await);
        assert!(!needles.are_in_large(b"").await);
    }

    #[test]
    fn short_secrets_are_not_looked_for() {
        assert!(Needles::of(["short", "  pad  ", ""]).is_empty());
        assert!(!Needles::of(["12345678"]).is_empty());
        assert!(!Needles::of([]).are_in(b"anything"));
    }
}
