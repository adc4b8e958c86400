//! Origins and patterns of origins: `https://api.example.com`, `https://*.example.com:8443`.
//!
//! In: text from a manifest, a grant or a credential. Out: a pattern that an origin can be matched
//! against. Never: the URL of a request; that is [`super::target`]'s, which is stricter.
//!
//! A pattern is `scheme://host[:port]`. Without a scheme it is `https`; without a port it is the
//! scheme's own. `*.` in front of a host stands for one or more labels and not for the bare
//! domain; what follows it must be a registrable name, so neither `*`, nor `*.com`, nor `*.co.uk`.

use std::fmt;
use std::net::IpAddr;

use url::Host;

/// How to speak to a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// With TLS.
    Https,
    /// In the clear; only where an admin wrote it.
    Http,
}

impl Scheme {
    /// The scheme as it stands in a URL.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Https => "https",
            Self::Http => "http",
        }
    }

    /// The port that is meant when none is written.
    pub fn default_port(self) -> u16 {
        match self {
            Self::Https => 443,
            Self::Http => 80,
        }
    }
}

/// Scheme, host and port.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Origin {
    /// How to speak.
    pub scheme: Scheme,
    /// To whom: a lower-case name or an address.
    pub host: Host<String>,
    /// At which port; the scheme's own when none was written.
    pub port: u16,
}

impl Origin {
    /// The address, where the host is one and not a name.
    pub fn address(&self) -> Option<IpAddr> {
        match self.host {
            Host::Domain(_) => None,
            Host::Ipv4(v4) => Some(v4.into()),
            Host::Ipv6(v6) => Some(v6.into()),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme.as_str(), self.host)?;
        if self.port != self.scheme.default_port() {
            write!(f, ":{}", self.port)?;
        }
        Ok(())
    }
}

/// Which origins are meant.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct OriginPattern {
    scheme: Scheme,
    host: HostPattern,
    port: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum HostPattern {
    Exact(Host<String>),
    /// Names that end in this, which starts with a dot.
    Below(String),
}

/// Why a text is not a pattern. The texts are for whoever wrote it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// Another scheme than the two.
    #[error("`{0}`: an origin starts with `https://` or, where it must be, `http://`")]
    Scheme(String),
    /// A path, a query, a fragment or a user name.
    #[error("`{0}`: an origin is scheme, host and port alone, as in `https://api.example.com:8443`")]
    NotBare(String),
    /// The host is not one.
    #[error("`{0}`: the host is not a name or an address in canonical form")]
    Host(String),
    /// The port is not one.
    #[error("`{0}`: the port is not a number from 1 to 65535")]
    Port(String),
    /// A wildcard that stands for too much, or not in front.
    #[error("`{0}`: `*.` may stand only in front of a registrable name, as in `https://*.example.com`")]
    Wildcard(String),
}

impl OriginPattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        let (scheme, rest) = match text.split_once("://") {
            Some(("https", rest)) => (Scheme::Https, rest),
            Some(("http", rest)) => (Scheme::Http, rest),
            Some(_) => return Err(PatternError::Scheme(text.to_owned())),
            None => (Scheme::Https, text),
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        if rest.is_empty() || rest.contains(['/', '?', '#', '@', '\\']) {
            return Err(PatternError::NotBare(text.to_owned()));
        }
        let (host, port) = split_port(rest).ok_or_else(|| PatternError::Port(text.to_owned()))?;
        let port = match port {
            None => scheme.default_port(),
            Some(port) => parse_port(port).ok_or_else(|| PatternError::Port(text.to_owned()))?,
        };
        let host = match host.strip_prefix("*.") {
            Some(suffix) => below(suffix).ok_or_else(|| PatternError::Wildcard(text.to_owned()))?,
            None if host.contains('*') => return Err(PatternError::Wildcard(text.to_owned())),
            None => HostPattern::Exact(canonical_host(host).ok_or_else(|| PatternError::Host(text.to_owned()))?),
        };
        Ok(Self { scheme, host, port })
    }

    /// Whether an origin is meant.
    pub fn matches(&self, origin: &Origin) -> bool {
        if self.scheme != origin.scheme || self.port != origin.port {
            return false;
        }
        match (&self.host, &origin.host) {
            (HostPattern::Exact(host), other) => host == other,
            (HostPattern::Below(suffix), Host::Domain(name)) => {
                name.len() > suffix.len() && name.ends_with(suffix.as_str()) && !name.starts_with('.')
            }
            (HostPattern::Below(_), _) => false,
        }
    }
}

impl fmt::Display for OriginPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://", self.scheme.as_str())?;
        match &self.host {
            HostPattern::Exact(host) => write!(f, "{host}")?,
            HostPattern::Below(suffix) => write!(f, "*{suffix}")?,
        }
        if self.port != self.scheme.default_port() {
            write!(f, ":{}", self.port)?;
        }
        Ok(())
    }
}

/// Whether any pattern means the origin.
pub fn any_matches(patterns: &[OriginPattern], origin: &Origin) -> bool {
    patterns.iter().any(|pattern| pattern.matches(origin))
}

/// Splits `host[:port]`; the host may be an IPv6 address in brackets. `None` when what follows the
/// host is not a port at all.
pub(super) fn split_port(authority: &str) -> Option<(&str, Option<&str>)> {
    let after_address = if authority.starts_with('[') {
        authority.find(']')? + 1
    } else {
        authority.find(':').unwrap_or(authority.len())
    };
    let (host, rest) = authority.split_at_checked(after_address)?;
    match rest {
        "" => Some((host, None)),
        _ => rest.strip_prefix(':').map(|port| (host, Some(port))),
    }
}

/// A port as it is written canonically: no sign, no leading zero, not 0.
pub(super) fn parse_port(text: &str) -> Option<u16> {
    if text.starts_with('0') || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

/// A host that is spelt as a URL parser would spell it, apart from letter case. This refuses
/// `0x7f.1`, `2130706433`, `127.1`, `[::ffff:127.0.0.1]`, percent-encoding, names that are not
/// ASCII, and a dot at the end.
pub(super) fn canonical_host(text: &str) -> Option<Host<String>> {
    let lower = text.to_ascii_lowercase();
    let host = Host::parse(&lower).ok()?;
    let canonical = match &host {
        Host::Domain(name) => name == &lower && !name.ends_with('.') && !name.starts_with('.') && !name.contains(".."),
        Host::Ipv4(_) => host.to_string() == lower,
        Host::Ipv6(v6) => host.to_string() == lower && v6.to_ipv4_mapped().is_none(),
    };
    canonical.then_some(host)
}

/// Second-level names under which a country's registry hands out names to anyone.
const REGISTRY_LABELS: [&str; 15] = [
    "ac", "co", "com", "edu", "go", "gob", "gouv", "gov", "mil", "ne", "net", "nom", "or", "org", "sch",
];

fn below(suffix: &str) -> Option<HostPattern> {
    if suffix.contains('*') {
        return None;
    }
    let Host::Domain(name) = canonical_host(suffix)? else {
        return None;
    };
    let labels: Vec<&str> = name.split('.').collect();
    let registrable = match labels.as_slice() {
        [] | [_] => false,
        [second, top] => !(top.len() == 2 && REGISTRY_LABELS.contains(second)),
        _ => true,
    };
    registrable.then(|| HostPattern::Below(format!(".{name}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(text: &str) -> Origin {
        let url = url::Url::parse(text).unwrap();
        Origin {
            scheme: if url.scheme() == "https" {
                Scheme::Https
            } else {
                Scheme::Http
            },
            host: url.host().unwrap().to_owned(),
            port: url.port_or_known_default().unwrap(),
        }
    }

    #[test]
    fn patterns_mean_what_they_say() {
        for (pattern, text, expected) in [
            ("https://api.example.com", "https://api.example.com/v1", true),
            ("api.example.com", "https://api.example.com", true),
            ("https://API.Example.com/", "https://api.example.com", true),
            ("https://api.example.com:443", "https://api.example.com", true),
            ("https://api.example.com", "https://api.example.com:443", true),
            ("https://api.example.com", "https://api.example.com:8443", false),
            ("https://api.example.com:8443", "https://api.example.com", false),
            ("https://api.example.com", "http://api.example.com", false),
            ("http://api.example.com", "https://api.example.com", false),
            ("http://127.0.0.1:11434", "http://127.0.0.1:11434", true),
            ("http://[::1]:11434", "http://[::1]:11434", true),
            ("https://api.example.com", "https://api.example.com.evil.net", false),
            ("https://api.example.com", "https://xapi.example.com", false),
            ("https://*.example.com", "https://a.example.com", true),
            ("https://*.example.com", "https://a.b.example.com", true),
            ("https://*.example.com", "https://example.com", false),
            ("https://*.example.com", "https://badexample.com", false),
            ("https://*.example.com", "https://a.example.com:8443", false),
            ("https://*.example.com:8443", "https://a.example.com:8443", true),
            ("https://*.example.co.uk", "https://a.example.co.uk", true),
            ("https://*.x.ai", "https://api.x.ai", true),
        ] {
            let parsed = OriginPattern::parse(pattern).unwrap();
            assert_eq!(parsed.matches(&origin(text)), expected, "{pattern} against {text}");
        }
    }

    #[test]
    fn what_is_not_a_pattern_says_why() {
        use PatternError as E;
        type Case = (&'static str, fn(String) -> E);
        let table: &[Case] = &[
            ("ftp://example.com", E::Scheme),
            ("HTTPS://example.com", E::Scheme),
            ("https://example.com/v1", E::NotBare),
            ("https://example.com?x", E::NotBare),
            ("https://user@example.com", E::NotBare),
            ("https://", E::NotBare),
            ("", E::NotBare),
            ("https://example.com:0", E::Port),
            ("https://example.com:", E::Port),
            ("https://example.com:+1", E::Port),
            ("https://example.com:080", E::Port),
            ("https://example.com:65536", E::Port),
            ("https://[::1", E::Port),
            ("https://0x7f.1", E::Host),
            ("https://2130706433", E::Host),
            ("https://127.1", E::Host),
            ("https://[::ffff:127.0.0.1]", E::Host),
            ("https://example.com.", E::Host),
            ("https://ex%61mple.com", E::Host),
            ("https://bücher.example", E::Host),
            ("*", E::Wildcard),
            ("https://*", E::Wildcard),
            ("https://*.com", E::Wildcard),
            ("https://*.co.uk", E::Wildcard),
            ("https://*.*.example.com", E::Wildcard),
            ("https://api.*.example.com", E::Wildcard),
            ("https://a*.example.com", E::Wildcard),
            ("https://*.127.0.0.1", E::Wildcard),
        ];
        for (text, error) in table {
            assert_eq!(OriginPattern::parse(text), Err(error((*text).to_owned())), "{text}");
        }
    }

    #[test]
    fn a_pattern_prints_as_it_is_read() {
        for text in [
            "https://api.example.com",
            "https://*.example.com:8443",
            "http://127.0.0.1:11434",
            "http://[::1]",
        ] {
            assert_eq!(OriginPattern::parse(text).unwrap().to_string(), text);
        }
    }
}
