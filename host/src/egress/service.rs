//! The seam between egress layers.
//!
//! In: a request of the type this layer takes. Out: the upstream's answer. The request's type
//! says how far it has come: [`EgressRequest`](super::EgressRequest) as the plugin asked,
//! [`Permitted`](super::permit::Permitted) by the allow-list,
//! [`Clean`](super::headers::Clean) after header hygiene, [`Sealed`](super::credential::Sealed)
//! with the credential attached. A stack whose layers are in the wrong order does not compile,
//! and no layer outside the credential's can name a type that holds a secret.
//! Never: a shared bag of extensions.

use std::future::Future;

use futures::future::BoxFuture;

use super::{EgressError, UpstreamResponse};

/// One layer, or the client at the bottom.
pub trait Service<Request>: Send + Sync + 'static {
    /// Sends the request on. Dropping the future, or the body of the answer, cancels the call.
    ///
    /// # Errors
    /// Everything that fails before the head of the answer.
    fn call(&self, request: Request) -> impl Future<Output = Result<UpstreamResponse, EgressError>> + Send;
}

/// A whole stack with its type forgotten.
pub(super) trait ErasedService<Request>: Send + Sync + 'static {
    fn call_boxed(&self, request: Request) -> BoxFuture<'_, Result<UpstreamResponse, EgressError>>;
}

impl<Request: Send + 'static, S: Service<Request>> ErasedService<Request> for S {
    fn call_boxed(&self, request: Request) -> BoxFuture<'_, Result<UpstreamResponse, EgressError>> {
        Box::pin(self.call(request))
    }
}

impl<Request: Send + 'static, S: Service<Request>> Service<Request> for std::sync::Arc<S> {
    async fn call(&self, request: Request) -> Result<UpstreamResponse, EgressError> {
        S::call(self, request).await
    }
}
