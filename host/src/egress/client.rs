//! The pooled HTTP client at the bottom of the stack.
//!
//! In: a sealed request. Out: the upstream's answer. Never: a redirect followed, a cookie kept, a
//! proxy of the environment used, a body decompressed, an address in an error.
//!
//! There is one pool for each provider and class of addresses. A provider's plugin cannot learn
//! from timing which connections another's has open, and a connection to a private address that
//! one grant opened is never used for a request whose grant did not.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _};
use rustls::pki_types::CertificateDer;

use super::UpstreamResponse;
use super::address::AddressClass;
use super::allow_list::address_denial;
use super::body::{limit, watch};
use super::credential::Sealed;
use super::error::EgressError;
use super::remedy::Wanted;
use super::resolver::{CheckedResolver, Resolver, SystemResolver};
use super::service::Service;
use crate::seat::Seat;

mod failure;
mod lanes;
mod reach;

use failure::Failure;
use lanes::Lanes;
pub use reach::Reached;

/// How the client connects.
#[derive(Clone)]
pub struct ClientOptions {
    /// Most time for looking a name up, connecting and the TLS handshake together.
    pub connect_timeout: Duration,
    /// How long an unused connection is kept.
    pub pool_idle_timeout: Duration,
    /// Certificate authorities that are trusted besides those of the system.
    pub extra_roots: Vec<CertificateDer<'static>>,
    /// Looks names up.
    pub resolver: Arc<dyn Resolver>,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(10),
            pool_idle_timeout: Duration::from_secs(90),
            extra_roots: Vec::new(),
            resolver: Arc::new(SystemResolver),
        }
    }
}

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// No certificate authority could be loaded, or one of the extra ones is not valid.
    #[error(
        "cannot set up TLS; check the system's certificate authorities (on Linux, `SSL_CERT_FILE` may name a file)"
    )]
    Tls(#[source] rustls::Error),
    /// The HTTP library refuses its options.
    #[error("cannot set up the HTTP client")]
    Http(#[source] reqwest::Error),
}

type Pools = HashMap<(Arc<str>, AddressClass), Arc<Lanes>>;

/// The client.
pub struct Client {
    tls: rustls::ClientConfig,
    options: ClientOptions,
    pools: ArcSwap<Pools>,
}

/// How often an HTTP/2 connection in use is asked whether it is still there, and how long the
/// answer may take. A dead connection would otherwise hold its requests until they time out.
const PING_INTERVAL: Duration = Duration::from_secs(20);
const PING_TIMEOUT: Duration = Duration::from_secs(20);
const TCP_KEEPALIVE: Duration = Duration::from_secs(30);
/// Bytes of one answer that may wait for their reader on an HTTP/2 connection: enough for a large
/// answer over a long way, and as much as one slow reader can make the host hold.
const STREAM_WINDOW: u32 = 1 << 20;
/// The same for all answers of a connection. Half of it is also what `h2` allows small frames to cost
/// (256 less their length each) while they wait, and beyond that it closes the connection with all
/// answers on it. A streamed answer is nothing but small frames, one for each token; the default
/// of 5 MiB ends with a few thousand tokens that their readers have not taken yet.
const CONNECTION_WINDOW: u32 = 256 << 20;

impl Client {
    /// Makes a client. Reads the system's certificate authorities, once.
    ///
    /// # Errors
    /// When there are none.
    pub fn new(options: ClientOptions) -> Result<Self, ClientError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let roots = options.extra_roots.iter().cloned();
        let verifier = rustls_platform_verifier::Verifier::new_with_extra_roots(roots, Arc::clone(&provider))
            .map_err(ClientError::Tls)?;
        let mut tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(ClientError::Tls)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth();
        tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self {
            tls,
            options,
            pools: ArcSwap::default(),
        })
    }

    /// Drops the pools of providers that are no longer configured. Exchanges that are running go
    /// on.
    pub fn retain(&self, configured: impl Fn(&str) -> bool) {
        self.pools.rcu(|pools| {
            let kept = pools.iter().filter(|((provider, _), _)| configured(provider));
            kept.map(|(key, lanes)| (key.clone(), Arc::clone(lanes)))
                .collect::<Pools>()
        });
    }

    /// A pool of the host's own, for the services that give out tokens. They may be anywhere: where they
    /// are is not a plugin's to say.
    ///
    /// # Errors
    /// [`ClientError::Http`].
    pub(super) fn for_tokens(&self) -> Result<reqwest::Client, ClientError> {
        self.connect(AddressClass::Private).map_err(ClientError::Http)
    }

    fn pool(&self, provider: &Arc<str>, class: AddressClass) -> Arc<Lanes> {
        let key = (Arc::clone(provider), class);
        if let Some(lanes) = self.pools.load().get(&key) {
            return Arc::clone(lanes);
        }
        let made = Arc::<Lanes>::default();
        self.pools.rcu(|pools| {
            let mut pools = Pools::clone(pools);
            pools.entry(key.clone()).or_insert_with(|| Arc::clone(&made));
            pools
        });
        // Another request may have been first; its pool is then the one to use.
        self.pools.load().get(&key).cloned().unwrap_or(made)
    }

    fn seat(&self, provider: &Arc<str>, class: AddressClass) -> Result<(reqwest::Client, Seat), EgressError> {
        self.pool(provider, class).take(|| {
            self.connect(class)
                .map_err(|_| EgressError::Other("the HTTP client cannot be made".to_owned()))
        })
    }

    fn connect(&self, class: AddressClass) -> reqwest::Result<reqwest::Client> {
        let resolver = CheckedResolver::new(Arc::clone(&self.options.resolver), class);
        reqwest::Client::builder()
            .tls_backend_preconfigured(self.tls.clone())
            .dns_resolver(Arc::new(resolver))
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .no_proxy()
            .connect_timeout(self.options.connect_timeout)
            .pool_idle_timeout(self.options.pool_idle_timeout)
            .tcp_nodelay(true)
            .tcp_keepalive(TCP_KEEPALIVE)
            .http2_initial_stream_window_size(STREAM_WINDOW)
            .http2_initial_connection_window_size(CONNECTION_WINDOW)
            .http2_keep_alive_interval(PING_INTERVAL)
            .http2_keep_alive_timeout(PING_TIMEOUT)
            .build()
    }
}

impl Service<Sealed> for Client {
    async fn call(&self, sealed: Sealed) -> Result<UpstreamResponse, EgressError> {
        let (client, seat) = self.seat(&sealed.holder.provider, sealed.class)?;
        let Sealed {
            holder,
            slot,
            credential,
            origin,
            class,
            outgoing,
            max_response_bytes,
        } = sealed;
        let mut request = reqwest::Request::new(outgoing.method, outgoing.url);
        *request.headers_mut() = outgoing.headers;
        if !outgoing.body.is_empty() {
            *request.body_mut() = Some(outgoing.body.into());
        }
        let response = client
            .execute(request)
            .await
            .map_err(|error| match Failure::of(&error) {
                Failure::Refused(kind) => {
                    let (slot, credential) = (slot.as_deref(), credential.as_deref());
                    address_denial(
                        Wanted {
                            holder: &holder,
                            slot,
                            credential,
                            origin: &origin,
                        },
                        class,
                        kind,
                    )
                    .into()
                }
                failure => failure.into_error(&origin, self.options.connect_timeout, false),
            })?;
        let status = response.status().as_u16();
        if !(200..=599).contains(&status) {
            let reason = format!("its status is {status}");
            return Err(EgressError::Protocol { reason, started: false });
        }
        if response
            .content_length()
            .is_some_and(|length| length > max_response_bytes)
        {
            return Err(EgressError::TooLarge {
                limit: max_response_bytes,
            });
        }
        let headers = response
            .headers()
            .iter()
            .map(|(name, value)| (name.as_str().to_owned(), Bytes::copy_from_slice(value.as_bytes())))
            .collect();
        let connect_timeout = self.options.connect_timeout;
        let body = response
            .bytes_stream()
            .map_err(move |error| Failure::of(&error).into_error(&origin, connect_timeout, true))
            .boxed();
        Ok(UpstreamResponse {
            status,
            headers,
            body: limit(watch(body, seat), max_response_bytes),
        })
    }
}
