//! From a name to addresses that may be connected to.
//!
//! Guarantees: a name is resolved once for a connection, all answers are checked, and the connection goes to one of them:
//! a second answer of a lying name server is never asked for. Never: connects.
//!
//! Before: `client`, on its own thread. After: the system's resolver, or the caller's; `address`.
#![expect(clippy::disallowed_methods, reason = "names are resolved here and nowhere else")]

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::Arc;

use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;
use url::Host;

use super::address::AddressClass;
use super::rule::HttpRule;
use super::{Failure, FailureKind};

/// Addresses of a name that are tried.
const MAX_ADDRESSES: usize = 16;

/// Finds the addresses of names.
pub trait Resolve: Send + Sync {
    /// Returns the addresses of a domain name, the best first.
    ///
    /// # Errors
    ///
    /// Why there are none.
    fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>>;
}

/// The resolver of the system, as configured in it.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemResolver;

impl Resolve for SystemResolver {
    fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        Ok((name, 0).to_socket_addrs()?.map(|address| address.ip()).collect())
    }
}

/// Resolves the host of one request.
pub(crate) struct Checked {
    pub(crate) rule: HttpRule,
    pub(crate) host: Host,
    pub(crate) port: u16,
    pub(crate) resolver: Arc<dyn Resolve>,
}

impl Checked {
    /// Returns the addresses to try.
    ///
    /// # Errors
    ///
    /// If there are none, or one that the rule does not allow.
    fn addresses(&self) -> Result<Vec<SocketAddr>, Failure> {
        let addresses = match &self.host {
            Host::Ipv4(address) => vec![IpAddr::V4(*address)],
            Host::Ipv6(address) => vec![IpAddr::V6(*address)],
            Host::Domain(name) => self.resolver.resolve(name).map_err(|error| {
                Failure::new(FailureKind::Dns, format!("the name {name} cannot be resolved: {error}"))
            })?,
        };
        if addresses.is_empty() {
            return Err(Failure::new(FailureKind::Dns, format!("the name {} has no address", self.host)));
        }
        if let Some(address) = addresses.iter().find(|&&address| !self.rule.allows_address(address)) {
            let class = AddressClass::of(*address);
            let why = |to: String| {
                format!(
                    "{} leads to {to}, which the rule {:?} does not allow",
                    self.host,
                    self.rule.pattern()
                )
            };
            // What names lead to inside is for the operator alone.
            let detail = Some(why(format!("{address}, {class}")));
            return Err(Failure { detail, ..Failure::denied(why(class.to_string())) });
        }
        let pinned = addresses.into_iter().take(MAX_ADDRESSES);
        Ok(pinned.map(|address| SocketAddr::new(address, self.port)).collect())
    }
}

impl Resolver for Checked {
    fn resolve(&self, _: &Uri, _: &Config, _: NextTimeout) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let addresses = self.addresses().map_err(|failure| ureq::Error::Other(Box::new(failure)))?;
        let mut resolved = self.empty();
        addresses.into_iter().for_each(|address| resolved.push(address));
        Ok(resolved)
    }
}

impl fmt::Debug for Checked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Checked").field("host", &self.host).field("port", &self.port).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Mutex;

    use super::super::rule::{HttpRuleOptions, Target};
    use super::*;

    /// Gives each name its answers, one after the other.
    struct Answers(Mutex<BTreeMap<&'static str, Vec<Vec<&'static str>>>>);

    impl Resolve for Answers {
        fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>> {
            let mut answers = self.0.lock().expect("no panic");
            let next = answers.get_mut(name).filter(|left| !left.is_empty()).map(|left| left.remove(0));
            let next = next.ok_or_else(|| io::Error::other("no such name"))?;
            Ok(next.iter().map(|address| address.parse().expect("an address")).collect())
        }
    }

    fn addresses(
        pattern: &str,
        url: &str,
        answers: &[&'static str],
        allow_private: bool,
    ) -> Result<String, String> {
        let target = Target::parse(url).expect("a URL");
        let options = HttpRuleOptions { allow_private, ..HttpRuleOptions::default() };
        let rule = HttpRule::new(pattern, options).expect("a rule");
        let names = ["a.example", "localhost"].map(|name| (name, vec![answers.to_vec()]));
        let resolver = Arc::new(Answers(Mutex::new(names.into())));
        let checked = Checked { rule, host: target.host().clone(), port: target.port(), resolver };
        let shown =
            |list: Vec<SocketAddr>| list.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        checked.addresses().map(shown).map_err(|failure| failure.message)
    }

    #[test]
    fn public_addresses_are_pinned_with_the_port_of_the_url() {
        let pinned =
            addresses("a.example:8443", "https://a.example:8443/", &["1.1.1.1", "2606:4700::1"], false);
        assert_eq!(pinned, Ok("1.1.1.1:8443 [2606:4700::1]:8443".into()));
    }

    #[test]
    fn one_private_answer_among_public_ones_refuses_the_name() {
        let refused = addresses("a.example", "https://a.example/", &["1.1.1.1", "10.0.0.1"], false);
        let message =
            "a.example leads to an address of a private network, which the rule \"a.example\" does not allow";
        assert_eq!(refused, Err(message.into()));
    }

    #[test]
    fn private_addresses_are_allowed_where_the_rule_says_so_and_no_others() {
        for (answer, is_allowed) in [
            ("10.0.0.1", true),
            ("127.0.0.1", true),
            ("fd00::1", true),
            ("169.254.169.254", false),
            ("fd00:ec2::254", false),
            ("169.254.0.1", false),
            ("0.0.0.0", false),
            ("224.0.0.1", false),
            ("fe80::1", false),
        ] {
            let found = addresses("a.example", "https://a.example/", &[answer], true);
            assert_eq!(found.is_ok(), is_allowed, "{answer}");
        }
    }

    #[test]
    fn address_is_allowed_where_the_rule_names_it() {
        for (pattern, url) in [
            ("http://127.0.0.1", "http://127.0.0.1/"),
            ("http://127.0.0.1", "http://0x7f.1/"),
            ("http://10.1.2.3:80", "http://10.1.2.3/"),
            ("http://[::1]", "http://[::1]/"),
            ("http://169.254.169.254", "http://169.254.169.254/"),
        ] {
            assert!(addresses(pattern, url, &[], false).is_ok(), "{pattern} {url}");
        }
    }

    #[test]
    fn localhost_leads_to_this_machine_and_nowhere_else() {
        let pinned = addresses("http://localhost:80", "http://localhost/", &["127.0.0.1", "::1"], false);
        assert_eq!(pinned, Ok("127.0.0.1:80 [::1]:80".into()));
        assert!(addresses("http://localhost", "http://localhost/", &["192.168.0.1"], false).is_err());
        assert!(addresses("http://a.example", "http://a.example/", &["127.0.0.1"], false).is_err());
    }

    #[test]
    fn name_that_changes_its_answer_is_checked_again_at_the_next_connection() {
        let target = Target::parse("http://a.example/").expect("a URL");
        let rule = HttpRule::new("http://a.example", HttpRuleOptions::default()).expect("a rule");
        let answers = BTreeMap::from([("a.example", vec![vec!["1.1.1.1"], vec!["127.0.0.1"]])]);
        let resolver = Arc::new(Answers(Mutex::new(answers)));
        let checked = Checked { rule, host: target.host().clone(), port: 80, resolver };
        assert!(checked.addresses().is_ok());
        assert_eq!(checked.addresses().expect_err("rebound").kind, FailureKind::Denied);
        assert_eq!(
            checked.addresses().expect_err("gone").message,
            "the name a.example cannot be resolved: no such name"
        );
    }
}
