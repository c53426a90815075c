//! A request of the guest, made fit to be sent: method, headers, body.
//!
//! Guarantees: headers of the connection, of proxies and of framing never come from the guest; names and values hold no
//! line break. A header that the host sets takes the place of the guest's. Never: decides whether the request is allowed.
//!
//! Before: `http`. After: `rule` decides, `client` sends.

use std::sync::Arc;

use hypercell_abi::message::HttpHeader;
use ureq::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};

use super::Failure;
use super::rule::Target;

/// Redirects that the host follows at most, as browsers do.
pub(crate) const MAX_REDIRECTS: u64 = 20;

/// One request, which a redirect may change.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: Method,
    pub(crate) target: Target,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Arc<Vec<u8>>,
}

impl Request {
    /// Checks what the guest asks for. Input is guest-controlled.
    ///
    /// # Errors
    ///
    /// What no rule can allow.
    pub(crate) fn new(method: &str, url: &str, headers: &[HttpHeader<'_>]) -> Result<Self, Failure> {
        if !is_method(method) {
            return Err(Failure::request(format!("the method {method:?} cannot be used here")));
        }
        let known = Method::from_bytes(method.as_bytes())
            .map_err(|_| Failure::request(format!("{method:?} is no method")))?;
        let target =
            Target::parse(url).map_err(|why| Failure::request(format!("the URL {} {why}", shown(url))))?;
        let mut map = HeaderMap::with_capacity(headers.len());
        for (name, value) in headers {
            let bad = || Failure::request(format!("the header {} cannot be sent", shown(name)));
            let parsed = HeaderName::from_bytes(name.as_bytes()).map_err(|_| bad())?;
            map.append(parsed, HeaderValue::from_bytes(value).map_err(|_| bad())?);
        }
        drop_hop_by_hop(&mut map);
        Ok(Self { method: known, target, headers: map, body: Arc::default() })
    }

    /// Returns about how many bytes it has on the wire.
    pub(crate) fn len_bytes(&self) -> usize {
        let sizes = self.headers.iter().map(|(name, value)| name.as_str().len().saturating_add(value.len()));
        let first_line = [self.method.as_str().len(), self.target.as_str().len(), self.body.len()];
        sizes.chain(first_line).fold(0, usize::saturating_add)
    }

    /// Returns the request that a redirect asks for, as the Fetch standard says: another method and no body where browsers
    /// do so, no credentials for another origin. `None` if the response is no redirect.
    ///
    /// # Errors
    ///
    /// A location that is no URL of HTTP.
    pub(crate) fn redirected(
        &self,
        status: StatusCode,
        headers: &HeaderMap,
    ) -> Result<Option<Self>, Failure> {
        if !matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308) {
            return Ok(None);
        }
        let Some(location) = headers.get("location") else { return Ok(None) };
        let text = std::str::from_utf8(location.as_bytes())
            .map_err(|_| Failure::protocol("a redirect to what is no text".into()))?;
        let target = self.target.join(text).map_err(|why| {
            Failure::denied(format!("the redirect from {} to {} {why}", self.target.as_str(), shown(text)))
        })?;
        let mut next = Self { target, ..self.clone() };
        let becomes_get = match status.as_u16() {
            303 => self.method != Method::HEAD && self.method != Method::GET,
            301 | 302 => self.method == Method::POST,
            _ => false,
        };
        if becomes_get {
            next.method = Method::GET;
            next.body = Arc::default();
            for name in ["content-type", "content-encoding", "content-language", "content-location"] {
                next.headers.remove(name);
            }
        }
        if !next.target.has_origin_of(&self.target) {
            for name in ["authorization", "cookie", "origin"] {
                next.headers.remove(name);
            }
        }
        Ok(Some(next))
    }
}

/// Whether a text is a method that can be allowed: not CONNECT, which makes a tunnel, nor TRACE, which shows the headers
/// that the host sets.
pub(crate) fn is_method(method: &str) -> bool {
    let is_token =
        !method.is_empty() && method.bytes().all(|c| c.is_ascii_uppercase() || matches!(c, b'-' | b'_'));
    is_token && !matches!(method, "CONNECT" | "TRACE" | "TRACK")
}

/// Whether a header is about one connection, or frames the message.
pub(crate) fn is_hop_by_hop(name: &HeaderName) -> bool {
    let name = name.as_str();
    name.starts_with("proxy-")
        || matches!(
            name,
            "connection"
                | "content-length"
                | "expect"
                | "host"
                | "http2-settings"
                | "keep-alive"
                | "te"
                | "trailer"
                | "transfer-encoding"
                | "upgrade"
        )
}

/// Takes out what belongs to the connection, what `Connection` names included.
pub(crate) fn drop_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all("connection")
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| HeaderName::from_bytes(name.trim().as_bytes()).ok())
        .collect();
    let dropped: Vec<HeaderName> =
        headers.keys().filter(|&name| is_hop_by_hop(name) || named.contains(name)).cloned().collect();
    for name in dropped {
        headers.remove(name);
    }
}

/// Shows a text of the guest or of a server in an error: quoted, and cut.
pub(crate) fn shown(text: &str) -> String {
    const MAX_SHOWN_CHARS: usize = 200;
    if text.chars().count() <= MAX_SHOWN_CHARS {
        return format!("{text:?}");
    }
    format!("{:?}...", text.chars().take(MAX_SHOWN_CHARS).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get(url: &str) -> Request {
        let headers: [HttpHeader<'_>; 3] =
            [("Authorization", b"guest"), ("cookie", b"a=b"), ("accept", b"*/*")];
        Request::new("GET", url, &headers).expect("a good request")
    }

    fn redirect(request: &Request, status: u16, location: &str) -> Request {
        let mut headers = HeaderMap::new();
        headers.insert("location", HeaderValue::from_str(location).expect("a value"));
        let status = StatusCode::from_u16(status).expect("a status");
        request.redirected(status, &headers).expect("a good location").expect("a redirect")
    }

    #[test]
    fn headers_of_connection_proxy_and_framing_are_dropped() {
        let headers: Vec<HttpHeader<'_>> = vec![
            ("Host", b"other"),
            ("Content-Length", b"5"),
            ("Transfer-Encoding", b"chunked"),
            ("Connection", b"close, X-Secret-Hop"),
            ("X-Secret-Hop", b"1"),
            ("Proxy-Authorization", b"p"),
            ("Proxy-Connection", b"p"),
            ("TE", b"trailers"),
            ("Trailer", b"x"),
            ("Upgrade", b"websocket"),
            ("Expect", b"100-continue"),
            ("Keep-Alive", b"1"),
            ("HTTP2-Settings", b"x"),
            ("X-Kept", b"\xff"),
        ];
        let request = Request::new("GET", "https://a.example/", &headers).expect("a good request");
        let left: Vec<_> =
            request.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
        assert_eq!(left, [("x-kept", &b"\xff"[..])]);
    }

    #[test]
    fn header_with_a_line_break_is_refused() {
        let attempts: [HttpHeader<'_>; 6] = [
            ("x", b"a\r\nHost: evil"),
            ("x", b"a\nb"),
            ("x", b"a\0"),
            ("x\r\nhost", b"a"),
            ("x: y", b"a"),
            ("", b"a"),
        ];
        for header in attempts {
            let error = Request::new("GET", "https://a.example/", &[header]).expect_err("a bad header");
            assert_eq!(error.message, format!("the header {:?} cannot be sent", header.0));
        }
    }

    #[test]
    fn methods_that_tunnel_or_echo_are_refused() {
        for method in ["CONNECT", "TRACE", "TRACK", "", "get", "GET ", "GET\r\n", "G T", "GÉT"] {
            let error = Request::new(method, "https://a.example/", &[]).expect_err("a bad method");
            assert_eq!(error.message, format!("the method {method:?} cannot be used here"));
        }
        for method in ["GET", "PROPFIND", "M-SEARCH"] {
            assert!(Request::new(method, "https://a.example/", &[]).is_ok(), "{method}");
        }
    }

    #[test]
    fn redirect_changes_the_method_as_browsers_do() {
        let table = [
            ("GET", 301, "GET"),
            ("POST", 301, "GET"),
            ("POST", 302, "GET"),
            ("PUT", 302, "PUT"),
            ("POST", 303, "GET"),
            ("DELETE", 303, "GET"),
            ("HEAD", 303, "HEAD"),
            ("POST", 307, "POST"),
            ("POST", 308, "POST"),
        ];
        for (method, status, expected) in table {
            let mut request = Request::new(method, "https://a.example/x", &[("content-type", b"text/plain")])
                .expect("good");
            request.body = Arc::new(b"body".to_vec());
            let next = redirect(&request, status, "y");
            assert_eq!(next.method.as_str(), expected, "{method} {status}");
            assert_eq!(next.target.as_str(), "https://a.example/y");
            let is_kept = method == expected;
            assert_eq!(next.body.is_empty(), !is_kept, "{method} {status}");
            assert_eq!(next.headers.contains_key("content-type"), is_kept, "{method} {status}");
        }
    }

    #[test]
    fn credentials_stay_with_their_origin() {
        let request = get("https://a.example/");
        for same in ["/other", "https://a.example:443/x", "HTTPS://A.EXAMPLE./x"] {
            assert!(redirect(&request, 302, same).headers.contains_key("authorization"), "{same}");
        }
        for other in ["https://b.example/", "http://a.example/", "https://a.example:8443/", "//x.a.example/"]
        {
            let next = redirect(&request, 302, other);
            assert!(!next.headers.contains_key("authorization"), "{other}");
            assert!(!next.headers.contains_key("cookie"), "{other}");
            assert!(next.headers.contains_key("accept"), "{other}");
        }
    }

    #[test]
    fn redirect_to_what_is_not_http_is_refused() {
        let request = get("https://a.example/");
        for location in
            ["file:///etc/passwd", "ftp://a.example/", "javascript:alert(1)", "https://u:p@a.example/"]
        {
            let mut headers = HeaderMap::new();
            headers.insert("location", HeaderValue::from_static(location));
            let error = request.redirected(StatusCode::FOUND, &headers).expect_err(location);
            assert!(
                error.message.starts_with("the redirect from https://a.example/ to "),
                "{}",
                error.message
            );
        }
    }
}
