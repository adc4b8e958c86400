//! What a vault holds: entries (credentials) and grants, without the secrets.
//!
//! In: what an admin decided. Out: the same, checked for form. Never holds a secret; those are in sealed records. Whether
//! a kind, a host pattern or a manifest makes sense is for the host to judge, since it knows providers and plugins.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::error::VaultError;
use crate::hex;
use crate::secret::Secrets;

/// The most bytes a name, an id or a kind may have.
pub const MAX_NAME_LEN: usize = 128;
/// The most bytes a single attribute, pattern or glob may have.
pub const MAX_TEXT_LEN: usize = 16 * 1024;

/// A credential, without its secrets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Unique in the vault, such as `openai/team-a`.
    pub name: String,
    /// What sort of credential it is, such as `api-key`; the host knows the kinds.
    pub kind: String,
    /// The names of its secret fields, in order.
    pub fields: Vec<String>,
    /// What belongs to it and is not secret, such as a region or an account id.
    pub attributes: BTreeMap<String, String>,
    /// Where it may be sent: origin patterns such as `https://api.openai.com` or `https://*.openai.azure.com`.
    pub hosts: Vec<String>,
    /// When it was first set.
    #[serde(with = "time::serde::rfc3339")]
    pub created: OffsetDateTime,
    /// When its secrets were last replaced.
    #[serde(with = "time::serde::rfc3339::option")]
    pub rotated: Option<OffsetDateTime>,
}

impl Entry {
    /// Whether an entry may have this name, for those who want to know before they ask for its secret.
    ///
    /// # Errors
    /// [`VaultError::Invalid`], with the rule that the name breaks.
    pub fn check_name(name: &str) -> Result<(), VaultError> {
        check_name("the entry's name", name)
    }
}

/// A credential to be set, secrets included.
#[derive(Clone, Debug, Default)]
pub struct NewEntry {
    /// See [`Entry::kind`].
    pub kind: String,
    /// The secret fields. May be empty: a cloud profile, for example, is only named.
    pub secrets: Secrets,
    /// See [`Entry::attributes`].
    pub attributes: BTreeMap<String, String>,
    /// See [`Entry::hosts`].
    pub hosts: Vec<String>,
}

impl NewEntry {
    pub(crate) fn check(&self) -> Result<(), VaultError> {
        check_name("the entry's kind", &self.kind)?;
        check_attributes(&self.attributes)?;
        check_texts("a host pattern", &self.hosts)
    }
}

/// What a grant is pinned to: these very bytes, or whoever holds a signing key.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Pin {
    /// SHA-256 of the component's file.
    #[serde(with = "hex::fixed")]
    Digest([u8; 32]),
    /// The Ed25519 public key of the component's signer.
    #[serde(with = "hex::fixed")]
    Signer([u8; 32]),
}

impl fmt::Display for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Digest(digest) => write!(f, "sha256:{}", hex::encode(digest)),
            Self::Signer(key) => write!(f, "ed25519:{}", hex::encode(key)),
        }
    }
}

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Pin {
    type Err = VaultError;

    /// Reads what `Display` writes: `sha256:` or `ed25519:` and 64 lowercase hexadecimal digits.
    fn from_str(text: &str) -> Result<Self, VaultError> {
        let pin = match text.split_once(':') {
            Some(("sha256", digits)) => hex::decode(digits).map(Self::Digest),
            Some(("ed25519", digits)) => hex::decode(digits).map(Self::Signer),
            _ => None,
        };
        let why = "it has to be `sha256:` or `ed25519:` followed by 64 lowercase hexadecimal digits";
        pin.ok_or(VaultError::Invalid { what: "the pin", why })
    }
}

/// What a plugin may do: use a credential, or only reach some origins.
///
/// Without `slot` and `credential` it is an egress-only grant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grant {
    /// Unique in the vault. Left empty, [`crate::Draft::add_grant`] makes one up.
    pub id: String,
    /// The plugin's id, as its manifest gives it.
    pub plugin: String,
    /// Only for this configured provider; `None` is for all that use the plugin.
    pub provider: Option<String>,
    /// Which bytes, or whose, the grant is for.
    pub pin: Pin,
    /// The plugin's credential slot.
    pub slot: Option<String>,
    /// The entry that goes into the slot.
    pub credential: Option<String>,
    /// Where requests may go: origin patterns, as in [`Entry::hosts`].
    pub origins: Vec<String>,
    /// Origins that may resolve to loopback or private addresses, or use plain http.
    pub private_origins: Vec<String>,
    /// HTTP methods; none listed means all.
    pub methods: Vec<String>,
    /// Path globs; none listed means all.
    pub paths: Vec<String>,
    /// How the credential is attached, as JSON text; overrides what the plugin wishes.
    pub attach: Option<String>,
    /// Requests a minute, at most.
    pub rate_per_minute: Option<u32>,
    /// From when on it is void.
    #[serde(with = "time::serde::rfc3339::option")]
    pub expires: Option<OffsetDateTime>,
    /// When it was given.
    #[serde(with = "time::serde::rfc3339")]
    pub created: OffsetDateTime,
    /// What the plugin asked for when this was approved, as JSON text; later requests are compared with it.
    pub approved_manifest: String,
}

impl Grant {
    /// A grant that allows nothing yet, with a made-up id when it is added and `{}` as its manifest.
    pub fn new(plugin: impl Into<String>, pin: Pin, created: OffsetDateTime) -> Self {
        Self {
            id: String::new(),
            plugin: plugin.into(),
            provider: None,
            pin,
            slot: None,
            credential: None,
            origins: Vec::new(),
            private_origins: Vec::new(),
            methods: Vec::new(),
            paths: Vec::new(),
            attach: None,
            rate_per_minute: None,
            expires: None,
            created,
            approved_manifest: "{}".to_owned(),
        }
    }

    /// The grant with its times in UTC, if it is acceptable.
    pub(crate) fn checked(mut self) -> Result<Self, VaultError> {
        check_name("the grant's id", &self.id)?;
        check_name("the grant's plugin", &self.plugin)?;
        for (what, name) in [
            ("the grant's provider", &self.provider),
            ("the grant's slot", &self.slot),
        ] {
            name.iter().try_for_each(|name| check_name(what, name))?;
        }
        if self.slot.is_some() != self.credential.is_some() {
            let why = "a slot and a credential go together; an egress-only grant has neither";
            return Err(VaultError::Invalid { what: "the grant", why });
        }
        check_texts("an origin", &self.origins)?;
        check_texts("a private origin", &self.private_origins)?;
        check_texts("a method", &self.methods)?;
        check_texts("a path", &self.paths)?;
        check_json("the way of attaching", self.attach.as_deref())?;
        check_json("the approved manifest", Some(&self.approved_manifest))?;
        self.created = in_utc(self.created)?;
        self.expires = self.expires.map(in_utc).transpose()?;
        Ok(self)
    }
}

/// A time as it is stored: in UTC, with a year of four digits, as RFC 3339 demands.
pub(crate) fn in_utc(time: OffsetDateTime) -> Result<OffsetDateTime, VaultError> {
    let utc = time
        .checked_to_offset(time::UtcOffset::UTC)
        .filter(|time| (0..=9999).contains(&time.year()));
    utc.ok_or(VaultError::Invalid {
        what: "a time",
        why: "its year is not within 0 to 9999",
    })
}

/// Letters, digits and `- _ . / @ + :`, not starting with `-` (which a command line would take for an option).
pub(crate) fn check_name(what: &'static str, name: &str) -> Result<(), VaultError> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-_./@+:".contains(c);
    let why = if name.is_empty() {
        "it is empty"
    } else if name.len() > MAX_NAME_LEN {
        "it is longer than 128 bytes"
    } else if name.starts_with('-') {
        "it starts with `-`"
    } else if !name.chars().all(allowed) {
        "it may have letters, digits and - _ . / @ + : only"
    } else {
        return Ok(());
    };
    Err(VaultError::Invalid { what, why })
}

pub(crate) fn check_attributes(attributes: &BTreeMap<String, String>) -> Result<(), VaultError> {
    for (name, value) in attributes {
        check_name("an attribute's name", name)?;
        if value.len() > MAX_TEXT_LEN {
            return Err(VaultError::TooLarge {
                what: "an attribute",
                limit: MAX_TEXT_LEN as u64,
            });
        }
    }
    Ok(())
}

pub(crate) fn check_texts(what: &'static str, texts: &[String]) -> Result<(), VaultError> {
    for text in texts {
        if text.is_empty() || text.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err(VaultError::Invalid {
                what,
                why: "it is empty, or has spaces or control characters",
            });
        }
        if text.len() > MAX_TEXT_LEN {
            return Err(VaultError::TooLarge {
                what,
                limit: MAX_TEXT_LEN as u64,
            });
        }
    }
    Ok(())
}

fn check_json(what: &'static str, text: Option<&str>) -> Result<(), VaultError> {
    let Some(text) = text else { return Ok(()) };
    match serde_json::from_str::<serde::de::IgnoredAny>(text) {
        Ok(_) => Ok(()),
        Err(_) => Err(VaultError::Invalid {
            what,
            why: "it is not JSON",
        }),
    }
}
