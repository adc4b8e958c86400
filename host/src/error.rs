//! What can go wrong with a request, whose fault it is, and whether to try again.
//!
//! In: failures of the layers. Out: one [`GatewayError`] that a dialect turns into a response.
//! Never: a secret, an upstream address with its query, or the debug form of a lower error.

use std::time::Duration;

use crate::llm;

/// Whose fault a failure is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The caller asked for something wrong or forbidden.
    Client,
    /// The provider failed or refused.
    Provider,
    /// The plugin broke its contract or a limit.
    Plugin,
    /// The host, or its configuration.
    Host,
}

/// Why a request failed. The texts say what the caller can do.
#[derive(Debug, Clone, thiserror::Error)]
pub enum GatewayError {
    /// The request is not what the API defines.
    #[error("{message}")]
    InvalidRequest {
        /// What is wrong and how it should be.
        message: String,
        /// The field that is wrong.
        param: Option<String>,
        /// A stable word for programs, e.g. `invalid_json`.
        code: Option<&'static str>,
    },
    /// The body is not JSON by its own account.
    #[error("{message}")]
    UnsupportedMediaType {
        /// What was sent and how it should be.
        message: String,
    },
    /// The body is larger than the host takes.
    #[error("the request body is larger than {limit} bytes; the limit is `server.max_body` in the configuration")]
    BodyTooLarge {
        /// The limit in bytes.
        limit: u64,
    },
    /// The body did not arrive in time.
    #[error("the request's body did not arrive within `server.request_timeout`")]
    BodyTooSlow,
    /// No client key, or one that is not known.
    #[error("{message}")]
    Unauthenticated {
        /// What is missing and how to send it.
        message: String,
    },
    /// The caller may not do this.
    #[error("{message}")]
    Forbidden {
        /// What is not allowed.
        message: String,
        /// The field of the request that asks for it.
        param: Option<&'static str>,
    },
    /// No route, alias or pattern has this model, or the provider is not there.
    #[error("{message}")]
    ModelNotFound {
        /// The name that was asked for.
        model: String,
        /// What is known instead.
        message: String,
    },
    /// No such address, or not with this method.
    #[error("{message}")]
    RouteNotFound {
        /// What was asked for and what there is.
        message: String,
        /// True when the address exists for another method.
        wrong_method: bool,
    },
    /// More requests at once than the host takes.
    #[error("the host is handling as many requests as it is configured for; try again shortly")]
    Overloaded,
    /// The host is stopping.
    #[error("the host is shutting down; try again shortly")]
    ShuttingDown,
    /// The answer took longer than a limit.
    #[error("{message}")]
    DeadlineExceeded {
        /// Which limit, and where it is set.
        message: String,
    },
    /// The adapter reported a failure: the provider's, or its own.
    #[error("{}", error.message)]
    Provider {
        /// The provider's name in the configuration.
        provider: String,
        /// What the adapter reported.
        error: Box<llm::Error>,
    },
    /// The plugin trapped, broke the contract or exceeded a limit.
    #[error("plugin `{plugin}` failed: {message}")]
    Plugin {
        /// The plugin's id.
        plugin: String,
        /// What happened, and where the limit is set if it was one.
        message: String,
        /// A stable word for programs, e.g. `plugin_trapped`.
        code: &'static str,
        /// Whether the same request may succeed later.
        retryable: bool,
    },
    /// The host itself failed.
    #[error("{message}")]
    Internal {
        /// What happened, without details that are not the caller's.
        message: String,
    },
}

impl GatewayError {
    /// Whose fault it is.
    pub fn fault(&self) -> Fault {
        use llm::ErrorKind as K;
        match self {
            Self::InvalidRequest { .. }
            | Self::UnsupportedMediaType { .. }
            | Self::BodyTooLarge { .. }
            | Self::BodyTooSlow
            | Self::Unauthenticated { .. }
            | Self::Forbidden { .. }
            | Self::ModelNotFound { .. }
            | Self::RouteNotFound { .. } => Fault::Client,
            Self::Overloaded | Self::ShuttingDown | Self::DeadlineExceeded { .. } | Self::Internal { .. } => {
                Fault::Host
            }
            Self::Plugin { .. } => Fault::Plugin,
            Self::Provider { error, .. } => match error.kind {
                K::InvalidRequest
                | K::NotFound
                | K::RequestTooLarge
                | K::ContextLength
                | K::ContentFiltered
                | K::Unsupported
                | K::Cancelled => Fault::Client,
                K::Internal => Fault::Plugin,
                K::Denied => Fault::Host,
                _ => Fault::Provider,
            },
        }
    }

    /// Whether the same request may succeed later.
    pub fn retryable(&self) -> bool {
        match self {
            Self::Overloaded | Self::ShuttingDown | Self::DeadlineExceeded { .. } | Self::BodyTooSlow => true,
            Self::Provider { error, .. } => error.retryable,
            Self::Plugin { retryable, .. } => *retryable,
            _ => false,
        }
    }

    /// When to try again, where that is known.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Overloaded | Self::ShuttingDown => Some(Duration::from_secs(1)),
            Self::Provider { error, .. } => error.retry_after_ms.map(Duration::from_millis),
            _ => None,
        }
    }
}
