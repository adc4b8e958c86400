//! Whether a caller without a key addresses this machine by a name that is its own.
//!
//! In: a request to an open host. Out: the same, or a refusal. Never: a look at where the request
//! comes from; on a loopback listener that is always this machine.
//!
//! A page in a browser may have a name of its own lead to 127.0.0.1, and then counts as the host's
//! own page (DNS rebinding). What it cannot do is to make the browser say another name than its own.

use axum::extract::Request;
use http::header::HOST;

use crate::context::Principal;
use crate::error::GatewayError;

/// Lets callers with a key pass, and others that say `localhost` or an address.
///
/// # Errors
/// `Forbidden`, with what to do instead.
pub(super) fn require(request: &Request, principal: Principal) -> Result<Principal, GatewayError> {
    let header = request.headers().get(HOST);
    let named = match request.uri().authority() {
        Some(authority) => Some(authority.as_str()),
        // Not text is not a name of this machine.
        None => header.map(|value| value.to_str().unwrap_or("?")),
    };
    match (&principal, named) {
        (Principal::Anonymous, Some(named)) if !is_local(named) => Err(GatewayError::Forbidden {
            message: "an open host answers only requests to `localhost` or to an address; to serve it under a name, \
                      set `server.access = \"keys\"`"
                .to_owned(),
            param: None,
        }),
        _ => Ok(principal),
    }
}

/// Whether `host[:port]` is `localhost`, below it, or an address.
fn is_local(authority: &str) -> bool {
    let name = match authority.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => authority,
    };
    if let Some(address) = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return address.parse::<std::net::Ipv6Addr>().is_ok();
    }
    let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    name == "localhost" || name.ends_with(".localhost") || name.parse::<std::net::Ipv4Addr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_this_machine() {
        for (name, expected) in [
            ("localhost", true),
            ("LocalHost:8080", true),
            ("localhost.", true),
            ("api.localhost:1", true),
            ("127.0.0.1:8080", true),
            ("127.0.0.1", true),
            ("[::1]:8080", true),
            ("[::1]", true),
            ("evil.example:8080", false),
            ("evil.example", false),
            ("localhost.evil.example", false),
            ("notlocalhost", false),
            ("127.0.0.1.evil.example", false),
            ("[evil.example]", false),
            ("?", false),
            ("", false),
        ] {
            assert_eq!(is_local(name), expected, "{name}");
        }
    }

    #[test]
    fn only_callers_without_a_key_are_asked() {
        let request = |host: &str| {
            Request::builder()
                .header("host", host)
                .body(axum::body::Body::empty())
                .unwrap()
        };
        let key = || Principal::Key {
            name: "app".into(),
            models: std::sync::Arc::new([]),
        };
        assert!(require(&request("gateway.example"), key()).is_ok());
        assert!(require(&request("localhost:8080"), Principal::Anonymous).is_ok());
        match require(&request("evil.example:8080"), Principal::Anonymous) {
            Err(GatewayError::Forbidden { message, .. }) => assert!(message.contains("localhost"), "{message}"),
            other => panic!("{other:?}"),
        }
        // HTTP/1.0 has no such header, and no browser speaks it.
        assert!(require(&Request::default(), Principal::Anonymous).is_ok());
    }
}
