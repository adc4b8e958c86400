//! Whether there is a way to an origin: its name, a connection, TLS.
//!
//! In: a sealed request. Out: the address that answered and how the connection is secured, or which of
//! the steps failed. Never: the request itself; the connection is closed again. The checks are the
//! client's own: its resolver with the address rules, its certificate authorities, its time limit.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::Client;
use crate::egress::allow_list::address_denial;
use crate::egress::credential::Sealed;
use crate::egress::error::{EgressError, TimeoutPhase};
use crate::egress::origin::{Origin, Scheme};
use crate::egress::remedy::Wanted;
use crate::egress::resolver::{Unresolved, resolve};

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reached {
    /// The address that answered.
    address: SocketAddr,
    /// How many addresses the name has besides.
    others: usize,
    /// The version of TLS; `None` in the clear.
    tls: Option<&'static str>,
}

impl fmt::Display for Reached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.address)?;
        if self.others > 0 {
            write!(f, " and {} more", self.others)?;
        }
        write!(f, ", {}", self.tls.unwrap_or("without TLS"))
    }
}

impl Client {
    /// Connects to where a request would go, and leaves again.
    ///
    /// # Errors
    /// As sending it would: the address is refused, the name or the host is not there, TLS fails.
    pub async fn reach(&self, sealed: &Sealed) -> Result<Reached, EgressError> {
        let limit = self.options.connect_timeout;
        let reached = tokio::time::timeout(limit, self.connect_to(sealed)).await;
        reached.unwrap_or(Err(EgressError::Timeout {
            phase: TimeoutPhase::Connect,
            limit,
        }))
    }

    async fn connect_to(&self, sealed: &Sealed) -> Result<Reached, EgressError> {
        let origin = &sealed.origin;
        let addresses = self.addresses(sealed).await?;
        let mut refused = "it has no address".to_owned();
        for address in &addresses {
            let address = SocketAddr::new(*address, origin.port);
            match TcpStream::connect(address).await {
                Ok(stream) => {
                    return Ok(Reached {
                        address,
                        others: addresses.len().saturating_sub(1),
                        tls: match origin.scheme {
                            Scheme::Https => Some(self.secure(origin, stream).await?),
                            Scheme::Http => None,
                        },
                    });
                }
                Err(error) => refused = error.to_string(),
            }
        }
        Err(EgressError::Connect {
            host: origin.host.to_string(),
            reason: refused,
        })
    }

    /// A literal address has been checked by the allow-list.
    async fn addresses(&self, sealed: &Sealed) -> Result<Vec<IpAddr>, EgressError> {
        let origin = &sealed.origin;
        if let Some(address) = origin.address() {
            return Ok(vec![address]);
        }
        let host = origin.host.to_string();
        resolve(&*self.options.resolver, &host, sealed.class)
            .await
            .map_err(|unresolved| match unresolved {
                Unresolved::NotFound(_) => EgressError::Dns { host },
                Unresolved::Refused(kind) => {
                    let wanted = Wanted {
                        holder: &sealed.holder,
                        slot: sealed.slot.as_deref(),
                        credential: sealed.credential.as_deref(),
                        origin,
                    };
                    address_denial(wanted, sealed.class, kind).into()
                }
            })
    }

    async fn secure(&self, origin: &Origin, stream: TcpStream) -> Result<&'static str, EgressError> {
        let host = origin.host.to_string();
        let failed = |reason: String| EgressError::Tls {
            host: host.clone(),
            reason,
        };
        let bare = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let name = ServerName::try_from(bare).map_err(|error| failed(error.to_string()))?;
        let connector = TlsConnector::from(Arc::new(self.tls.clone()));
        let secured = connector.connect(name, stream).await;
        let secured = secured.map_err(|error| failed(error.to_string()))?;
        Ok(match secured.get_ref().1.protocol_version() {
            Some(rustls::ProtocolVersion::TLSv1_2) => "TLS 1.2",
            _ => "TLS 1.3",
        })
    }
}
