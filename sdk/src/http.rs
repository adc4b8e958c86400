//! The adapter's HTTP client: the only way to its provider.
//!
//! In: a request built with [`Request`], and the name of the credential slot to use. Out: a
//! [`Response`] whose body is read in pieces or as a whole. Never: a secret (the host attaches the
//! credential after the request has left the sandbox), a redirect followed, a retry.

mod body;
mod request;
mod response;

pub use body::Body;
pub use request::Request;
pub(crate) use request::refused;
pub use response::Response;
pub(crate) use response::header;

/// Most bytes that [`Response::bytes`] and [`Body::bytes`] take, in bytes: 32 MiB. The host's own
/// limit holds as well.
pub const BODY_LIMIT: usize = 32 << 20;

#[cfg(test)]
mod tests;
