//! Which requests a sandbox may make: rules as the caller writes them, and what they match.
//!
//! Guarantees: rules and requests go through the same parser of URLs (WHATWG, IDNA), and what was matched is what is
//! fetched, never the guest's own text; scheme, host, port and method are compared for equality, paths segment by segment.
//! A path that some server might read in two ways matches no rule with a path. Never: resolves a name.
//!
//! Before: the caller's policy, and `http` for each request and redirect. After: `address` and `client`.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use hypercell_abi::limits::MAX_HTTP_URL_BYTES;
use percent_encoding::percent_decode;
use ureq::http::{HeaderName, HeaderValue};
use ureq::tls::{Certificate, PemItem, parse_pem};
use url::{Host, Url};

use super::Failure;
use super::address::AddressClass;
use crate::error::UsageError;

/// Rounds of percent-decoding after which a path is taken for a trick.
const MAX_DECODINGS: usize = 4;
/// Longest pattern: a guest that is denied is told of several.
const MAX_PATTERN_BYTES: usize = 2048;
/// Rules listed to a guest that asks for what no rule allows.
const MAX_LISTED_RULES: usize = 8;

/// How one rule is given.
#[derive(Clone, Default)]
pub struct HttpRuleOptions {
    /// Methods that may be used; `None` is all.
    pub methods: Option<Vec<String>>,
    /// Headers that the host sets in each request, in place of the guest's own: secrets that the guest never sees.
    pub headers: Vec<(String, Vec<u8>)>,
    /// Whether names may lead to loopback and private addresses.
    pub allow_private: bool,
    /// Certificates to trust in place of the system's, in PEM.
    pub ca_pem: Option<Vec<u8>>,
}

/// What a sandbox may reach: an origin, or all names below one, with a path prefix and methods.
#[derive(Clone)]
pub struct HttpRule {
    pattern: String,
    scheme: &'static str,
    host: HostRule,
    port: u16,
    /// Without a slash at the end; empty is every path.
    path: String,
    methods: Option<Vec<String>>,
    headers: Vec<(HeaderName, HeaderValue)>,
    allow_private: bool,
    ca: Option<Arc<Vec<Certificate<'static>>>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum HostRule {
    Exact(Host),
    /// Names that end with this, which begins with a dot.
    Below(String),
}

/// An absolute URL of HTTP, normalised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    url: Url,
    host: Host,
    port: u16,
}

impl Target {
    /// Parses a URL. Input is guest-controlled, or comes from a server that redirects.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        authority_of(text)?;
        let mut url = Url::parse(text).map_err(reason_of)?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err("is not of http or https");
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("holds a user name or password; send them in a header");
        }
        url.set_fragment(None);
        let host = match url.host().ok_or("has no host")? {
            Host::Domain(name) => {
                let name = name.strip_suffix('.').unwrap_or(name).to_owned();
                if name.split('.').any(str::is_empty) {
                    return Err("has an empty label in its host");
                }
                url.set_host(Some(&name)).map_err(reason_of)?;
                Host::Domain(name)
            }
            other => other.to_owned(),
        };
        if url.as_str().len() > MAX_HTTP_URL_BYTES {
            return Err("is too long");
        }
        let port = url.port_or_known_default().ok_or("has no port")?;
        Ok(Self { url, host, port })
    }

    /// Returns what a redirect of this leads to.
    ///
    /// # Errors
    ///
    /// What is wrong with the location.
    pub(crate) fn join(&self, location: &str) -> Result<Self, &'static str> {
        Self::parse(self.url.join(location).map_err(reason_of)?.as_str())
    }

    pub(crate) fn as_str(&self) -> &str {
        self.url.as_str()
    }

    pub(crate) fn host(&self) -> &Host {
        &self.host
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn is_https(&self) -> bool {
        self.url.scheme() == "https"
    }

    pub(crate) fn has_origin_of(&self, other: &Self) -> bool {
        (self.url.scheme(), &self.host, self.port) == (other.url.scheme(), &other.host, other.port)
    }
}

/// The pattern and what else decides a request, without secrets.
impl fmt::Display for HttpRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.pattern)?;
        if let Some(methods) = &self.methods {
            write!(f, " {}", methods.join(","))?;
        }
        if self.allow_private {
            f.write_str(" private")?;
        }
        Ok(())
    }
}

impl HttpRule {
    /// Reads a rule: `api.github.com`, `*.example.org`, `http://localhost:8000` or `https://host:8443/prefix`. Without a
    /// scheme it is one of https, without a port the scheme's own.
    ///
    /// # Errors
    ///
    /// [`UsageError::HttpRule`].
    pub fn new(pattern: &str, options: HttpRuleOptions) -> Result<Self, UsageError> {
        let error = |reason: &str| UsageError::HttpRule { pattern: pattern.into(), reason: reason.into() };
        if pattern.len() > MAX_PATTERN_BYTES {
            let shown: String = pattern.chars().take(40).collect();
            let reason = format!("... has {} bytes, which exceeds {MAX_PATTERN_BYTES}", pattern.len());
            return Err(UsageError::HttpRule { pattern: shown, reason });
        }
        let with_scheme =
            if pattern.contains("://") { pattern.to_owned() } else { format!("https://{pattern}") };
        let authority = authority_of(&with_scheme).map_err(error)?;
        let (text, is_wildcard) = match authority.strip_prefix("*.") {
            Some(_) => (with_scheme.replacen("*.", "", 1), true),
            None => (with_scheme, false),
        };
        if text.contains('*') {
            return Err(error("has a * elsewhere than in front of a domain, as in *.example.org"));
        }
        if text.contains(['?', '#']) {
            return Err(error("has a query or a fragment, which rules do not look at"));
        }
        let raw_path = text.splitn(4, '/').nth(3).unwrap_or_default();
        if is_ambiguous(raw_path) {
            return Err(error("has a path with dots, backslashes or slashes that servers read in two ways"));
        }
        let target = Target::parse(&text).map_err(error)?;
        let host = match (is_wildcard, target.host()) {
            (false, host) => HostRule::Exact(host.clone()),
            (true, Host::Domain(name)) if name.contains('.') => HostRule::Below(format!(".{name}")),
            (true, _) => return Err(error("has a * in front of what is no domain with a dot")),
        };
        let headers = options.headers.iter().map(|(name, value)| {
            let parsed =
                HeaderName::from_bytes(name.as_bytes()).ok().zip(HeaderValue::from_bytes(value).ok());
            let (name, mut value) = parsed.ok_or_else(|| error(&format!("sets a bad header {name:?}")))?;
            value.set_sensitive(true);
            if super::request::is_hop_by_hop(&name) {
                return Err(error(&format!("sets the header {name:?}, which belongs to the connection")));
            }
            Ok((name, value))
        });
        for method in options.methods.iter().flatten() {
            if !super::request::is_method(method) {
                return Err(error(&format!("names {method:?}, which is no method that can be allowed")));
            }
        }
        Ok(Self {
            pattern: pattern.to_owned(),
            scheme: if target.is_https() { "https" } else { "http" },
            host,
            port: target.port(),
            path: target.url.path().trim_end_matches('/').to_owned(),
            headers: headers.collect::<Result<_, _>>()?,
            methods: options.methods,
            allow_private: options.allow_private,
            ca: options
                .ca_pem
                .map(|pem| certificates(&pem).ok_or_else(|| error("brings no certificate")))
                .transpose()?,
        })
    }

    /// Checks whether this rule allows a request, as the gate does for a guest that asks. Resolves no name.
    ///
    /// # Errors
    ///
    /// Why not, as the guest is told.
    pub fn check_request(&self, method: &str, url: &str) -> Result<(), String> {
        let request = super::request::Request::new(method, url, &[]).map_err(|failure| failure.message)?;
        let found = find(std::slice::from_ref(self), method, &request.target);
        found.map(drop).map_err(|failure| failure.message)
    }

    /// The text that it was made of.
    pub(crate) fn pattern(&self) -> &str {
        &self.pattern
    }

    /// Headers that the host sets.
    pub(crate) fn headers(&self) -> &[(HeaderName, HeaderValue)] {
        &self.headers
    }

    /// Certificates to trust in place of the system's.
    pub(crate) fn certificates(&self) -> Option<&Arc<Vec<Certificate<'static>>>> {
        self.ca.as_ref()
    }

    /// Whether a connection for this rule may go to this address.
    pub(crate) fn allows_address(&self, address: IpAddr) -> bool {
        let class = AddressClass::of(address);
        match (&self.host, class) {
            (_, AddressClass::Public) => true,
            (HostRule::Exact(Host::Ipv4(named)), _) => address == *named,
            (HostRule::Exact(Host::Ipv6(named)), _) => address == *named,
            (HostRule::Exact(Host::Domain(name)), AddressClass::Loopback) if name == "localhost" => true,
            (_, AddressClass::Loopback | AddressClass::Private) => self.allow_private,
            _ => false,
        }
    }

    /// Returns how much of a request matches: all of it, or why not.
    fn check(&self, method: &str, target: &Target) -> Result<(), Mismatch<'_>> {
        let is_host = match (&self.host, target.host()) {
            (HostRule::Exact(named), host) => named == host,
            (HostRule::Below(suffix), Host::Domain(name)) => {
                name.len() > suffix.len() && name.ends_with(suffix)
            }
            (HostRule::Below(_), _) => false,
        };
        if !is_host {
            return Err(Mismatch::Host);
        }
        if self.scheme != target.url.scheme() {
            return Err(Mismatch::Scheme(self));
        }
        if self.port != target.port() {
            return Err(Mismatch::Port(self));
        }
        if !self.allows_path(target.url.path()) {
            return Err(Mismatch::Path(self));
        }
        match &self.methods {
            Some(methods) if !methods.iter().any(|allowed| allowed == method) => Err(Mismatch::Method(self)),
            _ => Ok(()),
        }
    }

    fn allows_path(&self, path: &str) -> bool {
        if self.path.is_empty() {
            return true;
        }
        let rest = path.strip_prefix(self.path.as_str());
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/')) && !is_ambiguous(path)
    }
}

impl fmt::Debug for HttpRule {
    /// Leaves the values of headers out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let headers: Vec<&str> = self.headers.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("HttpRule")
            .field("pattern", &self.pattern)
            .field("methods", &self.methods)
            .field("headers", &headers)
            .field("allow_private", &self.allow_private)
            .field("has_ca", &self.ca.is_some())
            .finish()
    }
}

impl fmt::Debug for HttpRuleOptions {
    /// Leaves the values of headers out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpRuleOptions").field("methods", &self.methods).finish_non_exhaustive()
    }
}

/// Why a rule does not match, the nearer to a match the later.
#[derive(Debug, Clone, Copy)]
enum Mismatch<'a> {
    Host,
    Scheme(&'a HttpRule),
    Port(&'a HttpRule),
    Path(&'a HttpRule),
    Method(&'a HttpRule),
}

impl Mismatch<'_> {
    fn rank(self) -> u8 {
        match self {
            Self::Host => 0,
            Self::Scheme(_) => 1,
            Self::Port(_) => 2,
            Self::Path(_) => 3,
            Self::Method(_) => 4,
        }
    }
}

/// Returns the first rule that allows a request, with its place.
///
/// # Errors
///
/// Why none does, for the guest: the rule that comes nearest, or the rules that there are.
pub(crate) fn find<'a>(
    rules: &'a [HttpRule],
    method: &str,
    target: &Target,
) -> Result<(usize, &'a HttpRule), Failure> {
    let mut nearest = Mismatch::Host;
    for (place, rule) in rules.iter().enumerate() {
        match rule.check(method, target) {
            Ok(()) => return Ok((place, rule)),
            Err(mismatch) if mismatch.rank() > nearest.rank() => nearest = mismatch,
            Err(_) => {}
        }
    }
    let host = target.host();
    let why = match nearest {
        Mismatch::Host if rules.is_empty() => "this sandbox has no domains".to_owned(),
        Mismatch::Host => {
            let listed: Vec<&str> = rules.iter().take(MAX_LISTED_RULES).map(HttpRule::pattern).collect();
            let rest = rules.len().saturating_sub(listed.len());
            let and_more = if rest == 0 { String::new() } else { format!(" and {rest} more") };
            format!("no rule allows the host {host}; there are {}{and_more}", listed.join(", "))
        }
        Mismatch::Scheme(rule) => format!("the rule {:?} allows {} only", rule.pattern, rule.scheme),
        Mismatch::Port(rule) => format!("the rule {:?} allows port {} only", rule.pattern, rule.port),
        Mismatch::Path(rule) => format!("the rule {:?} does not allow this path", rule.pattern),
        Mismatch::Method(rule) => {
            let methods = rule.methods.as_deref().unwrap_or_default().join(", ");
            format!("the rule {:?} allows the methods {methods} only", rule.pattern)
        }
    };
    Err(Failure::denied(format!("{method} {} is not allowed: {why}", target.as_str())))
}

/// Returns host and port of a URL as they are written, if they are written as anybody would.
fn authority_of(text: &str) -> Result<&str, &'static str> {
    if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err("holds a space or control character");
    }
    if text.contains('\\') {
        return Err("holds a backslash");
    }
    let (_, rest) = text.split_once("://").ok_or("has no scheme with ://")?;
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    match authority {
        "" => Err("has no host"),
        _ if authority.contains('@') => Err("holds a user name or password; send them in a header"),
        _ if authority.contains('%') => Err("has a host with a %"),
        _ if authority.ends_with(':') => Err("has a colon without a port"),
        _ => Ok(authority),
    }
}

/// Whether some server may read a path otherwise than it is written: encoded slashes, encoded or decorated dots,
/// backslashes, control characters, more than one layer of encoding of any of these.
fn is_ambiguous(path: &str) -> bool {
    let slashes = path.matches('/').count();
    let mut text = path.as_bytes().to_vec();
    for _ in 0..MAX_DECODINGS {
        let Ok(shown) = std::str::from_utf8(&text) else { return true };
        // Full-width forms become ASCII where a server normalises Unicode.
        let is_odd = |c: char| c.is_control() || matches!(c, '\\' | '\u{ff0e}' | '\u{ff0f}' | '\u{ff3c}');
        let is_dots = |part: &str| matches!(part.split(';').next(), Some("." | ".."));
        if shown.contains(is_odd) || shown.matches('/').count() > slashes || shown.split('/').any(is_dots) {
            return true;
        }
        let decoded: Vec<u8> = percent_decode(&text).collect();
        if decoded == text {
            return false;
        }
        text = decoded;
    }
    true
}

fn certificates(pem: &[u8]) -> Option<Arc<Vec<Certificate<'static>>>> {
    let mut certificates = Vec::new();
    for item in parse_pem(pem) {
        if let PemItem::Certificate(certificate) = item.ok()? {
            certificates.push(certificate);
        }
    }
    (!certificates.is_empty()).then(|| Arc::new(certificates))
}

fn reason_of(error: url::ParseError) -> &'static str {
    use url::ParseError as E;
    match error {
        E::EmptyHost => "has no host",
        E::IdnaError => "has a host that is no domain name",
        E::InvalidPort => "has a port that is no number up to 65535",
        E::InvalidIpv4Address => "has a host that is no IPv4 address",
        E::InvalidIpv6Address => "has a host that is no IPv6 address",
        E::InvalidDomainCharacter => "has a host with a character that no domain has",
        E::Overflow => "is too long",
        _ => "is no absolute URL",
    }
}

#[cfg(test)]
#[path = "rule_tests.rs"]
mod tests;
