//! The method and the address of a request, as the plugin wrote them.
//!
//! In: two texts. Out: the method, the URL that will be dialled and its origin. Never: a URL that
//! is not in canonical form. What is matched, what is logged and what is sent are then the same
//! text, and no server behind the allow-list can read another path than the one that was matched.

use http::Method;
use url::Url;

use super::error::{Rule, UrlFault};
use super::origin::{Origin, Scheme, canonical_host, parse_port, split_port};

/// The longest address that is taken, in bytes.
pub const MAX_URL: usize = 16 * 1024;

/// What will be dialled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The method.
    pub method: Method,
    /// The address; its path is byte for byte what the plugin wrote.
    pub url: Url,
    /// Scheme, host and port of the address.
    pub origin: Origin,
}

/// Reads a method and an address.
///
/// # Errors
/// The rule that refuses them.
pub fn parse(method: &str, url: &str) -> Result<Target, Rule> {
    let method = parse_method(method)?;
    let (url, origin) = parse_url(url).map_err(Rule::Url)?;
    Ok(Target { method, url, origin })
}

/// Reads a method.
///
/// # Errors
/// When it is not one that may be sent.
pub fn parse_method(text: &str) -> Result<Method, Rule> {
    let refused = || Rule::Method(text.chars().take(32).filter(|c| c.is_ascii_graphic()).collect());
    // Methods are case-sensitive; one in small letters is a mistake that servers treat differently.
    if text.is_empty() || text.len() > 32 || !text.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'-') {
        return Err(refused());
    }
    let method = Method::from_bytes(text.as_bytes()).map_err(|_| refused())?;
    // CONNECT opens a tunnel, TRACE gives the credential back.
    match method {
        Method::CONNECT | Method::TRACE => Err(refused()),
        method => Ok(method),
    }
}

fn parse_url(text: &str) -> Result<(Url, Origin), UrlFault> {
    if text.len() > MAX_URL {
        return Err(UrlFault::TooLong);
    }
    if !text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\') {
        return Err(UrlFault::Characters);
    }
    let (scheme, rest) = text.split_once("://").ok_or(UrlFault::NotAbsolute)?;
    let scheme = match scheme {
        "https" => Scheme::Https,
        "http" => Scheme::Http,
        _ => return Err(UrlFault::NotAbsolute),
    };
    if rest.contains('#') {
        return Err(UrlFault::Fragment);
    }
    let (authority, after) = match rest.find(['/', '?']).and_then(|at| rest.split_at_checked(at)) {
        Some(split) => split,
        None => (rest, ""),
    };
    if authority.contains('@') {
        return Err(UrlFault::UserInfo);
    }
    let (host, port) = split_port(authority).ok_or(UrlFault::Port)?;
    let port = match port {
        None => scheme.default_port(),
        Some(port) => parse_port(port).ok_or(UrlFault::Port)?,
    };
    let host = canonical_host(host).ok_or(UrlFault::Host)?;
    let path = after.split_once('?').map_or(after, |(path, _)| path);
    check_path(path)?;

    let url = Url::parse(text).map_err(|_| UrlFault::NotAbsolute)?;
    // Whatever the parser would still change in the path is not canonical either.
    if !path.is_empty() && url.path() != path {
        return Err(UrlFault::Path);
    }
    // The parser's own view is what the client dials. It has to be the view that is matched.
    if url.host().map(|host| host.to_owned()).as_ref() != Some(&host) || url.port_or_known_default() != Some(port) {
        return Err(UrlFault::Host);
    }
    Ok((url, Origin { scheme, host, port }))
}

/// Refuses every path that a server may read as another one.
fn check_path(path: &str) -> Result<(), UrlFault> {
    let mut decoded = percent_decode(path.as_bytes());
    // What is left of a `%` was not an encoding.
    let encodings = path.bytes().filter(|byte| *byte == b'%').count();
    let malformed = path.len() - decoded.len() != 2 * encodings;
    let encoded_dot = contains_ignore_case(path, "%2e");
    // Bytes that are not UTF-8 may be a longer spelling of a dot or a slash.
    let text = std::str::from_utf8(&decoded).is_ok();
    if malformed || encoded_dot || !text || path.contains("//") || !reads_one_way(&decoded) {
        return Err(UrlFault::Path);
    }
    // Behind a proxy that decodes, another server may decode again.
    loop {
        let again = percent_decode(&decoded);
        if again.len() == decoded.len() {
            return Ok(());
        }
        if !reads_one_way(&again) {
            return Err(UrlFault::Path);
        }
        decoded = again;
    }
}

/// Whether a path that was decoded has neither dot segments nor what some servers make them of.
fn reads_one_way(decoded: &[u8]) -> bool {
    // An encoded slash or backslash is decoded by some servers before they look for dot segments.
    let dots = decoded.split(|byte| matches!(byte, b'/' | b'\\')).any(|segment| {
        // Some servers take parameters (`;name=value`) off a segment first.
        let name = segment.split(|byte| *byte == b';').next();
        matches!(name, Some(b"." | b".."))
    });
    !dots && !decoded.contains(&b'\\') && !decoded.iter().any(u8::is_ascii_control)
}

/// Decodes `%XX`. A `%` that is not followed by two hexadecimal digits stays as it is.
pub(super) fn percent_decode(bytes: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((&byte, after)) = rest.split_first() {
        let (byte, after) = encoded_byte(rest).unwrap_or((byte, after));
        decoded.push(byte);
        rest = after;
    }
    decoded
}

/// The byte that `%XX` at the beginning stands for, and what follows.
fn encoded_byte(bytes: &[u8]) -> Option<(u8, &[u8])> {
    let (&[b'%', high, low], after) = bytes.split_first_chunk()? else {
        return None;
    };
    let digit = |digit: u8| char::from(digit).to_digit(16);
    let value = digit(high)? * 16 + digit(low)?;
    Some((u8::try_from(value).ok()?, after))
}

pub(super) fn contains_ignore_case(text: &str, lower: &str) -> bool {
    text.as_bytes()
        .windows(lower.len())
        .any(|window| window.eq_ignore_ascii_case(lower.as_bytes()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_address_is_taken_only_in_canonical_form() {
        use UrlFault as F;
        let long = format!("https://a.example/{}", "a".repeat(MAX_URL));
        let table: &[(&str, Option<UrlFault>)] = &[
            ("https://api.example.com", None),
            ("https://api.example.com/", None),
            ("https://api.example.com?a=b", None),
            ("https://API.example.com/v1/chat", None),
            ("https://api.example.com:443/v1", None),
            ("https://api.example.com:8443/v1", None),
            ("https://api.example.com/v1/models/a:generate?alt=sse&x=%20%2F..", None),
            ("https://api.example.com/model/arn%3Aaws%2Fx", None),
            ("https://api.example.com/v1?next=https://a.example//b/../c", None),
            ("http://127.0.0.1:11434/api", None),
            ("http://[::1]:11434/api", None),
            (&long, Some(F::TooLong)),
            ("", Some(F::NotAbsolute)),
            ("/v1/chat", Some(F::NotAbsolute)),
            ("//api.example.com/v1", Some(F::NotAbsolute)),
            ("https:/api.example.com", Some(F::NotAbsolute)),
            ("ftp://api.example.com/", Some(F::NotAbsolute)),
            ("file:///etc/passwd", Some(F::NotAbsolute)),
            ("HTTPS://api.example.com/", Some(F::NotAbsolute)),
            ("https://api.example.com/a b", Some(F::Characters)),
            (" https://api.example.com/", Some(F::Characters)),
            ("https://api.example.com/a\tb", Some(F::Characters)),
            ("https://api.exam\nple.com/", Some(F::Characters)),
            ("https://api.example.com\\@evil.example/", Some(F::Characters)),
            ("https://bücher.example/", Some(F::Characters)),
            ("https://api.example.com/ü", Some(F::Characters)),
            ("https://user@api.example.com/", Some(F::UserInfo)),
            ("https://user:pw@api.example.com/", Some(F::UserInfo)),
            ("https://api.example.com@evil.example/", Some(F::UserInfo)),
            ("https://@api.example.com/", Some(F::UserInfo)),
            ("https://api.example.com/#a", Some(F::Fragment)),
            ("https://api.example.com#@evil.example/", Some(F::Fragment)),
            ("https://api.example.com/?a#", Some(F::Fragment)),
            ("https:///v1", Some(F::Host)),
            ("https://2130706433/", Some(F::Host)),
            ("https://0x7f000001/", Some(F::Host)),
            ("https://0177.0.0.1/", Some(F::Host)),
            ("https://127.1/", Some(F::Host)),
            ("https://127.0.0.1./", Some(F::Host)),
            ("https://0x7f.1/", Some(F::Host)),
            ("https://[::ffff:127.0.0.1]/", Some(F::Host)),
            ("https://[::ffff:7f00:1]/", Some(F::Host)),
            ("https://[0:0:0:0:0:0:0:1]/", Some(F::Host)),
            ("https://[::1%25eth0]/", Some(F::Host)),
            ("https://api.example.com./", Some(F::Host)),
            ("https://.example.com/", Some(F::Host)),
            ("https://api..example.com/", Some(F::Host)),
            ("https://api%2eexample.com/", Some(F::Host)),
            ("https://api.example.com:/", Some(F::Port)),
            ("https://api.example.com:0/", Some(F::Port)),
            ("https://api.example.com:0443/", Some(F::Port)),
            ("https://api.example.com:99999/", Some(F::Port)),
            ("https://api.example.com:80:80/", Some(F::Port)),
            ("https://[::1]x/", Some(F::Port)),
            ("https://api.example.com/a/../b", Some(F::Path)),
            ("https://api.example.com/a/./b", Some(F::Path)),
            ("https://api.example.com/..", Some(F::Path)),
            ("https://api.example.com//a", Some(F::Path)),
            ("https://api.example.com/a//b", Some(F::Path)),
            ("https://api.example.com/%2e%2e/a", Some(F::Path)),
            ("https://api.example.com/a/%2E/b", Some(F::Path)),
            ("https://api.example.com/a%2f..%2fb", Some(F::Path)),
            ("https://api.example.com/a%2F%2E%2E%2Fb", Some(F::Path)),
            ("https://api.example.com/a%5cb", Some(F::Path)),
            ("https://api.example.com/a/..;/b", Some(F::Path)),
            ("https://api.example.com/a/..;x=1/b", Some(F::Path)),
            ("https://api.example.com/a%2f..%3bx/b", Some(F::Path)),
            ("https://api.example.com/a/.;/b", Some(F::Path)),
            ("https://api.example.com/a/%252e%252e/b", Some(F::Path)),
            ("https://api.example.com/a/%25252e%25252E/b", Some(F::Path)),
            ("https://api.example.com/a%252f..%252fb", Some(F::Path)),
            ("https://api.example.com/a%255cb", Some(F::Path)),
            ("https://api.example.com/a%250d%250ab", Some(F::Path)),
            ("https://api.example.com/a/%c0%ae%c0%ae/b", Some(F::Path)),
            ("https://api.example.com/a%ffb", Some(F::Path)),
            ("https://api.example.com/a;v=1/..b/b..;x/%2525", None),
            ("https://api.example.com/model/100%25/converse", None),
            ("https://api.example.com/a%00b", Some(F::Path)),
            ("https://api.example.com/a%0d%0ab", Some(F::Path)),
            ("https://api.example.com/a%7fb", Some(F::Path)),
            ("https://api.example.com/a%", Some(F::Path)),
            ("https://api.example.com/a%zz", Some(F::Path)),
            ("https://api.example.com/a\"b", Some(F::Path)),
            ("https://api.example.com/{a}", Some(F::Path)),
        ];
        for (url, fault) in table {
            assert_eq!(parse("GET", url).err(), fault.map(Rule::Url), "{url:?}");
        }
    }

    #[test]
    fn what_is_dialled_is_what_was_written() {
        for url in [
            "https://api.example.com/v1/a:b%3Ac?x=1&y=%2F",
            "http://[::1]:11434/api",
            "https://a.example/%C3%BC",
        ] {
            assert_eq!(parse("GET", url).unwrap().url.as_str(), url);
        }
        let target = parse("GET", "https://API.example.com:443").unwrap();
        assert_eq!(target.url.as_str(), "https://api.example.com/");
        assert_eq!(target.origin.to_string(), "https://api.example.com");
    }

    #[test]
    fn methods_are_what_http_has() {
        for (method, taken) in [
            ("GET", true),
            ("POST", true),
            ("PATCH", true),
            ("DELETE", true),
            ("PROPFIND", true),
            ("get", false),
            ("CONNECT", false),
            ("TRACE", false),
            ("", false),
            ("GET /", false),
            ("GET\r\nhost: a", false),
        ] {
            assert_eq!(parse(method, "https://api.example.com/").is_ok(), taken, "{method:?}");
        }
    }

    proptest! {
        /// Whatever is taken reads the same to the parser the HTTP client dials with.
        #[test]
        fn every_parser_agrees_on_what_is_taken(
            text in "(https|http)://[a-z0-9.:@\\[\\]%-]{0,16}(/[a-z0-9./%?#:@\\\\ -]{0,16})?",
        ) {
            if let Ok(target) = parse("GET", &text) {
                let uri: http::Uri = target.url.as_str().parse().unwrap();
                let host = target.origin.host.to_string();
                prop_assert_eq!(uri.host(), Some(host.as_str()));
                prop_assert_eq!(uri.port_u16().unwrap_or(target.origin.scheme.default_port()), target.origin.port);
                prop_assert_eq!(uri.path(), target.url.path());
                let decoded = percent_decode(uri.path().as_bytes());
                prop_assert!(!decoded.split(|byte| *byte == b'/').any(|segment| segment == b".." || segment == b"."));
                prop_assert!(std::str::from_utf8(&decoded).is_ok());
                prop_assert_eq!(parse("GET", target.url.as_str()), Ok(target.clone()));
            }
        }
    }
}
