//! The network gate: HTTP requests of the guest, decided by rules, made on the host, answered in parts.
//!
//! Guarantees: nothing is sent that no rule allows, redirects and what the caller changes included, nor before the caller
//! had its say; every request is charged before it is looked at further, and every hop is in the audit log before it is
//! taken; a secret of a rule goes into no frame, event or error, and to no hook. Waiting ends when the run must.
//! Never: decodes bytes (`channel` does).
//!
//! Before: `dispatch` decides, `answers` then acts. After: `rule`, `request`, `hook`, `resolve` and `client`.

mod address;
mod client;
mod hook;
mod request;
mod resolve;
mod rule;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hypercell_abi::HostFrame;
use hypercell_abi::limits::{MAX_HTTP_HEADERS, MAX_HTTP_OPEN, MAX_HTTP_PART_BYTES};
use hypercell_abi::message::{HttpBody, HttpError, HttpHead, HttpPart, HttpRead, HttpSend};

use self::client::{Chunk, Client, Fetch, Head};
pub use self::hook::{HttpAttempt, HttpChange};
use self::request::{MAX_REDIRECTS, Request};
pub use self::resolve::{Resolve, SystemResolver};
pub use self::rule::{HttpRule, HttpRuleOptions};
use crate::audit::{AuditEvent, AuditLog};
use crate::control::Control;
use crate::error::{Error, LimitError, LimitKind};
use crate::gate::{Budget, Context};
use crate::limits::Limits;

/// What of the network a sandbox may reach: nothing, unless said.
#[derive(Clone, Default)]
pub struct HttpPolicy {
    /// The first that matches a request holds.
    pub rules: Vec<HttpRule>,
    /// Finds addresses; the system's resolver unless given.
    pub resolver: Option<Arc<dyn Resolve>>,
}

impl fmt::Debug for HttpPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpPolicy").field("rules", &self.rules).finish_non_exhaustive()
    }
}

/// The policy of a sandbox, and what its requests share.
#[derive(Debug)]
pub(crate) struct Network {
    policy: HttpPolicy,
    /// One for each rule.
    clients: Vec<Client>,
}

impl Network {
    pub(crate) fn new(policy: HttpPolicy) -> Self {
        let threads = Arc::default();
        let clients = policy.rules.iter().map(|rule| Client::new(rule, Arc::clone(&threads))).collect();
        Self { policy, clients }
    }
}

/// Why there is no response, or no more of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Failure {
    pub(crate) kind: FailureKind,
    /// What the guest is told.
    pub(crate) message: String,
    /// What the audit log is told instead, where the guest need not know as much.
    pub(crate) detail: Option<String>,
}

/// The words that `docs/abi.md` lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FailureKind {
    Denied,
    Request,
    Dns,
    Connect,
    Tls,
    Timeout,
    Closed,
    Protocol,
    Limit,
    Order,
}

impl FailureKind {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Denied => "denied",
            Self::Request => "request",
            Self::Dns => "dns",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Timeout => "timeout",
            Self::Closed => "closed",
            Self::Protocol => "protocol",
            Self::Limit => "limit",
            Self::Order => "order",
        }
    }
}

impl Failure {
    fn new(kind: FailureKind, message: String) -> Self {
        Self { kind, message, detail: None }
    }

    fn denied(message: String) -> Self {
        Self::new(FailureKind::Denied, message)
    }

    fn request(message: String) -> Self {
        Self::new(FailureKind::Request, message)
    }

    fn protocol(message: String) -> Self {
        Self::new(FailureKind::Protocol, message)
    }

    fn order(id: u64, due: &str) -> Self {
        Self::new(FailureKind::Order, format!("exchange {id} {due}"))
    }
}

/// The HTTP exchanges of one run, and what they may still use.
#[derive(Debug)]
pub(crate) struct HttpGate {
    network: Arc<Network>,
    requests: Budget,
    request_bytes: Budget,
    response_bytes: Budget,
    max_time: Duration,
    /// Time spent waiting for servers.
    time: Duration,
    /// By the guest's number.
    open: BTreeMap<u64, Exchange>,
}

#[derive(Debug)]
struct Exchange {
    /// Number of the request that it began with, for the audit log.
    number: u64,
    state: State,
}

#[derive(Debug)]
enum State {
    /// The body is still coming.
    Sending(Pending),
    /// The response is being read.
    Receiving { fetch: Fetch, deadline: Instant, request: String },
}

/// A request that was allowed.
#[derive(Debug)]
struct Pending {
    request: Request,
    rule: usize,
    redirects: u64,
    timeout: Option<Duration>,
}

/// What follows a frame of HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum HttpNext {
    /// More of the request may come, or the exchange is closed.
    Acknowledge,
    /// Make the request.
    Fetch,
    /// Wait for more of the response.
    Read { max_bytes: usize, timeout: Option<Duration> },
    /// Tell the guest why not.
    Fail(Failure),
}

/// What the guest is told.
#[derive(Debug)]
pub(crate) enum HttpReply {
    Acknowledge,
    Head { status: u16, url: String, headers: Vec<(String, Vec<u8>)> },
    Body { body: Vec<u8>, is_end: bool },
    Fail(Failure),
}

/// What used up how much until now.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct HttpUsage {
    pub(crate) requests: u64,
    pub(crate) request_bytes: u64,
    pub(crate) response_bytes: u64,
    pub(crate) time: Duration,
}

impl HttpGate {
    /// Starts a run without an exchange.
    pub(crate) fn new(network: Arc<Network>, limits: &Limits) -> Self {
        Self {
            network,
            requests: Budget::new(LimitKind::HttpRequests, limits.http_requests),
            request_bytes: Budget::new(LimitKind::HttpRequestBytes, limits.http_request_bytes),
            response_bytes: Budget::new(LimitKind::HttpResponseBytes, limits.http_response_bytes),
            max_time: limits.http_time,
            time: Duration::ZERO,
            open: BTreeMap::new(),
        }
    }

    /// Counts what another process used for this run.
    ///
    /// # Errors
    ///
    /// [`LimitError`] if it is more than the run may use.
    pub(crate) fn take_over(&mut self, used: &HttpUsage) -> Result<(), LimitError> {
        self.requests.charge_u64(used.requests)?;
        self.request_bytes.charge_u64(used.request_bytes)?;
        self.response_bytes.charge_u64(used.response_bytes)?;
        self.time = used.time;
        Ok(())
    }

    /// Returns what was used, denied requests included.
    pub(crate) fn usage(&self) -> HttpUsage {
        HttpUsage {
            requests: self.requests.used(),
            request_bytes: self.request_bytes.used(),
            response_bytes: self.response_bytes.used(),
            time: self.time,
        }
    }

    /// Decides a request, or its first part. Input is guest-controlled.
    ///
    /// # Errors
    ///
    /// [`LimitError`] if it is a request or a byte too many; the run ends.
    pub(crate) fn decide_send(
        &mut self,
        send: &HttpSend<'_>,
        run: u64,
        audit: &AuditLog,
    ) -> Result<HttpNext, LimitError> {
        self.requests.charge(1)?;
        let number = self.requests.used();
        let deny = |url: &str, failure: Failure| {
            let (method, reason) = (send.method, failure.message.as_str());
            audit.record(&AuditEvent::HttpDenied { run, request: number, method, url, reason });
            Ok(HttpNext::Fail(failure))
        };
        if self.open.contains_key(&send.id) {
            return deny(send.url, Failure::order(send.id, "goes on already"));
        }
        if self.open.len() >= MAX_HTTP_OPEN {
            let message = format!("{MAX_HTTP_OPEN} responses are open; read one to its end, or close it");
            return deny(send.url, Failure::new(FailureKind::Limit, message));
        }
        let mut request = match Request::new(send.method, send.url, &send.headers) {
            Ok(request) => request,
            Err(failure) => return deny(send.url, failure),
        };
        request.body = Arc::new(send.body.to_vec());
        self.request_bytes.charge(request.len_bytes())?;
        let network = self.network.clone();
        let rule = match rule::find(&network.policy.rules, send.method, &request.target) {
            Ok((place, rule)) => {
                record_allowed(audit, run, number, &request, rule);
                place
            }
            Err(failure) => return deny(request.target.as_str(), failure),
        };
        let redirects = send.redirects.min(MAX_REDIRECTS);
        let timeout = send.timeout_ns.map(Duration::from_nanos);
        let state = State::Sending(Pending { request, rule, redirects, timeout });
        self.open.insert(send.id, Exchange { number, state });
        Ok(if send.more { HttpNext::Acknowledge } else { HttpNext::Fetch })
    }

    /// Takes more of a request's body. Input is guest-controlled.
    ///
    /// # Errors
    ///
    /// [`LimitError`] if it is a byte too many; the run ends.
    pub(crate) fn decide_part(&mut self, part: &HttpPart<'_>) -> Result<HttpNext, LimitError> {
        self.request_bytes.charge(part.body.len())?;
        let Some(Exchange { state: State::Sending(pending), .. }) = self.open.get_mut(&part.id) else {
            return Ok(HttpNext::Fail(Failure::order(part.id, "takes no more of a request")));
        };
        Arc::make_mut(&mut pending.request.body).extend_from_slice(part.body);
        Ok(if part.more { HttpNext::Acknowledge } else { HttpNext::Fetch })
    }

    /// Decides a wish for more of a response. Input is guest-controlled.
    pub(crate) fn decide_read(&self, read: HttpRead) -> HttpNext {
        match self.open.get(&read.id) {
            Some(Exchange { state: State::Receiving { .. }, .. }) => HttpNext::Read {
                max_bytes: usize::try_from(read.max_bytes)
                    .unwrap_or(usize::MAX)
                    .clamp(1, MAX_HTTP_PART_BYTES),
                timeout: read.timeout_ns.map(Duration::from_nanos),
            },
            _ => HttpNext::Fail(Failure::order(read.id, "has no response")),
        }
    }

    /// Drops an exchange, if there is one.
    pub(crate) fn close(&mut self, id: u64) -> HttpNext {
        self.open.remove(&id);
        HttpNext::Acknowledge
    }

    /// Does what was decided for an exchange.
    ///
    /// # Errors
    ///
    /// [`Error::Limit`], and why the run must end if it must meanwhile.
    pub(crate) fn act(&mut self, id: u64, next: HttpNext, context: Context<'_>) -> Result<HttpReply, Error> {
        match next {
            HttpNext::Acknowledge => Ok(HttpReply::Acknowledge),
            HttpNext::Fail(failure) => Ok(HttpReply::Fail(failure)),
            HttpNext::Fetch => self.fetch(id, context),
            HttpNext::Read { max_bytes, timeout } => {
                let started = Instant::now();
                let reply = self.read(id, max_bytes, timeout, context.control);
                self.time = self.time.saturating_add(started.elapsed());
                reply
            }
        }
    }

    /// Makes a request and follows its redirects, until there is a head for the guest.
    fn fetch(&mut self, id: u64, context: Context<'_>) -> Result<HttpReply, Error> {
        let Some(Exchange { number, state: State::Sending(pending) }) = self.open.remove(&id) else {
            return Ok(HttpReply::Fail(Failure::order(id, "has no request")));
        };
        let Context { run, audit, .. } = context;
        let Pending { mut request, mut rule, redirects, timeout } = pending;
        let started = Instant::now();
        let deadline = started.checked_add(self.max_time).unwrap_or(started);
        let mut patience = Patience { deadline, given: timeout, since: started, max_time: self.max_time };
        let mut followed = 0_u64;
        loop {
            if let Some(caller) = context.caller {
                let since = Instant::now();
                (request, rule) = match self.ask(caller, context, number, request, rule, followed)? {
                    Ok(admitted) => admitted,
                    Err(reply) => return Ok(reply),
                };
                patience.put_off(since.elapsed());
            }
            let since = Instant::now();
            let answer = self.hop(&request, rule, &patience, context.control);
            self.time = self.time.saturating_add(since.elapsed());
            let (fetch, head) = match answer? {
                Ok(answer) => answer,
                Err(failure) => return Ok(denied_or_failed(context, number, &request, failure)),
            };
            let status = head.status.as_u16();
            audit.record(&AuditEvent::HttpAnswered { run, request: number, status });
            let sizes =
                head.headers.iter().map(|(name, value)| name.as_str().len().saturating_add(value.len()));
            self.response_bytes.charge(sizes.fold(0, usize::saturating_add))?;
            let next = if redirects == 0 { Ok(None) } else { request.redirected(head.status, &head.headers) };
            let next = match next {
                Ok(None) => {
                    let shown = format!("{} {}", request.method, request.target.as_str());
                    let state = State::Receiving { fetch, deadline: patience.deadline, request: shown };
                    self.open.insert(id, Exchange { number, state });
                    return Ok(reply_of(&head, &request));
                }
                Ok(Some(_)) if followed == redirects => Err(Failure::new(
                    FailureKind::Limit,
                    format!("{} redirects again after {followed} redirects", request.target.as_str()),
                )),
                Ok(Some(next)) => {
                    followed = followed.saturating_add(1);
                    self.requests.charge(1)?;
                    self.request_bytes.charge(next.len_bytes())?;
                    let network = &self.network.policy.rules;
                    rule::find(network, next.method.as_str(), &next.target).map(|(place, allowing)| {
                        record_allowed(audit, run, number, &next, allowing);
                        rule = place;
                        next
                    })
                }
                Err(failure) => Err(failure),
            };
            request = match next {
                Ok(next) => next,
                Err(failure) => return Ok(denied_or_failed(context, number, &request, failure)),
            };
        }
    }

    /// Makes one request and waits for the head of its response.
    fn hop(
        &self,
        request: &Request,
        rule: usize,
        patience: &Patience,
        control: &Control,
    ) -> Result<Result<(Fetch, Head), Failure>, Error> {
        let policy = &self.network.policy;
        let (Some(client), Some(rule)) = (self.network.clients.get(rule), policy.rules.get(rule)) else {
            return Ok(Err(Failure::denied("the rule is gone".into())));
        };
        let resolver = policy.resolver.clone().unwrap_or_else(|| Arc::new(SystemResolver));
        let max_time = patience.deadline.saturating_duration_since(Instant::now());
        let waker = control.clone();
        let started = client.start(request, rule, resolver, max_time, Box::new(move || waker.wake()));
        let fetch = match started {
            Ok(fetch) => fetch,
            Err(failure) => return Ok(Err(failure)),
        };
        let answer = control.wait_for(Some(patience.end()), || fetch.head())?;
        let shown = format!("{} {}", request.method, request.target.as_str());
        Ok(match answer {
            Some(Ok(head)) => Ok((fetch, head)),
            Some(Err(failure)) if failure.kind == FailureKind::Timeout => Err(patience.is_over(&shown)),
            Some(Err(failure)) if failure.kind == FailureKind::Denied => Err(failure),
            Some(Err(failure)) => {
                Err(Failure { message: format!("{shown}: {}", failure.message), ..failure })
            }
            None => Err(patience.is_over(&shown)),
        })
    }

    /// Waits for more of a response.
    fn read(
        &mut self,
        id: u64,
        max_bytes: usize,
        timeout: Option<Duration>,
        control: &Control,
    ) -> Result<HttpReply, Error> {
        let Some(Exchange { number, state: State::Receiving { fetch, deadline, request } }) =
            self.open.remove(&id)
        else {
            return Ok(HttpReply::Fail(Failure::order(id, "has no response")));
        };
        let since = Instant::now();
        let patience = Patience { deadline, given: timeout, since, max_time: self.max_time };
        let chunk = control.wait_for(Some(patience.end()), || fetch.chunk(max_bytes))?;
        Ok(match chunk {
            Some(Ok(Chunk::End)) => HttpReply::Body { body: Vec::new(), is_end: true },
            Some(Ok(Chunk::Bytes(body))) => {
                self.response_bytes.charge(body.len())?;
                let is_end = fetch.is_at_end();
                if !is_end {
                    let state = State::Receiving { fetch, deadline, request };
                    self.open.insert(id, Exchange { number, state });
                }
                HttpReply::Body { body, is_end }
            }
            Some(Err(failure)) if failure.kind == FailureKind::Timeout => {
                HttpReply::Fail(patience.is_over(&request))
            }
            Some(Err(failure)) => {
                HttpReply::Fail(Failure { message: format!("{request}: {}", failure.message), ..failure })
            }
            None => HttpReply::Fail(patience.is_over(&request)),
        })
    }
}

impl HttpReply {
    /// Returns the frame that tells the guest.
    pub(crate) fn frame(&self, id: u64) -> HostFrame<'_> {
        match self {
            Self::Acknowledge => HostFrame::HttpAck { id },
            Self::Head { status, url, headers } => {
                let headers = headers.iter().map(|(name, value)| (name.as_str(), value.as_slice())).collect();
                HostFrame::HttpHead(HttpHead { id, status: (*status).into(), url, headers })
            }
            Self::Body { body, is_end } => HostFrame::HttpBody(HttpBody { id, body, end: *is_end }),
            Self::Fail(failure) => {
                HostFrame::HttpError(HttpError { id, kind: failure.kind.name(), message: &failure.message })
            }
        }
    }
}

/// How long something may take: as the policy says, and as the guest says.
#[derive(Debug)]
struct Patience {
    /// Of the whole exchange.
    deadline: Instant,
    /// For this step.
    given: Option<Duration>,
    since: Instant,
    max_time: Duration,
}

impl Patience {
    fn end(&self) -> Instant {
        let given = self.given.and_then(|given| self.since.checked_add(given));
        given.map_or(self.deadline, |given| given.min(self.deadline))
    }

    /// Leaves out some time that passed.
    fn put_off(&mut self, time: Duration) {
        self.deadline = self.deadline.checked_add(time).unwrap_or(self.deadline);
        self.since = self.since.checked_add(time).unwrap_or(self.since);
    }

    fn is_over(&self, request: &str) -> Failure {
        let message = match self.given {
            Some(given) if Instant::now() < self.deadline => {
                format!("{request} timed out after {} s, the timeout that it was given", given.as_secs_f64())
            }
            _ => {
                let max_s = self.max_time.as_secs_f64();
                format!("{request} took longer than http_time_s, which is {max_s}")
            }
        };
        Failure::new(FailureKind::Timeout, message)
    }
}

fn record_allowed(audit: &AuditLog, run: u64, number: u64, request: &Request, rule: &HttpRule) {
    audit.record(&AuditEvent::HttpAllowed {
        run,
        request: number,
        method: request.method.as_str(),
        url: request.target.as_str(),
        rule: rule.pattern(),
    });
}

/// Notes that nothing comes of a request, and tells the guest.
fn denied_or_failed(context: Context<'_>, number: u64, request: &Request, failure: Failure) -> HttpReply {
    let (run, method, url) = (context.run, request.method.as_str(), request.target.as_str());
    let reason = failure.detail.as_deref().unwrap_or(&failure.message);
    context.audit.record(&match failure.kind {
        FailureKind::Denied => AuditEvent::HttpDenied { run, request: number, method, url, reason },
        kind => AuditEvent::HttpFailed { run, request: number, kind: kind.name(), reason },
    });
    HttpReply::Fail(failure)
}

fn reply_of(head: &Head, request: &Request) -> HttpReply {
    let headers = head.headers.iter().take(MAX_HTTP_HEADERS);
    let headers =
        headers.map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec())).collect();
    HttpReply::Head { status: head.status.as_u16(), url: request.target.as_str().to_owned(), headers }
}
