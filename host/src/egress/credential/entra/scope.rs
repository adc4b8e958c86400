//! Scopes: what an Entra token is for.
//!
//! In: the text of a rule or a wish. Out: a [`Scope`], and whether a plugin may ask for it by
//! itself. Never: more than one resource; a token is for one.

use std::fmt;
use std::sync::Arc;

/// What a scope of an application's own permissions ends with (Microsoft identity platform, "client
/// credentials flow": the only form that flow takes).
const DEFAULT: &str = "/.default";
const MAX_LEN: usize = 512;

/// The scopes that a plugin may wish for: the data planes of Azure's AI services, in the public cloud
/// and the sovereign ones. Everything else, such as the management of subscriptions, needs an
/// admin's rule, because one identity often may do more than call models.
const WISHES: [&str; 5] = [
    "https://cognitiveservices.azure.com/.default",
    "https://ai.azure.com/.default",
    "https://cognitiveservices.azure.us/.default",
    "https://ai.azure.us/.default",
    "https://cognitiveservices.azure.cn/.default",
];

/// What a token is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope(Arc<str>);

impl Scope {
    /// Reads a scope; `None` when it is not one for an application.
    pub(in crate::egress::credential) fn parse(text: &str) -> Option<Self> {
        let resource = text.strip_suffix(DEFAULT)?;
        let plain = resource
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && !b"\"'\\<>".contains(&byte));
        (plain && !resource.is_empty() && text.len() <= MAX_LEN).then(|| Self(text.into()))
    }

    /// Whether a plugin may wish for it.
    pub(in crate::egress::credential) fn may_be_wished(&self) -> bool {
        WISHES.contains(&&*self.0)
    }

    /// As it is sent to Entra.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// The resource it is of, as metadata services want it.
    pub(super) fn resource(&self) -> &str {
        self.0.strip_suffix(DEFAULT).unwrap_or(&self.0)
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_of_one_resource_and_few_may_be_wished_for() {
        for (text, expected) in [
            ("https://cognitiveservices.azure.com/.default", Some(true)),
            ("https://cognitiveservices.azure.us/.default", Some(true)),
            ("https://ai.azure.com/.default", Some(true)),
            ("https://management.azure.com/.default", Some(false)),
            ("https://vault.azure.net/.default", Some(false)),
            ("https://cognitiveservices.azure.com.evil.example/.default", Some(false)),
            ("api://0000-1111/.default", Some(false)),
            ("https://cognitiveservices.azure.com/user_impersonation", None),
            ("https://cognitiveservices.azure.com", None),
            ("/.default", None),
            ("a b/.default", None),
            ("a\n/.default", None),
            ("", None),
        ] {
            let scope = Scope::parse(text);
            assert_eq!(scope.as_ref().map(Scope::may_be_wished), expected, "{text:?}");
        }
        let scope = Scope::parse("https://ai.azure.com/.default").unwrap();
        assert_eq!(scope.resource(), "https://ai.azure.com");
    }
}
