//! What can go wrong with one upstream call, whose fault it is, and whether to try again.
//!
//! In: failures of the egress layers and of the HTTP client. Out: one [`EgressError`]. Its
//! `Display` is what the plugin may read: it names the rule or the phase. What only the admin
//! should read (which command would allow it) is [`Denial::remedy`]. Never: a secret, a header's
//! value, the query of an address, or the list of what is granted.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::error::Fault;

use super::address::AddressKind;

/// Why there is no (complete) answer. The cases are those of `http-error` in the ABI.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EgressError {
    /// The host's policy forbids it.
    #[error("{0}")]
    Denied(Denial),
    /// The credential could not be attached.
    #[error("{0}")]
    Credential(CredentialFailure),
    /// The name could not be resolved.
    #[error("the name `{host}` could not be resolved")]
    Dns {
        /// The name that was looked up.
        host: String,
    },
    /// No connection.
    #[error("no connection to `{host}`: {reason}")]
    Connect {
        /// The host that was dialled.
        host: String,
        /// What the operating system said.
        reason: String,
    },
    /// No secure connection.
    #[error("no secure connection to `{host}`: {reason}")]
    Tls {
        /// The host that was dialled.
        host: String,
        /// What the TLS library said.
        reason: String,
    },
    /// A time limit passed.
    #[error("{phase} took longer than {} ms", limit.as_millis())]
    Timeout {
        /// Which one.
        phase: TimeoutPhase,
        /// How long it is.
        limit: Duration,
    },
    /// The answer was not HTTP, or broke off.
    #[error("the answer is not usable: {reason}")]
    Protocol {
        /// What was wrong.
        reason: String,
        /// Whether some of the answer had already arrived.
        started: bool,
    },
    /// The answer is larger than this plugin may receive.
    #[error("the answer is larger than {limit} bytes")]
    TooLarge {
        /// The limit in bytes.
        limit: u64,
    },
    /// The call was cancelled.
    #[error("the call was cancelled")]
    Cancelled,
    /// Anything else; the host's fault.
    #[error("{0}")]
    Other(String),
}

/// The phases of an exchange that have a time limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeoutPhase {
    /// From the first look-up of the name to a secure connection.
    Connect,
    /// From sending to the head of the answer, the connection included.
    FirstByte,
    /// Between two pieces of the answer's body.
    Idle,
    /// The whole exchange.
    Total,
}

impl fmt::Display for TimeoutPhase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => "the connection",
            Self::FirstByte => "the first byte of the answer",
            Self::Idle => "the next piece of the answer",
            Self::Total => "the whole exchange",
        })
    }
}

/// A refusal by policy. `Display` is for the plugin and names only the rule.
#[derive(Clone, PartialEq, Eq)]
pub struct Denial {
    rule: Rule,
    remedy: Option<Arc<str>>,
}

impl Denial {
    /// A refusal that no grant would lift.
    pub(crate) fn new(rule: Rule) -> Self {
        Self { rule, remedy: None }
    }

    /// A refusal and the command with which an admin would allow it.
    pub(crate) fn with_remedy(rule: Rule, remedy: impl Into<Arc<str>>) -> Self {
        Self {
            rule,
            remedy: Some(remedy.into()),
        }
    }

    /// The rule that was broken.
    pub fn rule(&self) -> &Rule {
        &self.rule
    }

    /// The exact command that would allow it, for the admin's log; never for the plugin, because
    /// it names credentials and origins.
    pub fn remedy(&self) -> Option<&str> {
        self.remedy.as_deref()
    }
}

impl fmt::Display for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.rule)
    }
}

impl fmt::Debug for Denial {
    // Without the remedy: a `Debug` of an error easily ends up where the plugin can read it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Denial").field(&self.rule).finish()
    }
}

/// The rules of egress. `Display` is a sentence for the plugin's author.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rule {
    /// The address is not an absolute URL in canonical form.
    #[error("egress rule `url`: {0}")]
    Url(UrlFault),
    /// The method is not one that may be sent.
    #[error("egress rule `method`: `{0}` is not a method that may be sent")]
    Method(String),
    /// The plugin's manifest does not name the origin.
    #[error("egress rule `manifest`: the plugin's manifest does not ask for `{origin}`")]
    NotRequested {
        /// Scheme, host and port that were asked for.
        origin: String,
    },
    /// No grant gives the plugin a credential for the slot.
    #[error("egress rule `grant`: slot `{slot}` is not granted to this plugin")]
    SlotNotGranted {
        /// The slot that was used.
        slot: String,
    },
    /// No grant covers the origin.
    #[error("egress rule `grant`: `{origin}` is not granted to this plugin")]
    NotGranted {
        /// Scheme, host and port that were asked for.
        origin: String,
    },
    /// The grant has expired.
    #[error("egress rule `grant`: the grant has expired")]
    GrantExpired,
    /// The plugin's bytes are not those the grant was given to.
    #[error("egress rule `grant`: the plugin has changed since the grant was given")]
    GrantVoided,
    /// The credential is not for this host.
    #[error("egress rule `credential-host`: the credential of slot `{slot}` may not go to `{origin}`")]
    CredentialHost {
        /// The slot that was used.
        slot: String,
        /// Scheme, host and port that were asked for.
        origin: String,
    },
    /// The grant covers the origin but not the method.
    #[error("egress rule `grant-method`: `{0}` is not granted for this origin")]
    MethodNotGranted(String),
    /// The grant covers the origin but not the path.
    #[error("egress rule `grant-path`: the path is not granted for this origin")]
    PathNotGranted,
    /// The grant's rate is used up.
    #[error("egress rule `rate`: more than {per_minute} requests in a minute")]
    Rate {
        /// The rate of the grant.
        per_minute: u32,
    },
    /// The name leads to an address that may not be dialled.
    #[error("egress rule `address`: the name leads to {0}, which is not allowed for this origin")]
    Address(AddressKind),
    /// The plugin set a header that is not its to set, or not a header.
    #[error("egress rule `header`: {0}")]
    Header(HeaderFault),
    /// The plugin set a query parameter that the host sets.
    #[error("egress rule `query`: `{0}` is the host's to set")]
    Query(String),
    /// The request holds a secret.
    #[error("egress rule `leak`: the request's {0} holds a credential's secret")]
    LeakOut(&'static str),
    /// The answer holds a secret.
    #[error("egress rule `leak`: the answer's {0} repeats a credential's secret")]
    LeakIn(&'static str),
}

/// What is wrong with an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UrlFault {
    /// Not an absolute `http` or `https` URL at all.
    #[error("not an absolute `https` address")]
    NotAbsolute,
    /// Longer than [`super::target::MAX_URL`] bytes.
    #[error("the address is too long")]
    TooLong,
    /// A control character, a blank, a backslash or a byte that is not ASCII.
    #[error("characters that must be percent-encoded")]
    Characters,
    /// A user name or a password.
    #[error("a user name or password")]
    UserInfo,
    /// A `#`.
    #[error("a fragment")]
    Fragment,
    /// A host that is not spelt in its canonical form, e.g. `0x7f.1` or `[::ffff:127.0.0.1]`.
    #[error("a host that is not in canonical form")]
    Host,
    /// A port that is not spelt in its canonical form.
    #[error("a port that is not in canonical form")]
    Port,
    /// Dot segments in any encoding, empty segments, encoded dots, backslashes, control characters or bytes that
    /// are not UTF-8.
    #[error("a path that is not in canonical form")]
    Path,
}

/// What is wrong with a header.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HeaderFault {
    /// Not a header name.
    #[error("a header's name is not valid")]
    Name,
    /// Not a header value.
    #[error("the value of `{0}` is not valid")]
    Value(String),
    /// The host sets it.
    #[error("`{0}` is the host's to set")]
    Owned(String),
    /// With a credential, the host sets it; a request without one that a slot's grant lets through has none
    /// of its own either.
    #[error("`{0}` is the host's to set where a credential is granted")]
    Authentication(String),
    /// More or longer headers than the host sends.
    #[error("too many or too long headers")]
    TooLarge,
}

/// Why a credential could not be attached.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CredentialFailure {
    /// The credential is no longer in the vault.
    #[error("the credential of slot `{slot}` is not in the vault")]
    NotConfigured {
        /// The slot that was used.
        slot: String,
    },
    /// The way of attaching is not one the host has, or does not fit the credential.
    #[error("the credential of slot `{slot}` cannot be attached: {reason}")]
    Attach {
        /// The slot that was used.
        slot: String,
        /// What does not fit.
        reason: String,
    },
    /// The service that gives out tokens failed.
    #[error("no token for slot `{slot}`: {reason}")]
    Token {
        /// The slot that was used.
        slot: String,
        /// What happened.
        reason: String,
        /// Whether a later attempt may succeed.
        retryable: bool,
    },
}

impl EgressError {
    /// Whose fault it is.
    pub fn fault(&self) -> Fault {
        match self {
            Self::Denied(denial) => match denial.rule {
                Rule::NotGranted { .. }
                | Rule::SlotNotGranted { .. }
                | Rule::GrantExpired
                | Rule::GrantVoided
                | Rule::CredentialHost { .. }
                | Rule::MethodNotGranted(_)
                | Rule::PathNotGranted
                | Rule::Rate { .. }
                | Rule::Address(_) => Fault::Host,
                Rule::LeakIn(_) => Fault::Provider,
                _ => Fault::Plugin,
            },
            Self::Credential(_) | Self::Other(_) => Fault::Host,
            Self::TooLarge { .. } => Fault::Plugin,
            Self::Cancelled => Fault::Client,
            Self::Dns { .. }
            | Self::Connect { .. }
            | Self::Tls { .. }
            | Self::Timeout { .. }
            | Self::Protocol { .. } => Fault::Provider,
        }
    }

    /// Whether the same request may succeed later.
    pub fn retryable(&self) -> bool {
        match self {
            Self::Denied(denial) => matches!(denial.rule, Rule::Rate { .. }),
            Self::Credential(CredentialFailure::Token { retryable, .. }) => *retryable,
            Self::Dns { .. } | Self::Connect { .. } | Self::Timeout { .. } => true,
            Self::Protocol { started, .. } => !started,
            Self::Credential(_) | Self::Tls { .. } | Self::TooLarge { .. } | Self::Cancelled | Self::Other(_) => false,
        }
    }

    /// A stable word for programs, metrics and the audit log.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Denied(_) => "denied",
            Self::Credential(_) => "credential",
            Self::Dns { .. } => "dns",
            Self::Connect { .. } => "connect",
            Self::Tls { .. } => "tls",
            Self::Timeout { .. } => "timeout",
            Self::Protocol { .. } => "protocol",
            Self::TooLarge { .. } => "too_large",
            Self::Cancelled => "cancelled",
            Self::Other(_) => "other",
        }
    }
}

impl From<Denial> for EgressError {
    fn from(denial: Denial) -> Self {
        Self::Denied(denial)
    }
}

impl From<Rule> for EgressError {
    fn from(rule: Rule) -> Self {
        Self::Denied(Denial::new(rule))
    }
}

impl From<CredentialFailure> for EgressError {
    fn from(failure: CredentialFailure) -> Self {
        Self::Credential(failure)
    }
}
