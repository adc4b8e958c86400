//! What to do about a step that failed.
//!
//! In: the error of the part that failed. Out: one or two commands, or the setting to change. Never: a
//! secret, and never advice that names another cause than the error does.

use crate::egress::EgressError;
use crate::egress::credential::AcquireError;
use crate::egress::error::CredentialFailure;
use crate::llm::{Error, ErrorKind};
use crate::plugin::CallError;

/// Stands for a credential that is not known here.
const NAME: &str = "NAME";

/// What is wrong with a grant, and the command that sets it right.
pub(super) fn of_acquire(error: &AcquireError) -> (String, String) {
    match error {
        AcquireError::NotGranted { remedy, .. } => ("not granted, and the plugin needs it".to_owned(), remedy.clone()),
        AcquireError::NotConfigured { .. } => (
            "its credential is not in the vault".to_owned(),
            "host grant list; host vault set NAME".to_owned(),
        ),
        AcquireError::Expired { remedy, .. } => ("the grant has expired".to_owned(), remedy.clone()),
        AcquireError::Voided { remedy, .. } => (
            "the plugin's bytes have changed since it was granted".to_owned(),
            remedy.clone(),
        ),
    }
}

/// What to do about a request that does not get out.
pub(super) fn of_egress(error: &EgressError, provider: &str, credential: Option<&str>) -> String {
    let credential = credential.unwrap_or(NAME);
    match error {
        EgressError::Denied(denial) => denial.remedy().map_or_else(
            || format!("correct the settings of `providers.{provider}`; no grant allows this"),
            str::to_owned,
        ),
        EgressError::Credential(CredentialFailure::NotConfigured { .. }) => format!("host vault set {credential}"),
        EgressError::Credential(CredentialFailure::Attach { .. }) => {
            format!("host vault show {credential}; host grant list")
        }
        EgressError::Credential(CredentialFailure::Token { retryable: true, .. }) => {
            "try again in a while; the host does so by itself".to_owned()
        }
        // The reason says which kind of thing to do; here the credential has its name.
        EgressError::Credential(CredentialFailure::Token { reason, .. }) if reason.contains("host vault rotate") => {
            format!("host vault rotate {credential}")
        }
        EgressError::Credential(CredentialFailure::Token { reason, .. }) if reason.contains("attribute `") => {
            format!("host vault set {credential} --attribute NAME=VALUE")
        }
        EgressError::Credential(CredentialFailure::Token { .. }) => format!("host vault show {credential}"),
        EgressError::Dns { host } => format!(
            "correct the settings of `providers.{provider}` if {host} is not the right name; else this machine's DNS"
        ),
        EgressError::Connect { .. } | EgressError::Timeout { .. } => {
            "let this machine's firewall and network reach it; the host uses no proxy".to_owned()
        }
        EgressError::Tls { .. } => {
            "if the certificate is of an authority of your own, name it in `egress.extra_ca`".to_owned()
        }
        _ => format!("host doctor {provider} once more; the host's log says more"),
    }
}

/// What an adapter reported, in one line.
pub(super) fn told(error: &Error) -> String {
    let status = error.http_status.map(|status| format!(" (status {status})"));
    let message: String = error
        .message
        .lines()
        .next()
        .unwrap_or_default()
        .chars()
        .take(400)
        .collect();
    format!("{message}{}", status.unwrap_or_default())
}

/// What to do about a provider's refusal.
pub(super) fn of_provider(error: &Error, provider: &str, credential: Option<&str>) -> String {
    let credential = credential.unwrap_or(NAME);
    match error.kind {
        ErrorKind::Authentication => format!("host vault rotate {credential}"),
        ErrorKind::Permission => {
            format!(
                "give the identity behind {credential} the right at the provider, or put another one in its place: host vault rotate {credential}"
            )
        }
        ErrorKind::NotFound => {
            format!("host doctor {provider} --model NAME, with a model that the account has; host models")
        }
        ErrorKind::QuotaExhausted => "raise the account's quota or credit at the provider".to_owned(),
        ErrorKind::RateLimited | ErrorKind::Overloaded => "try again in a while".to_owned(),
        ErrorKind::Denied => "host grant list shows what is granted; the notes above name what is not".to_owned(),
        ErrorKind::Timeout | ErrorKind::Transport => {
            "let this machine's firewall and network reach it; the host uses no proxy".to_owned()
        }
        ErrorKind::InvalidRequest | ErrorKind::Unsupported | ErrorKind::ContextLength => {
            format!("correct the settings of `providers.{provider}`, or try another model with --model")
        }
        _ => format!("host doctor {provider} once more; if it stays, the provider's own status page"),
    }
}

/// What to do about a plugin that broke.
pub(super) fn of_call(error: &CallError, provider: &str) -> String {
    match error {
        CallError::Limit(_) => format!("raise the limit that it names, for `providers.{provider}`"),
        _ => "put a sound version of the plugin into the plugins directory: host plugin inspect".to_owned(),
    }
}
