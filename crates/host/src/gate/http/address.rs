//! Which addresses a connection may go to, whatever name led there.
//!
//! Guarantees: an address is public only if no registry of special addresses has it; a form that carries an IPv4 address
//! (mapped, NAT64, 6to4) is what that address is. Never: resolves or connects.
//!
//! Before: `resolve` asks for each answer of the DNS. After: nothing.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What an address is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AddressClass {
    /// Anybody on the internet.
    Public,
    /// This machine.
    Loopback,
    /// A private network: RFC 1918, RFC 4193, shared address space; addresses for documentation and benchmarks, which
    /// nobody has but a private network.
    Private,
    /// What answers questions about the machine itself in a cloud.
    Metadata,
    /// One link, and nothing behind a router.
    LinkLocal,
    /// Many machines at once.
    Multicast,
    /// No machine at all, or set aside: unspecified, broadcast, tunnels, future use.
    Reserved,
}

impl AddressClass {
    /// Returns the class of an address.
    pub(crate) fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => of_v4(address),
            IpAddr::V6(address) => of_v6(address),
        }
    }
}

impl fmt::Display for AddressClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Public => "a public address",
            Self::Loopback => "a loopback address",
            Self::Private => "an address of a private network",
            Self::Metadata => "an address of a cloud's metadata service",
            Self::LinkLocal => "a link-local address",
            Self::Multicast => "a multicast address",
            Self::Reserved => "a reserved address",
        })
    }
}

/// Metadata services at addresses that would pass for something else: of AWS, GCP and others (the first is link-local),
/// Alibaba, Oracle, Azure.
const METADATA_V4: [Ipv4Addr; 4] = [
    Ipv4Addr::new(169, 254, 169, 254),
    Ipv4Addr::new(100, 100, 100, 200),
    Ipv4Addr::new(192, 0, 0, 192),
    Ipv4Addr::new(168, 63, 129, 16),
];
/// The same: of AWS and of GCP.
const METADATA_V6: [Ipv6Addr; 2] =
    [Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254), Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)];

/// IANA's registry of special IPv4 addresses.
fn of_v4(address: Ipv4Addr) -> AddressClass {
    if METADATA_V4.contains(&address) {
        return AddressClass::Metadata;
    }
    match address.octets() {
        [127, ..] => AddressClass::Loopback,
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] | [100, 64..=127, ..] => AddressClass::Private,
        [192, 0, 2, _] | [198, 18 | 19, ..] | [198, 51, 100, _] | [203, 0, 113, _] => AddressClass::Private,
        [169, 254, ..] => AddressClass::LinkLocal,
        [224..=239, ..] => AddressClass::Multicast,
        [0 | 240..=255, ..] | [192, 0, 0, _] | [192, 88, 99, _] => AddressClass::Reserved,
        _ => AddressClass::Public,
    }
}

/// IANA's registry of special IPv6 addresses. Only 2000::/3 is given out at all.
fn of_v6(address: Ipv6Addr) -> AddressClass {
    if METADATA_V6.contains(&address) {
        return AddressClass::Metadata;
    }
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 1] => AddressClass::Loopback,
        // IPv4-mapped, and NAT64's well-known prefix: what an IPv6-only network makes of an IPv4 address.
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            of_v4(embedded(high, low))
        }
        // 6to4: public ones work nowhere any more, the others would be a way in.
        [0x2002, high, low, ..] => match of_v4(embedded(high, low)) {
            AddressClass::Public => AddressClass::Reserved,
            class => class,
        },
        [0xfe80..=0xfebf, ..] => AddressClass::LinkLocal,
        [0xfc00..=0xfdff, ..] | [0xfec0..=0xfeff, ..] => AddressClass::Private,
        [0x2001, 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => AddressClass::Private,
        [0xff00..=0xffff, ..] => AddressClass::Multicast,
        // Teredo, ORCHID and the like.
        [0x2001, 0..=0x1ff, ..] => AddressClass::Reserved,
        [0x2000..=0x3fff, ..] => AddressClass::Public,
        _ => AddressClass::Reserved,
    }
}

fn embedded(high: u16, low: u16) -> Ipv4Addr {
    let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
    Ipv4Addr::new(a, b, c, d)
}

#[cfg(test)]
mod tests {
    use super::AddressClass::*;
    use super::*;

    #[test]
    fn each_special_address_has_its_class() {
        let table = [
            (
                Public,
                "1.1.1.1 8.8.8.8 172.15.0.1 172.32.0.1 100.63.0.1 100.128.0.1 192.167.1.1 223.255.255.255",
            ),
            (Public, "2606:4700::1111 2a00:1450:4001::200e ::ffff:1.1.1.1 64:ff9b::8.8.8.8"),
            (Loopback, "127.0.0.1 127.255.255.254 ::1 ::ffff:127.0.0.1 64:ff9b::127.0.0.1 2002:7f00:1::"),
            (Private, "10.0.0.1 10.255.255.255 172.16.0.1 172.31.255.255 192.168.1.1 100.64.0.1 100.127.0.1"),
            (Private, "fc00::1 fd12:3456::1 fec0::1 ::ffff:10.0.0.1 64:ff9b::c0a8:1 2002:a00:1::1"),
            (
                Metadata,
                "169.254.169.254 100.100.100.200 192.0.0.192 168.63.129.16 fd00:ec2::254 fd20:ce::254",
            ),
            (Metadata, "::ffff:169.254.169.254 64:ff9b::a9fe:a9fe 2002:a9fe:a9fe::"),
            (LinkLocal, "169.254.0.1 169.254.255.255 fe80::1 febf::1"),
            (Multicast, "224.0.0.1 239.255.255.255 ff02::1 ff0e::1 ::ffff:224.0.0.1"),
            (Private, "192.0.2.1 198.51.100.1 203.0.113.1 198.18.0.1 198.19.255.255 2001:db8::1 3fff::1"),
            (Reserved, "0.0.0.0 0.1.2.3 240.0.0.1 255.255.255.255 192.0.0.1 192.88.99.1 :: ::2 ::7f00:1"),
            (Reserved, "100::1 2001::1 2001:1ff::1 2002:101:101::"),
            (Reserved, "64:ff9b:1::a00:1 4000::1 5f00::1 ::ffff:0:127.0.0.1"),
        ];
        for (class, addresses) in table {
            for address in addresses.split(' ') {
                let parsed = address.parse().expect("an address");
                assert_eq!(AddressClass::of(parsed), class, "{address}");
            }
        }
    }
}
