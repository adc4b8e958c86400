//! Where a request may go: the plugin's wish ∩ the admin's grant ∩ the credential's own hosts.
//!
//! In: the method and the URL as the plugin wrote them, its manifest's origins, its grants. Out:
//! the URL that will be dialled and the grant that allows it, or the rule that refuses it. Never:
//! a look-up of a name; the address is checked again when it is dialled.
//!
//! The URL is taken only in canonical form, so that what is matched, what is logged and what is
//! sent are the same text. Reading is [`parse`], deciding is [`decide`]; both are pure.

use std::time::SystemTime;

use http::Method;
use url::{Host, Url};

use super::address::{self, AddressClass};
use super::credential::{Grant, Holder, Standing};
use super::error::{Denial, Rule, UrlFault};
use super::origin::{Origin, OriginPattern, Scheme, any_matches, canonical_host, parse_port, split_port};
use super::remedy;

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
    if path.contains("//") {
        return Err(UrlFault::Path);
    }
    let decoded = percent_decode(path).ok_or(UrlFault::Path)?;
    // An encoded slash or backslash is decoded by some servers before they look for dot segments.
    let dots = decoded
        .split(|byte| matches!(byte, b'/' | b'\\'))
        .any(|segment| matches!(segment, b"." | b".."));
    let encoded_dot = contains_ignore_case(path, "%2e");
    let backslash = decoded.contains(&b'\\');
    let control = decoded.iter().any(u8::is_ascii_control);
    if dots || encoded_dot || backslash || control {
        Err(UrlFault::Path)
    } else {
        Ok(())
    }
}

/// Decodes `%XX`; `None` when a `%` is not followed by two hexadecimal digits.
pub(super) fn percent_decode(text: &str) -> Option<Vec<u8>> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
        let value = digit(bytes.next())? * 16 + digit(bytes.next())?;
        decoded.push(u8::try_from(value).ok()?);
    }
    Some(decoded)
}

fn contains_ignore_case(text: &str, lower: &str) -> bool {
    text.as_bytes()
        .windows(lower.len())
        .any(|window| window.eq_ignore_ascii_case(lower.as_bytes()))
}

/// A glob over paths: `*` stands for any characters, `/` included; everything else for itself.
///
/// A path with an encoded slash (`%2F`) matches only a glob that spells `%2F` itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathGlob(String);

impl PathGlob {
    /// Takes a glob as the grant has it.
    pub fn new(glob: impl Into<String>) -> Self {
        Self(glob.into())
    }

    /// Whether the glob means a path in canonical form.
    pub fn matches(&self, path: &str) -> bool {
        if contains_ignore_case(path, "%2f") && !contains_ignore_case(&self.0, "%2f") {
            return false;
        }
        wildcard(self.0.as_bytes(), path.as_bytes())
    }
}

/// Greedy matching with one point to come back to, which is linear enough for short globs.
fn wildcard(glob: &[u8], text: &[u8]) -> bool {
    let (mut at_glob, mut at_text) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while at_text < text.len() {
        match glob.get(at_glob) {
            Some(b'*') => {
                retry = Some((at_glob + 1, at_text));
                at_glob += 1;
            }
            Some(byte) if text.get(at_text) == Some(byte) => {
                at_glob += 1;
                at_text += 1;
            }
            _ => {
                let Some((after_star, from)) = retry else { return false };
                retry = Some((after_star, from + 1));
                at_glob = after_star;
                at_text = from + 1;
            }
        }
    }
    glob.get(at_glob..)
        .is_some_and(|rest| rest.iter().all(|byte| *byte == b'*'))
}

/// Who asks, and with what.
#[derive(Debug, Clone, Copy)]
pub struct Asking<'a> {
    /// Who.
    pub holder: &'a Holder,
    /// The slot whose credential is to be attached.
    pub slot: Option<&'a str>,
    /// What the plugin's manifest asks for, with its settings filled in.
    pub wish: &'a [String],
    /// The time of day.
    pub now: SystemTime,
}

/// Finds the grant that allows the target, and the addresses its name may lead to.
///
/// With a slot only the grants of that slot count. Without one, every grant of the holder does:
/// a request without a credential is less than what a slot's grant allows.
///
/// # Errors
/// The rule that refuses it. Of several grants that nearly fit, the nearest names the rule.
pub fn decide<'g, G>(target: &Target, asking: Asking<'_>, grants: &'g [G]) -> Result<(&'g G, AddressClass), Denial>
where
    G: AsRef<Grant>,
{
    if !asking
        .wish
        .iter()
        .any(|wish| OriginPattern::parse(wish).is_ok_and(|wish| wish.matches(&target.origin)))
    {
        return Err(Denial::new(Rule::NotRequested {
            origin: target.origin.to_string(),
        }));
    }
    let mut candidates = grants.iter().filter(|grant| match asking.slot {
        Some(slot) => grant.as_ref().slot.as_deref() == Some(slot),
        None => true,
    });
    let mut nearest: Option<(Miss, &Grant)> = None;
    let found = candidates.find_map(|grant| match judge(target, asking, grant.as_ref()) {
        Ok(class) => Some((grant, class)),
        Err(miss) => {
            if nearest.is_none_or(|(nearer, _)| nearer < miss) {
                nearest = Some((miss, grant.as_ref()));
            }
            None
        }
    });
    let (grant, class) = match (found, asking.slot, nearest) {
        (Some(found), _, _) => found,
        (None, Some(slot), None) => {
            let remedy = remedy::grant_slot(asking.holder, slot, &target.origin);
            return Err(Denial::with_remedy(
                Rule::SlotNotGranted { slot: slot.to_owned() },
                remedy,
            ));
        }
        (None, _, nearest) => return Err(refusal(target, asking, nearest)),
    };
    check_literal(target, asking, class)?;
    Ok((grant, class))
}

/// Why a grant does not fit, in the order of how near it comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Miss {
    Origin,
    Voided,
    Expired,
    Method,
    Path,
}

fn judge(target: &Target, asking: Asking<'_>, grant: &Grant) -> Result<AddressClass, Miss> {
    let private = any_matches(&grant.private_origins, &target.origin);
    if !private && !any_matches(&grant.origins, &target.origin) {
        return Err(Miss::Origin);
    }
    match grant.standing(asking.holder, asking.now) {
        Standing::Valid => {}
        Standing::Voided => return Err(Miss::Voided),
        Standing::Expired => return Err(Miss::Expired),
    }
    if !grant.methods.is_empty() && !grant.methods.contains(&target.method) {
        return Err(Miss::Method);
    }
    let path = target.url.path();
    let encoded_slash = contains_ignore_case(path, "%2f");
    let path_fits = if grant.paths.is_empty() {
        !encoded_slash
    } else {
        grant.paths.iter().any(|glob| glob.matches(path))
    };
    match (path_fits, private) {
        (true, true) => Ok(AddressClass::Private),
        (true, false) => Ok(AddressClass::Public),
        (false, _) => Err(Miss::Path),
    }
}

fn refusal(target: &Target, asking: Asking<'_>, nearest: Option<(Miss, &Grant)>) -> Denial {
    let Asking { holder, slot, .. } = asking;
    let Some((miss, grant)) = nearest.filter(|(miss, _)| *miss != Miss::Origin) else {
        let rule = Rule::NotGranted {
            origin: target.origin.to_string(),
        };
        return Denial::with_remedy(rule, remedy::grant_origin(holder, slot, &target.origin));
    };
    match miss {
        Miss::Origin | Miss::Voided => Denial::with_remedy(Rule::GrantVoided, remedy::approve(&grant.id)),
        Miss::Expired => Denial::with_remedy(Rule::GrantExpired, remedy::approve(&grant.id)),
        Miss::Method => Denial::with_remedy(
            Rule::MethodNotGranted(target.method.to_string()),
            remedy::grant_method(holder, slot, &target.origin, &target.method),
        ),
        Miss::Path => Denial::with_remedy(
            Rule::PathNotGranted,
            remedy::grant_path(holder, slot, &target.origin, target.url.path()),
        ),
    }
}

/// An address that stands in the URL never meets the resolver, so it is checked here.
fn check_literal(target: &Target, asking: Asking<'_>, class: AddressClass) -> Result<(), Denial> {
    let address = match &target.origin.host {
        Host::Domain(_) => return Ok(()),
        Host::Ipv4(v4) => (*v4).into(),
        Host::Ipv6(v6) => (*v6).into(),
    };
    address::check(address, class)
        .map_err(|kind| address_denial(asking.holder, asking.slot, &target.origin, class, kind))
}

/// The refusal of an address. A metadata service has no remedy: no grant opens it.
pub(super) fn address_denial(
    holder: &Holder,
    slot: Option<&str>,
    origin: &Origin,
    class: AddressClass,
    kind: address::AddressKind,
) -> Denial {
    match class {
        AddressClass::Public if address::allowed_when_private(kind) => {
            Denial::with_remedy(Rule::Address(kind), remedy::grant_private(holder, slot, origin))
        }
        _ => Denial::new(Rule::Address(kind)),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::egress::address::AddressKind;
    use crate::egress::credential::Pin;
    use crate::egress::testing::{DIGEST, SIGNER, grant, holder, origins};

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

    #[test]
    fn globs_mean_what_they_say() {
        for (glob, path, matches) in [
            ("/v1/chat", "/v1/chat", true),
            ("/v1/chat", "/v1/chat/x", false),
            ("/v1/*", "/v1/chat/x", true),
            ("/v1/*", "/v1/", true),
            ("/v1/*", "/v1", false),
            ("/v1/*", "/v2/v1/x", false),
            ("/model/*/converse", "/model/a:0/converse", true),
            ("/model/*/converse", "/model/a/invoke", false),
            ("*", "/anything", true),
            ("/a*b*c", "/aXbYbZc", true),
            ("/a*b*c", "/aXbYbZ", false),
            ("/a.c", "/abc", false),
            ("/a?", "/ab", false),
            ("", "/", false),
            ("/model/*", "/model/a%2Fb", false),
            ("/model/*%2F*/converse", "/model/arn%2fb/converse", false),
            ("/model/*%2F*/converse", "/model/arn%2Fb/converse", true),
        ] {
            assert_eq!(PathGlob::new(glob).matches(path), matches, "{glob} against {path}");
        }
    }

    type Decided = Result<(String, AddressClass), Rule>;

    /// Decides for a holder without a slot, with the manifest asking for these origins.
    fn decided(url: &str, wish: &[&str], grants: &[Grant]) -> Decided {
        decided_for(url, None, wish, grants)
    }

    fn decided_for(url: &str, slot: Option<&str>, wish: &[&str], grants: &[Grant]) -> Decided {
        let wish: Vec<String> = wish.iter().map(|wish| (*wish).to_owned()).collect();
        let target = parse("POST", url)?;
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1000);
        let asking = Asking {
            holder: &holder(),
            slot,
            wish: &wish,
            now,
        };
        let decided = decide(&target, asking, grants);
        decided
            .map(|(grant, class)| (grant.id.to_string(), class))
            .map_err(|denial| denial.rule().clone())
    }

    const API: &str = "https://api.example.com";

    #[test]
    fn wish_and_grant_both_have_to_allow_it() {
        let url = "https://api.example.com/v1/chat";
        let granted = [Grant {
            origins: origins(&[API]),
            ..grant("g")
        }];
        let elsewhere = [Grant {
            origins: origins(&["https://other.example"]),
            ..grant("g")
        }];
        let origin = || API.to_owned();
        assert_eq!(
            decided(url, &[API], &granted),
            Ok(("g".to_owned(), AddressClass::Public))
        );
        assert_eq!(
            decided(url, &["https://*.example.com"], &granted),
            Ok(("g".to_owned(), AddressClass::Public))
        );
        assert_eq!(
            decided(url, &[], &granted),
            Err(Rule::NotRequested { origin: origin() })
        );
        assert_eq!(
            decided(url, &["not a pattern/"], &granted),
            Err(Rule::NotRequested { origin: origin() })
        );
        assert_eq!(
            decided(url, &[API], &elsewhere),
            Err(Rule::NotGranted { origin: origin() })
        );
        assert_eq!(decided(url, &[API], &[]), Err(Rule::NotGranted { origin: origin() }));
    }

    #[test]
    fn plain_http_needs_a_pattern_that_says_so() {
        let url = "http://api.example.com/v1";
        let plain = "http://api.example.com";
        let https = [Grant {
            origins: origins(&[API]),
            ..grant("g")
        }];
        let http = [Grant {
            origins: origins(&[plain]),
            ..grant("g")
        }];
        assert_eq!(
            decided(url, &[API, plain], &https),
            Err(Rule::NotGranted {
                origin: plain.to_owned()
            })
        );
        assert_eq!(
            decided(url, &[API, plain], &http),
            Ok(("g".to_owned(), AddressClass::Public))
        );
    }

    #[test]
    fn only_a_private_origin_opens_private_addresses() {
        let local = "http://127.0.0.1:11434";
        let metadata = "http://169.254.169.254";
        let wish = [local, metadata, "https://gateway.internal.example"];
        let open = [Grant {
            origins: origins(&[local, metadata]),
            ..grant("g")
        }];
        let private = [Grant {
            private_origins: origins(&[local, metadata, "https://gateway.internal.example"]),
            ..grant("g")
        }];
        assert_eq!(
            decided("http://127.0.0.1:11434/api", &wish, &open),
            Err(Rule::Address(AddressKind::Loopback))
        );
        assert_eq!(
            decided("http://127.0.0.1:11434/api", &wish, &private),
            Ok(("g".to_owned(), AddressClass::Private))
        );
        let class = decided("https://gateway.internal.example/", &wish, &private).map(|(_, class)| class);
        assert_eq!(class, Ok(AddressClass::Private));
        for grants in [&open, &private] {
            assert_eq!(
                decided("http://169.254.169.254/", &wish, grants),
                Err(Rule::Address(AddressKind::Metadata))
            );
        }
    }

    #[test]
    fn the_nearest_grant_names_the_rule() {
        let url = "https://api.example.com/v1/chat";
        let past = SystemTime::UNIX_EPOCH + Duration::from_secs(1000);
        let base = || Grant {
            origins: origins(&[API]),
            ..grant("g")
        };
        let voided = Grant {
            pin: Pin::Digest([0; 32]),
            ..base()
        };
        let unsigned = Grant {
            pin: Pin::Signer(SIGNER),
            ..base()
        };
        let expired = Grant {
            expires: Some(past),
            ..base()
        };
        let later = Grant {
            expires: Some(past + Duration::from_secs(1)),
            ..base()
        };
        let get = Grant {
            methods: vec![Method::GET],
            ..base()
        };
        let models = Grant {
            paths: vec![PathGlob::new("/v1/models")],
            ..base()
        };
        let elsewhere = Grant {
            origins: origins(&["https://other.example"]),
            ..grant("g")
        };
        let ok = Ok(("g".to_owned(), AddressClass::Public));
        let table: Vec<(Vec<Grant>, Decided)> = vec![
            (vec![voided.clone()], Err(Rule::GrantVoided)),
            (vec![unsigned], Err(Rule::GrantVoided)),
            (vec![expired.clone()], Err(Rule::GrantExpired)),
            (vec![later], ok.clone()),
            (vec![get.clone()], Err(Rule::MethodNotGranted("POST".to_owned()))),
            (vec![models.clone()], Err(Rule::PathNotGranted)),
            (
                vec![elsewhere, voided.clone(), expired, get, models.clone()],
                Err(Rule::PathNotGranted),
            ),
            (vec![voided, models, base()], ok),
        ];
        for (grants, expected) in table {
            let ids = format!("{grants:?}");
            assert_eq!(decided(url, &[API], &grants), expected, "{ids}");
        }
    }

    #[test]
    fn a_signers_grant_covers_every_component_of_the_signer() {
        let signed = Holder {
            digest: [9; 32],
            signer: Some(SIGNER),
            ..holder()
        };
        let now = SystemTime::UNIX_EPOCH;
        assert_eq!(
            Grant {
                pin: Pin::Signer(SIGNER),
                ..grant("g")
            }
            .standing(&signed, now),
            Standing::Valid
        );
        assert_eq!(
            Grant {
                pin: Pin::Digest(DIGEST),
                ..grant("g")
            }
            .standing(&signed, now),
            Standing::Voided
        );
        let other = Holder {
            signer: Some([1; 32]),
            ..holder()
        };
        assert_eq!(
            Grant {
                pin: Pin::Signer(SIGNER),
                ..grant("g")
            }
            .standing(&other, now),
            Standing::Voided
        );
    }

    #[test]
    fn with_a_slot_only_its_own_grants_count() {
        let url = "https://api.example.com/v1/chat";
        let bare = Grant {
            origins: origins(&[API]),
            ..grant("bare")
        };
        let slot = Grant {
            slot: Some("api-key".into()),
            credential: Some("c".into()),
            ..bare.clone()
        };
        let slot = Grant {
            id: "slot".into(),
            ..slot
        };
        let both = [bare.clone(), slot];
        let id = |result: Decided| result.map(|(id, _)| id);
        assert_eq!(
            id(decided_for(url, Some("api-key"), &[API], &both)),
            Ok("slot".to_owned())
        );
        assert_eq!(id(decided_for(url, None, &[API], &both)), Ok("bare".to_owned()));
        let refused = Rule::SlotNotGranted {
            slot: "api-key".to_owned(),
        };
        assert_eq!(id(decided_for(url, Some("api-key"), &[API], &[bare])), Err(refused));
    }

    #[test]
    fn a_path_with_an_encoded_slash_needs_a_glob_that_spells_it() {
        let url = "https://api.example.com/model/arn%2Fx/converse";
        let base = || Grant {
            origins: origins(&[API]),
            ..grant("g")
        };
        let any = Grant {
            paths: vec![PathGlob::new("/model/*")],
            ..base()
        };
        let spelt = Grant {
            paths: vec![PathGlob::new("/model/*%2F*/converse")],
            ..base()
        };
        assert_eq!(decided(url, &[API], &[base()]), Err(Rule::PathNotGranted));
        assert_eq!(decided(url, &[API], &[any]), Err(Rule::PathNotGranted));
        assert!(decided(url, &[API], &[spelt]).is_ok());
    }

    #[test]
    fn the_plugin_reads_the_rule_and_the_admin_the_command() {
        let target = parse("POST", "https://api.example.com/v1").unwrap();
        let wish = [API.to_owned()];
        let holder = holder();
        let asking = Asking {
            holder: &holder,
            slot: None,
            wish: &wish,
            now: SystemTime::UNIX_EPOCH,
        };
        let denial = decide::<Grant>(&target, asking, &[]).unwrap_err();
        assert_eq!(
            denial.to_string(),
            "egress rule `grant`: `https://api.example.com` is not granted to this plugin"
        );
        assert_eq!(
            denial.remedy(),
            Some("host grant add demo --origin https://api.example.com")
        );
        assert!(!format!("{denial:?}").contains("host grant"));
    }
}
