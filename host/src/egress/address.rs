//! Which addresses may be dialled.
//!
//! In: an address that a name resolved to, or that stands in the URL, and whether the grant
//! allows private addresses for the origin. Out: yes, or the kind of address it is. Never: a
//! look-up; this is a pure function, and [`super::resolver`] and [`super::allow_list`] apply it.
//!
//! Ranges: IANA special-purpose address registries for IPv4 and IPv6 (RFC 6890 and later).

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What a grant allows an origin's name to lead to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AddressClass {
    /// Only addresses of the public internet.
    Public,
    /// Also this machine and private networks, because the grant lists the origin in
    /// `private_origins`. Metadata services and addresses that name no single host stay refused.
    Private,
}

/// What an address is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressKind {
    /// A host on the public internet.
    Public,
    /// This machine.
    Loopback,
    /// This link.
    LinkLocal,
    /// A private network, or unique local IPv6.
    Private,
    /// Shared by a carrier's customers (RFC 6598).
    CarrierGrade,
    /// For measurements (RFC 2544); also what some local proxies hand out.
    Benchmark,
    /// For documentation.
    Documentation,
    /// No address in particular. Connecting to it reaches this machine on most systems.
    Unspecified,
    /// Many hosts.
    Multicast,
    /// Reserved, or broadcast.
    Reserved,
    /// IPv6 that carries an IPv4 address: mapped, compatible, 6to4, Teredo, local NAT64.
    Embedded,
    /// A cloud's metadata service, which gives out credentials.
    Metadata,
}

impl fmt::Display for AddressKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Public => "a public address",
            Self::Loopback => "a loopback address",
            Self::LinkLocal => "a link-local address",
            Self::Private => "a private address",
            Self::CarrierGrade => "a carrier-grade NAT address",
            Self::Benchmark => "a benchmarking address",
            Self::Documentation => "a documentation address",
            Self::Unspecified => "an unspecified address",
            Self::Multicast => "a multicast address",
            Self::Reserved => "a reserved address",
            Self::Embedded => "an IPv4 address inside IPv6",
            Self::Metadata => "a metadata service",
        })
    }
}

/// Whether an address of this kind may be dialled at all when the grant names the origin as
/// private.
pub(super) fn allowed_when_private(kind: AddressKind) -> bool {
    match kind {
        AddressKind::Public
        | AddressKind::Loopback
        | AddressKind::LinkLocal
        | AddressKind::Private
        | AddressKind::CarrierGrade
        | AddressKind::Benchmark => true,
        AddressKind::Documentation
        | AddressKind::Unspecified
        | AddressKind::Multicast
        | AddressKind::Reserved
        | AddressKind::Embedded
        | AddressKind::Metadata => false,
    }
}

/// Whether the address may be dialled.
///
/// # Errors
/// The kind of address, when it may not.
pub fn check(address: IpAddr, class: AddressClass) -> Result<(), AddressKind> {
    let kind = classify(address);
    let allowed = match class {
        AddressClass::Public => kind == AddressKind::Public,
        AddressClass::Private => allowed_when_private(kind),
    };
    if allowed { Ok(()) } else { Err(kind) }
}

/// What an address is.
pub fn classify(address: IpAddr) -> AddressKind {
    match address {
        IpAddr::V4(v4) => classify_v4(v4),
        IpAddr::V6(v6) => classify_v6(v6),
    }
}

/// Metadata services. Most sit in link-local ranges; they are listed because a grant for private
/// addresses must not open them. 169.254.169.254: AWS, Azure, Google, OCI, IBM, OpenStack and most
/// others; .170.2 and .170.23: AWS container credentials; .0.23: Tencent; .42.42: Scaleway;
/// 100.100.100.200: Alibaba; 168.63.129.16: Azure's host channel, which looks public;
/// 192.0.0.192: Oracle's older one.
const METADATA_V4: [Ipv4Addr; 7] = [
    Ipv4Addr::new(169, 254, 169, 254),
    Ipv4Addr::new(169, 254, 170, 2),
    Ipv4Addr::new(169, 254, 170, 23),
    Ipv4Addr::new(169, 254, 0, 23),
    Ipv4Addr::new(169, 254, 42, 42),
    Ipv4Addr::new(100, 100, 100, 200),
    Ipv4Addr::new(168, 63, 129, 16),
];

/// Metadata services over IPv6: AWS (instance and container), Google, Scaleway, OpenStack.
const METADATA_V6: [Ipv6Addr; 5] = [
    Ipv6Addr::new(0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x254),
    Ipv6Addr::new(0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x23),
    Ipv6Addr::new(0xfd20, 0x00ce, 0, 0, 0, 0, 0, 0x254),
    Ipv6Addr::new(0xfd00, 0x0042, 0, 0, 0, 0, 0, 0x42),
    Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0xa9fe, 0xa9fe),
];

fn classify_v4(v4: Ipv4Addr) -> AddressKind {
    use AddressKind as K;
    if METADATA_V4.contains(&v4) {
        return K::Metadata;
    }
    match v4.octets() {
        [0, ..] => K::Unspecified,
        [127, ..] => K::Loopback,
        [169, 254, ..] => K::LinkLocal,
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => K::Private,
        [100, 64..=127, ..] => K::CarrierGrade,
        [198, 18..=19, ..] => K::Benchmark,
        [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => K::Documentation,
        // 192.0.0.0/24: IETF protocol assignments; Oracle's older metadata service is in it.
        [192, 0, 0, 192] => K::Metadata,
        // 192.88.99.0/24: the withdrawn 6to4 relay; 192.31.196.0/24, 192.52.193.0/24 and
        // 192.175.48.0/24 are anycast services, not hosts.
        [192, 0, 0, _] | [192, 88, 99, _] | [192, 31, 196, _] | [192, 52, 193, _] | [192, 175, 48, _] => K::Reserved,
        [224..=239, ..] => K::Multicast,
        [240..=255, ..] => K::Reserved,
        _ => K::Public,
    }
}

fn classify_v6(v6: Ipv6Addr) -> AddressKind {
    use AddressKind as K;
    if METADATA_V6.contains(&v6) {
        return K::Metadata;
    }
    if v6 == Ipv6Addr::UNSPECIFIED {
        return K::Unspecified;
    }
    if v6 == Ipv6Addr::LOCALHOST {
        return K::Loopback;
    }
    match v6.segments() {
        // The well-known NAT64 prefix (RFC 6052). A network with IPv6 alone reaches every IPv4
        // provider through it, so the address inside decides.
        [0x0064, 0xff9b, 0, 0, 0, 0, high, low] => match classify_v4(v4_of(high, low)) {
            K::Metadata => K::Metadata,
            K::Public => K::Public,
            _ => K::Embedded,
        },
        // Mapped (::ffff:0:0/96), translated (::ffff:0:0:0/96) and compatible (::/96).
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0, 0, 0, 0, 0xffff, 0, high, low] | [0, 0, 0, 0, 0, 0, high, low] => {
            embedded(v4_of(high, low))
        }
        // 6to4 (2002::/16) carries the address in bits 16 to 48.
        [0x2002, high, low, ..] => embedded(v4_of(high, low)),
        // Teredo (2001::/32) carries the client's address inverted in the last 32 bits.
        [0x2001, 0, _, _, _, _, high, low] => embedded(v4_of(!high, !low)),
        // NAT64 for local use (64:ff9b:1::/48, RFC 8215); where the address sits depends on the
        // network.
        [0x0064, 0xff9b, 1, ..] => K::Embedded,
        [0x2001, 0x0db8, ..] | [0x3fff, 0..=0x0fff, ..] => K::Documentation,
        [0x2001, 0x0002, 0, ..] => K::Benchmark,
        // The rest of 2001::/23 is protocol assignments, not hosts.
        [0x2001, 0x0001..=0x01ff, ..] => K::Reserved,
        [0xfe80..=0xfebf, ..] => K::LinkLocal,
        // Site-local (fec0::/10) is withdrawn, but still private where it lives on.
        [0xfec0..=0xfeff, ..] | [0xfc00..=0xfdff, ..] => K::Private,
        [0xff00..=0xffff, ..] => K::Multicast,
        // Of the rest only 2000::/3 is handed out.
        [0x2000..=0x3fff, ..] => K::Public,
        _ => K::Reserved,
    }
}

/// A metadata service stays one in any wrapping, so that the refusal says so.
fn embedded(v4: Ipv4Addr) -> AddressKind {
    match classify_v4(v4) {
        AddressKind::Metadata => AddressKind::Metadata,
        _ => AddressKind::Embedded,
    }
}

fn v4_of(high: u16, low: u16) -> Ipv4Addr {
    let [a, b] = high.to_be_bytes();
    let [c, d] = low.to_be_bytes();
    Ipv4Addr::new(a, b, c, d)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_address_is_of_its_kind() {
        use AddressKind as K;
        let table: &[(&str, K)] = &[
            // The public internet, next to every range that is not.
            ("1.1.1.1", K::Public),
            ("9.255.255.255", K::Public),
            ("11.0.0.0", K::Public),
            ("100.63.255.255", K::Public),
            ("100.128.0.0", K::Public),
            ("126.255.255.255", K::Public),
            ("128.0.0.1", K::Public),
            ("169.253.255.255", K::Public),
            ("169.255.0.0", K::Public),
            ("172.15.255.255", K::Public),
            ("172.32.0.0", K::Public),
            ("192.0.1.0", K::Public),
            ("192.167.255.255", K::Public),
            ("192.169.0.0", K::Public),
            ("198.17.255.255", K::Public),
            ("198.20.0.0", K::Public),
            ("223.255.255.255", K::Public),
            ("2606:4700::1111", K::Public),
            ("2001:4860:4860::8888", K::Public),
            ("2001:200::1", K::Public),
            // This machine and its surroundings.
            ("127.0.0.1", K::Loopback),
            ("127.255.255.255", K::Loopback),
            ("::1", K::Loopback),
            ("0.0.0.0", K::Unspecified),
            ("0.1.2.3", K::Unspecified),
            ("::", K::Unspecified),
            ("169.254.1.1", K::LinkLocal),
            ("fe80::1", K::LinkLocal),
            ("febf:ffff::1", K::LinkLocal),
            ("10.0.0.0", K::Private),
            ("10.255.255.255", K::Private),
            ("172.16.0.1", K::Private),
            ("172.31.255.255", K::Private),
            ("192.168.0.1", K::Private),
            ("fc00::1", K::Private),
            ("fdff::1", K::Private),
            ("fec0::1", K::Private),
            ("100.64.0.1", K::CarrierGrade),
            ("100.127.255.255", K::CarrierGrade),
            ("198.18.0.1", K::Benchmark),
            ("198.19.255.255", K::Benchmark),
            ("2001:2::1", K::Benchmark),
            ("192.0.2.1", K::Documentation),
            ("198.51.100.1", K::Documentation),
            ("203.0.113.1", K::Documentation),
            ("2001:db8::1", K::Documentation),
            ("3fff::1", K::Documentation),
            ("224.0.0.1", K::Multicast),
            ("239.255.255.255", K::Multicast),
            ("ff02::1", K::Multicast),
            ("240.0.0.1", K::Reserved),
            ("255.255.255.255", K::Reserved),
            ("192.0.0.8", K::Reserved),
            ("192.88.99.1", K::Reserved),
            ("2001:10::1", K::Reserved),
            ("100::1", K::Reserved),
            ("4000::1", K::Reserved),
            ("5f00::1", K::Reserved),
            // Metadata services, in the clear and wrapped.
            ("169.254.169.254", K::Metadata),
            ("169.254.170.2", K::Metadata),
            ("169.254.170.23", K::Metadata),
            ("100.100.100.200", K::Metadata),
            ("168.63.129.16", K::Metadata),
            ("192.0.0.192", K::Metadata),
            ("fd00:ec2::254", K::Metadata),
            ("fd00:ec2::23", K::Metadata),
            ("fd20:ce::254", K::Metadata),
            ("fe80::a9fe:a9fe", K::Metadata),
            ("::ffff:169.254.169.254", K::Metadata),
            ("::169.254.169.254", K::Metadata),
            ("64:ff9b::169.254.169.254", K::Metadata),
            ("2002:a9fe:a9fe::1", K::Metadata),
            // Teredo inverts: !0xa9fe = 0x5601.
            ("2001:0:1234::5601:5601", K::Metadata),
            // IPv4 inside IPv6.
            ("::ffff:127.0.0.1", K::Embedded),
            ("::ffff:8.8.8.8", K::Embedded),
            ("::ffff:0:127.0.0.1", K::Embedded),
            ("::127.0.0.1", K::Embedded),
            ("2002:7f00:1::1", K::Embedded),
            ("2002:808:808::1", K::Embedded),
            ("2001:0:53aa:64c::1", K::Embedded),
            ("64:ff9b:1::1", K::Embedded),
            ("64:ff9b::10.0.0.1", K::Embedded),
            ("64:ff9b::127.0.0.1", K::Embedded),
            // NAT64 of a public address is how a network without IPv4 reaches it.
            ("64:ff9b::8.8.8.8", K::Public),
        ];
        for (text, kind) in table {
            let address: IpAddr = text.parse().unwrap();
            assert_eq!(classify(address), *kind, "{text}");
        }
    }

    #[test]
    fn without_a_private_grant_only_public_addresses_pass() {
        for (text, allowed) in [
            ("8.8.8.8", true),
            ("2606:4700::1111", true),
            ("127.0.0.1", false),
            ("10.0.0.1", false),
            ("::1", false),
            ("fd12::1", false),
            ("169.254.169.254", false),
            ("::ffff:8.8.8.8", false),
            ("203.0.113.7", false),
        ] {
            assert_eq!(
                check(text.parse().unwrap(), AddressClass::Public).is_ok(),
                allowed,
                "{text}"
            );
        }
    }

    #[test]
    fn a_private_grant_never_opens_metadata_or_nameless_addresses() {
        for (text, allowed) in [
            ("8.8.8.8", true),
            ("127.0.0.1", true),
            ("10.0.0.1", true),
            ("192.168.1.5", true),
            ("100.64.0.1", true),
            ("fd12::1", true),
            ("::1", true),
            ("198.18.0.3", true),
            ("0.0.0.0", false),
            ("::", false),
            ("224.0.0.1", false),
            ("255.255.255.255", false),
            ("::ffff:127.0.0.1", false),
            ("169.254.169.254", false),
            ("169.254.170.2", false),
            ("fd00:ec2::254", false),
            ("100.100.100.200", false),
            ("168.63.129.16", false),
            ("64:ff9b::a9fe:a9fe", false),
        ] {
            assert_eq!(
                check(text.parse().unwrap(), AddressClass::Private).is_ok(),
                allowed,
                "{text}"
            );
        }
    }
}
