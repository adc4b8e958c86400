//! The forms in which a secret may appear.
//!
//! In: a secret. Out: itself, and the encodings that servers use when they repeat what they were
//! sent: JSON, percent, Base64 at each of its three positions, hexadecimal. Never: forms so short
//! that they would be found by chance.

use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use zeroize::Zeroizing;

use super::SHORTEST;

/// Every form that is long enough, each once.
pub(super) fn of(secret: &[u8]) -> Vec<Zeroizing<Vec<u8>>> {
    let mut forms: Vec<Zeroizing<Vec<u8>>> = Vec::with_capacity(16);
    let mut add = |form: Zeroizing<Vec<u8>>| {
        if form.len() >= SHORTEST && !forms.contains(&form) {
            forms.push(form);
        }
    };
    add(Zeroizing::new(secret.to_vec()));
    for style in [Json::Plain, Json::Php, Json::Go, Json::DotNet] {
        add(json(secret, style));
    }
    for digits in [b"0123456789ABCDEF", b"0123456789abcdef"] {
        add(percent(secret, digits, false));
        add(percent(secret, digits, true));
        add(hexadecimal(secret, digits));
    }
    for offset in 0..3 {
        for engine in [&STANDARD_NO_PAD, &URL_SAFE_NO_PAD] {
            add(base64_inside(secret, offset, engine));
        }
    }
    forms
}

/// How encoders write a JSON string (RFC 8259, section 7).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Json {
    /// With no more escapes than it needs.
    Plain,
    /// The slash too.
    Php,
    /// `<`, `>` and `&` too, as `\u003c`.
    Go,
    /// These, quotes, the plus and the backtick, as `\u002B`.
    DotNet,
}

impl Json {
    /// The digits with which a byte is escaped as `\u00…`; `None` for one that is not.
    fn escapes(self, byte: u8) -> Option<&'static [u8; 16]> {
        match self {
            Self::Plain | Self::Php => None,
            Self::Go => b"<>&".contains(&byte).then_some(b"0123456789abcdef"),
            Self::DotNet => b"<>&\"'+`".contains(&byte).then_some(b"0123456789ABCDEF"),
        }
    }
}

fn json(secret: &[u8], style: Json) -> Zeroizing<Vec<u8>> {
    let mut form = Zeroizing::new(Vec::with_capacity(secret.len() * 6));
    for &byte in secret {
        if let Some(digits) = style.escapes(byte) {
            form.extend_from_slice(b"\\u00");
            push_hex(&mut form, byte, digits);
            continue;
        }
        match byte {
            b'"' => form.extend_from_slice(b"\\\""),
            b'\\' => form.extend_from_slice(b"\\\\"),
            b'/' if style == Json::Php => form.extend_from_slice(b"\\/"),
            b'\n' => form.extend_from_slice(b"\\n"),
            b'\r' => form.extend_from_slice(b"\\r"),
            b'\t' => form.extend_from_slice(b"\\t"),
            byte => form.push(byte),
        }
    }
    form
}

/// Percent-encoded (RFC 3986); with `plus`, a blank is a plus as in HTML forms.
fn percent(secret: &[u8], digits: &[u8; 16], plus: bool) -> Zeroizing<Vec<u8>> {
    let mut form = Zeroizing::new(Vec::with_capacity(secret.len() * 3));
    for &byte in secret {
        match byte {
            b'-' | b'.' | b'_' | b'~' => form.push(byte),
            byte if byte.is_ascii_alphanumeric() => form.push(byte),
            b' ' if plus => form.push(b'+'),
            byte => {
                form.push(b'%');
                push_hex(&mut form, byte, digits);
            }
        }
    }
    form
}

fn hexadecimal(secret: &[u8], digits: &[u8; 16]) -> Zeroizing<Vec<u8>> {
    let mut form = Zeroizing::new(Vec::with_capacity(secret.len() * 2));
    secret.iter().for_each(|&byte| push_hex(&mut form, byte, digits));
    form
}

fn push_hex(form: &mut Vec<u8>, byte: u8, digits: &[u8; 16]) {
    form.extend(digits.get(usize::from(byte >> 4)));
    form.extend(digits.get(usize::from(byte & 15)));
}

/// The characters of a Base64 text that depend on the secret alone, when the secret starts at a
/// byte position that leaves `offset` when divided by three. What stands before and after changes
/// the characters at either end, so those are left out.
fn base64_inside(secret: &[u8], offset: usize, engine: &impl base64::Engine) -> Zeroizing<Vec<u8>> {
    let mut padded = Zeroizing::new(vec![0; offset]);
    padded.extend_from_slice(secret);
    let mut form = Zeroizing::new(engine.encode(&*padded).into_bytes());
    // Each character holds six bits; one that holds a bit of what is unknown is not ours.
    let first = (offset * 8).div_ceil(6);
    let last = padded.len() * 8 / 6;
    form.truncate(last);
    form.drain(..first.min(last));
    form
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE};

    use super::*;

    fn found(secret: &str, text: &str) -> bool {
        of(secret.as_bytes()).iter().any(|form| {
            text.as_bytes()
                .windows(form.len())
                .any(|window| window == form.as_slice())
        })
    }

    #[test]
    fn a_secret_is_found_in_each_encoding() {
        let secret = "sk-\"quo\\te/plus+sp ace=\u{e9}-0123456789";
        let percent: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
        // The secret's own letters are small, so this changes only the digits of the encoding.
        let lower = percent.to_lowercase();
        let hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
        for text in [
            secret.to_owned(),
            serde_json::to_string(secret).unwrap(),
            serde_json::to_string(secret).unwrap().replace('/', "\\/"),
            percent.clone(),
            percent.replace('+', "%20"),
            lower,
            hex.clone(),
            hex.to_uppercase(),
        ] {
            assert!(found(secret, &text), "{text}");
        }
    }

    #[test]
    fn json_is_found_with_more_escapes_than_it_needs() {
        let secret = "a+b<c>d&e'f\"g/0123456789==";
        for text in [
            r#"{"key":"a+b\u003cc\u003ed\u0026e'f\"g/0123456789=="}"#,
            r#"{"key":"a\u002Bb\u003Cc\u003Ed\u0026e\u0027f\u0022g/0123456789=="}"#,
            r#"{"key":"a+b<c>d&e'f\"g\/0123456789=="}"#,
        ] {
            assert!(found(secret, text), "{text}");
        }
    }

    #[test]
    fn base64_is_found_wherever_the_secret_stands_in_it() {
        let secret = "sk-canary-0123456789abcdef\u{ff}\u{fe}>>>???";
        for before in 0..7 {
            for after in 0..7 {
                let text = format!("{}{secret}{}", "u".repeat(before), "v".repeat(after));
                for encoded in [STANDARD.encode(&text), URL_SAFE.encode(&text)] {
                    assert!(found(secret, &encoded), "{before} {after} {encoded}");
                }
            }
        }
    }

    #[test]
    fn what_is_not_the_secret_is_not_found() {
        let secret = "sk-canary-0123456789";
        for text in ["sk-canary-012345678", "sk-other-0123456789", "", "c2stY2FuYXJ5"] {
            assert!(!found(secret, text), "{text}");
        }
    }

    #[test]
    fn forms_are_not_repeated_and_not_short() {
        let forms = of(b"abcdefgh");
        for (index, form) in forms.iter().enumerate() {
            assert!(form.len() >= SHORTEST);
            assert!(!forms[..index].contains(form));
        }
    }
}
