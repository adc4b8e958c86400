//! Names to addresses, and the check of what they lead to.
//!
//! In: a host's name. Out: addresses that may be dialled. Never: an address that was not checked.
//!
//! The check happens inside the resolver that the HTTP client dials with. What is checked is the
//! very list that is dialled; there is no second look-up that could answer otherwise. One
//! address that may not be dialled refuses the whole answer: a name that leads both inside and
//! outside is not one to pick from.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use async_trait::async_trait;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::address::{self, AddressClass, AddressKind};

/// Looks names up.
#[async_trait]
pub trait Resolver: Send + Sync + 'static {
    /// The addresses of a name, in the order in which they should be tried.
    ///
    /// # Errors
    /// What the look-up failed with.
    async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>>;
}

/// The operating system's resolver.
#[derive(Debug, Default, Clone, Copy)]
pub struct SystemResolver;

#[async_trait]
impl Resolver for SystemResolver {
    async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        let addresses = tokio::net::lookup_host((name, 0)).await?;
        Ok(addresses.map(|address| address.ip()).collect())
    }
}

/// Why a name leads nowhere.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unresolved {
    /// The look-up failed, or gave nothing.
    #[error("the look-up failed")]
    NotFound(#[source] io::Error),
    /// It leads to an address that may not be dialled.
    #[error("the name leads to {0}")]
    Refused(AddressKind),
}

/// A resolver that gives out only addresses of one class.
pub(super) struct CheckedResolver {
    resolver: Arc<dyn Resolver>,
    class: AddressClass,
}

impl CheckedResolver {
    pub(super) fn new(resolver: Arc<dyn Resolver>, class: AddressClass) -> Self {
        Self { resolver, class }
    }
}

/// The addresses of a name, if every one of them may be dialled.
pub(super) async fn resolve(
    resolver: &dyn Resolver,
    name: &str,
    class: AddressClass,
) -> Result<Vec<IpAddr>, Unresolved> {
    let addresses = resolver.resolve(name).await.map_err(Unresolved::NotFound)?;
    if addresses.is_empty() {
        return Err(Unresolved::NotFound(io::Error::from(io::ErrorKind::NotFound)));
    }
    for address in &addresses {
        address::check(*address, class).map_err(Unresolved::Refused)?;
    }
    Ok(addresses)
}

impl Resolve for CheckedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (resolver, class) = (Arc::clone(&self.resolver), self.class);
        Box::pin(async move {
            let addresses = resolve(&*resolver, name.as_str(), class).await?;
            // Port 0 stands for the port of the URL.
            Ok(Box::new(addresses.into_iter().map(|address| SocketAddr::new(address, 0))) as Addrs)
        })
    }
}
