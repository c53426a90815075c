//! The caller's say about a request that a rule allows.
//!
//! Guarantees: what the caller puts in its place goes through the same checks and rules as what a guest asks for; headers
//! that a rule sets are not shown. Never: sends.
//!
//! Before: `http`, for each hop. After: the caller's hook.

use std::sync::Arc;

use hypercell_abi::limits::{MAX_HTTP_HEADERS, MAX_MESSAGE_TEXT_BYTES};
use hypercell_abi::message::HttpHeader;

use super::request::Request;
use super::{Context, Failure, HttpGate, HttpReply, denied_or_failed, record_allowed, rule};
use crate::audit::{AuditEvent, ContentDigest};
use crate::error::Error;
use crate::run::{ToolCaller, Verdict};
use crate::shorten::shorten_middle;

/// A request that a rule allows and that nobody has sent yet. Guest-controlled; a server's, after a redirect.
#[derive(Debug)]
pub struct HttpAttempt<'a> {
    request: &'a Request,
    hop: u64,
}

/// A request in place of another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpChange {
    /// In capitals.
    pub method: String,
    /// Absolute.
    pub url: String,
    /// Names and values. Those of the connection are left out when it is sent.
    pub headers: Vec<(String, Vec<u8>)>,
    /// All of it.
    pub body: Vec<u8>,
}

impl HttpAttempt<'_> {
    /// Returns the method, in capitals.
    #[must_use]
    pub fn method(&self) -> &str {
        self.request.method.as_str()
    }

    /// Returns the URL as it will be fetched.
    #[must_use]
    pub fn url(&self) -> &str {
        self.request.target.as_str()
    }

    /// Returns names, in lower case, and values; neither those of the connection nor those that a rule sets.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.request.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()))
    }

    /// Returns the body.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        &self.request.body
    }

    /// Returns how many redirects the host followed before.
    #[must_use]
    pub const fn hop(&self) -> u64 {
        self.hop
    }
}

impl HttpGate {
    /// Asks the caller about a request, and returns what is to be sent and the place of the rule that allows it, or what
    /// the guest is told.
    ///
    /// # Errors
    ///
    /// [`Error::Cancelled`] if the caller wants so; why the run must end if it must meanwhile; [`Error::Limit`] if what
    /// the caller puts in its place is a byte too many.
    pub(super) fn ask(
        &mut self,
        caller: &dyn ToolCaller,
        context: Context<'_>,
        number: u64,
        request: Request,
        rule: usize,
        hop: u64,
    ) -> Result<Result<(Request, usize), HttpReply>, Error> {
        let verdict = caller.before_http(&HttpAttempt { request: &request, hop });
        if !matches!(verdict, Verdict::Stop { .. }) {
            // The hook may have taken its time.
            context.control.check_stop()?;
        }
        match verdict {
            Verdict::Allow => Ok(Ok((request, rule))),
            Verdict::Deny { reason } => {
                let (method, url) = (request.method.as_str(), request.target.as_str());
                let message = format!("{method} {url} is not allowed: {reason}");
                let message = shorten_middle(&message, MAX_MESSAGE_TEXT_BYTES).into_owned();
                let failure = Failure { detail: Some(reason), ..Failure::denied(message) };
                Ok(Err(denied_or_failed(context, number, &request, failure)))
            }
            Verdict::Change(change) => self.admit(context, number, &request, change),
            Verdict::Stop { reason } => {
                // The run ends, and its guest is told nothing.
                let _ = denied_or_failed(context, number, &request, Failure::denied(reason.clone()));
                Err(Error::Cancelled { reason })
            }
        }
    }

    /// Decides what the caller puts in the place of a request, as if the guest had asked for it.
    fn admit(
        &mut self,
        context: Context<'_>,
        number: u64,
        before: &Request,
        change: HttpChange,
    ) -> Result<Result<(Request, usize), HttpReply>, Error> {
        let changed = match request_of(change) {
            Ok(changed) => changed,
            Err(failure) => return Ok(Err(denied_or_failed(context, number, before, failure))),
        };
        self.request_bytes.charge(changed.len_bytes().saturating_sub(before.len_bytes()))?;
        let (run, audit) = (context.run, context.audit);
        audit.record_with(|| AuditEvent::HttpRewritten {
            run,
            request: number,
            method: changed.method.as_str(),
            url: changed.target.as_str(),
            len_bytes: changed.len_bytes(),
            digest: digest_of(&changed),
        });
        match rule::find(&self.network.policy.rules, changed.method.as_str(), &changed.target) {
            Ok((place, allowing)) => {
                record_allowed(audit, run, number, &changed, allowing);
                Ok(Ok((changed, place)))
            }
            Err(failure) => Ok(Err(denied_or_failed(context, number, &changed, failure))),
        }
    }
}

/// Checks a request of the caller as one of the guest is checked; what cannot be is denied.
fn request_of(change: HttpChange) -> Result<Request, Failure> {
    if change.headers.len() > MAX_HTTP_HEADERS {
        let count = change.headers.len();
        return Err(Failure::denied(format!("{count} headers exceed {MAX_HTTP_HEADERS}")));
    }
    let headers: Vec<HttpHeader<'_>> =
        change.headers.iter().map(|(name, value)| (name.as_str(), value.as_slice())).collect();
    let mut request = Request::new(&change.method, &change.url, &headers)
        .map_err(|failure| Failure::denied(failure.message))?;
    request.body = Arc::new(change.body);
    Ok(request)
}

fn digest_of(request: &Request) -> ContentDigest {
    let first = [request.method.as_str(), " ", request.target.as_str(), "\r\n"].map(str::as_bytes);
    let headers = request.headers.iter();
    let headers =
        headers.flat_map(|(name, value)| [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"]);
    ContentDigest::of(first.into_iter().chain(headers).chain([&b"\r\n"[..], &request.body]))
}
