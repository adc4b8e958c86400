//! The first layer of a request: its id and its deadline.
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

use super::headers;

/// What the layer asks for each request.
#[derive(Clone)]
pub struct Arrivals {
    timeout: Arc<dyn Fn() -> Duration + Send + Sync>,
    random: SystemRandom,
}

impl Arrivals {
    /// `timeout` is the most time a request may take, from now to the last byte of its answer.
    pub fn new(timeout: impl Fn() -> Duration + Send + Sync + 'static) -> Self {
        Self {
            timeout: Arc::new(timeout),
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
    let context = RequestContext {
        id: id.clone(),
        principal: Principal::Anonymous,
        // A limit beyond what the clock can count is none.
        deadline: now
            .checked_add((arrivals.timeout)())
            .unwrap_or_else(|| now + Duration::from_secs(86_400)),
    };
    request.extensions_mut().insert(context);
    let mut response = next.run(request).await;
    headers::set_request_id(response.headers_mut(), &id);
    response
}
