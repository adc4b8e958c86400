//! As whom a request is signed, as far as what is attached says so itself.
//!
//! In: a request with its credential. Out: names and ids for the admin: the application and tenant of
//! a token, the end of the access key's id of a signature. Never: the token, the signature or a key;
//! and never a decision, since nobody has checked what a token says of itself.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use serde_json::Value;

/// Claims of tokens that name somebody, and what they are called for people: application, user or machine,
/// tenant, audience (RFC 7519; Microsoft identity platform, "access token claims").
const CLAIMS: [(&str, &str); 6] = [
    ("appid", "application"),
    ("azp", "application"),
    ("oid", "object"),
    ("email", "account"),
    ("tid", "tenant"),
    ("aud", "audience"),
];

/// How much of an access key's id is shown, in characters.
const KEY_END: usize = 4;

/// As whom; `None` when nothing says it.
pub(in crate::egress) fn who(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    match value.split_once(' ')? {
        ("Bearer", token) => of_token(token),
        ("AWS4-HMAC-SHA256", signature) => of_signature(signature),
        _ => None,
    }
}

/// `Credential=AKID/20260101/us-east-1/bedrock/aws4_request, SignedHeaders=…, Signature=…`
fn of_signature(signature: &str) -> Option<String> {
    let (_, scope) = signature.split_once("Credential=")?;
    let mut parts = scope.split(',').next()?.split('/');
    let (key, _date, region, service) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    // The id is in the vault beside the key; its end tells an admin which one it is.
    let shown = key.get(key.len().saturating_sub(KEY_END)..)?;
    Some(format!("access key …{shown}, region {region}, service {service}"))
}

fn of_token(token: &str) -> Option<String> {
    let claims = token.split('.').nth(1)?;
    let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).ok()?).ok()?;
    let mut said: Vec<String> = Vec::new();
    let mut named: Vec<&str> = Vec::new();
    for (claim, name) in CLAIMS {
        if let Some(value) = claims
            .get(claim)
            .and_then(Value::as_str)
            .filter(|_| !named.contains(&name))
        {
            let value: String = value.chars().filter(|c| !c.is_control()).take(200).collect();
            said.push(format!("{name} {value}"));
            named.push(name);
        }
    }
    (!said.is_empty()).then(|| said.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_signs_is_read_and_nothing_else() {
        let token = |claims: &str| format!("Bearer canary.{}.canary", URL_SAFE_NO_PAD.encode(claims));
        for (value, expected) in [
            (
                token(r#"{"aud":"https://cognitiveservices.azure.com","appid":"a","tid":"t","canary":"x"}"#),
                Some("application a, tenant t, audience https://cognitiveservices.azure.com"),
            ),
            (token(r#"{"aud":["a"]}"#), None),
            (token("canary"), None),
            ("Bearer sk-canary".to_owned(), None),
            ("Basic Y2FuYXJ5".to_owned(), None),
            (
                "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260101/us-east-1/bedrock/aws4_request, SignedHeaders=host, Signature=canary".to_owned(),
                Some("access key …MPLE, region us-east-1, service bedrock"),
            ),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(AUTHORIZATION, value.parse().unwrap());
            assert_eq!(who(&headers).as_deref(), expected, "{value}");
        }
        assert_eq!(who(&HeaderMap::new()), None);
    }
}
