//! The first layer of a request: its id, its deadline, and the one snapshot it sees.
//!
//! In: an HTTP request. Out: the same with a [`RequestContext`] in its extensions, and an answer
//! with `x-request-id`. Never: trust in the caller's id beyond its form; it is for logs alone.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use ring::rand::{SecureRandom, SystemRandom};

use crate::context::{Principal, RequestContext, RequestId};
use crate::reload::Snapshot;

use super::headers;

/// What the layer asks for each request.
#[derive(Clone)]
pub struct Arrivals {
    snapshot: Arc<dyn Fn() -> Arc<Snapshot> + Send + Sync>,
    random: SystemRandom,
}

impl Arrivals {
    /// `snapshot` gives the state of the host that a request which arrives now is to see.
    pub fn new(snapshot: impl Fn() -> Arc<Snapshot> + Send + Sync + 'static) -> Self {
        Self {
            snapshot: Arc::new(snapshot),
            random: SystemRandom::new(),
        }
    }

    fn id(&self, request: &Request) -> RequestId {
        let given = request
            .headers()
            .get(headers::REQUEST_ID)
            .and_then(|value| value.to_str().ok());
        if let Some(given) = given.filter(|given| is_plain(given)) {
            return RequestId::new(given);
        }
        let mut bytes = [0; 12];
        // Without randomness ids repeat; requests still work.
        let _ = self.random.fill(&mut bytes);
        let mut id = String::with_capacity(28);
        id.push_str("req_");
        for byte in bytes {
            id.extend([byte >> 4, byte & 15].map(|half| char::from_digit(u32::from(half), 16).unwrap_or('0')));
        }
        RequestId::new(id)
    }
}

/// Whether a caller's id is short and of letters that stand safely in a log's line.
fn is_plain(id: &str) -> bool {
    (1..=128).contains(&id.len())
        && id
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte))
}

/// The layer, for [`axum::middleware::from_fn_with_state`].
pub async fn arrive(State(arrivals): State<Arrivals>, mut request: Request, next: Next) -> Response {
    let id = arrivals.id(&request);
    let now = Instant::now();
    let snapshot = (arrivals.snapshot)();
    let context = RequestContext {
        id: id.clone(),
        principal: Principal::Anonymous,
        // A limit beyond what the clock can count is none.
        deadline: now
            .checked_add(snapshot.config.server.request_timeout)
            .unwrap_or_else(|| now + Duration::from_secs(86_400)),
        snapshot,
    };
    request.extensions_mut().insert(context);
    let mut response = next.run(request).await;
    headers::set_request_id(response.headers_mut(), &id);
    response
}
