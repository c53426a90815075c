//! One request and its response on the network, on a thread of its own: the only code that opens sockets.
//!
//! The thread hands the head over, and then the body through a buffer. Whoever waits for it may leave at any time: the
//! connection is shut down then, and the thread ends, at the latest when the name server answers or the attempt to connect
//! has taken its time.
//!
//! Guarantees: connections go where `resolve` allows and through no proxy; certificates are verified; redirects are not
//! followed; sandbox and process have a bounded number of these threads, each with a bounded buffer. Never: decides about
//! a request.
//!
//! Before: `http`. After: ureq, which speaks HTTP, and rustls.
#![expect(clippy::disallowed_methods, reason = "requests are made here and nowhere else")]

use std::collections::VecDeque;
use std::fmt;
use std::io::{self, Read};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use ureq::http::{self, HeaderMap, HeaderValue, Method, StatusCode};
use ureq::tls::{Certificate, RootCerts, TlsConfig, TlsProvider};
use ureq::unversioned::transport::{ConnectionDetails, Connector, RustlsConnector, TcpConnector, Transport};
use ureq::{Agent, Body};

use super::request::{Request, drop_hop_by_hop};
use super::resolve::{Checked, Resolve};
use super::rule::HttpRule;
use super::{Failure, FailureKind};
use crate::lock;

/// Bytes of a response that wait for the guest; the server waits beyond that.
const MAX_BUFFER_BYTES: usize = 256 << 10;
const READ_BYTES: usize = 64 << 10;
const MAX_HEAD_BYTES: usize = hypercell_abi::limits::MAX_HTTP_HEADER_BYTES;
/// Requests of a sandbox, those that were left included: one that a name server or a silent host holds up ends late.
const MAX_THREADS_OF_SANDBOX: usize = 32;
/// Requests of all sandboxes of the process.
const MAX_THREADS: usize = 1024;

static THREADS: Mutex<Threads> = Mutex::new(Threads { process: 0, count: 0 });

struct Threads {
    process: u32,
    count: usize,
}

/// Status and headers of a response.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
}

/// What there is of a body.
#[derive(Debug)]
pub(crate) enum Chunk {
    /// The next bytes, at least one.
    Bytes(Vec<u8>),
    /// All were taken.
    End,
}

/// What requests of one rule share: how certificates are verified.
pub(crate) struct Client {
    threads: Arc<AtomicUsize>,
    tls: TlsConnector,
    roots: Option<Arc<Vec<Certificate<'static>>>>,
}

/// A request under way. Dropping it ends it.
pub(crate) struct Fetch {
    shared: Arc<Shared>,
    agent: Agent,
}

struct Shared {
    state: Mutex<State>,
    /// Signalled when the buffer has room, or nobody wants more.
    has_room: Condvar,
    /// Called without a lock when there is something new.
    wake: Box<dyn Fn() + Send + Sync>,
}

#[derive(Default)]
struct State {
    head: Option<Result<Head, Failure>>,
    buffer: VecDeque<u8>,
    /// How the body ended.
    end: Option<Result<(), Failure>>,
    is_left: bool,
}

impl Client {
    /// Verifies certificates as the rule says, and counts threads where the sandbox does.
    pub(crate) fn new(rule: &HttpRule, threads: Arc<AtomicUsize>) -> Self {
        Self { threads, tls: TlsConnector::default(), roots: rule.certificates().cloned() }
    }

    /// Starts a request.
    ///
    /// # Errors
    ///
    /// If there are too many of this sandbox or process, no thread can be started, or this machine trusts no certificates.
    pub(crate) fn start(
        &self,
        request: &Request,
        rule: &HttpRule,
        resolver: Arc<dyn Resolve>,
        max_time: Duration,
        wake: Box<dyn Fn() + Send + Sync>,
    ) -> Result<Fetch, Failure> {
        let slot = Slot::take(&self.threads)?;
        let target = &request.target;
        let mut config = Agent::config_builder()
            .http_status_as_error(false)
            .allow_non_standard_methods(true)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(None)
            .user_agent("")
            .accept("")
            .accept_encoding("")
            .max_response_header_size(MAX_HEAD_BYTES)
            .max_idle_connections(0)
            .timeout_global(Some(max_time));
        if target.is_https() {
            config = config.tls_config(self.tls_config()?);
        }
        let checked =
            Checked { rule: rule.clone(), host: target.host().clone(), port: target.port(), resolver };
        let connector = ().chain(TcpConnector::default()).chain(self.tls.clone());
        let agent = Agent::with_parts(config.build(), connector, checked);
        let outgoing = outgoing(request, rule)?;
        let shared = Arc::new(Shared { state: Mutex::default(), has_room: Condvar::new(), wake });
        let (for_thread, agent_of_thread) = (shared.clone(), agent.clone());
        std::thread::Builder::new()
            .name("hypercell-http".into())
            .spawn(move || {
                let _slot = slot;
                let ending = Ending(&for_thread);
                ending.0.run(&agent_of_thread, outgoing);
            })
            .map_err(|error| {
                Failure::new(FailureKind::Limit, format!("no thread for the request: {error}"))
            })?;
        Ok(Fetch { shared, agent })
    }

    fn tls_config(&self) -> Result<TlsConfig, Failure> {
        let roots = match &self.roots {
            Some(roots) => roots.clone(),
            None => system_roots()?,
        };
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        Ok(TlsConfig::builder()
            .provider(TlsProvider::Rustls)
            .root_certs(RootCerts::Specific(roots))
            .unversioned_rustls_crypto_provider(provider)
            .build())
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("has_own_roots", &self.roots.is_some()).finish_non_exhaustive()
    }
}

impl Fetch {
    /// Takes the head, if it is there.
    pub(crate) fn head(&self) -> Option<Result<Head, Failure>> {
        lock(&self.shared.state).head.take()
    }

    /// Takes at most so many bytes of the body, if there are any or it has ended.
    pub(crate) fn chunk(&self, max_bytes: usize) -> Option<Result<Chunk, Failure>> {
        let mut state = lock(&self.shared.state);
        if state.buffer.is_empty() {
            return state.end.clone().map(|end| end.map(|()| Chunk::End));
        }
        let len = max_bytes.clamp(1, state.buffer.len());
        let bytes = state.buffer.drain(..len).collect();
        self.shared.has_room.notify_one();
        Some(Ok(Chunk::Bytes(bytes)))
    }

    /// Whether everything that came was taken, and it was all.
    pub(crate) fn is_at_end(&self) -> bool {
        let state = lock(&self.shared.state);
        state.buffer.is_empty() && matches!(state.end, Some(Ok(())))
    }
}

impl Drop for Fetch {
    fn drop(&mut self) {
        lock(&self.shared.state).is_left = true;
        self.shared.has_room.notify_one();
        self.agent.clone().shutdown();
    }
}

impl fmt::Debug for Fetch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fetch").finish_non_exhaustive()
    }
}

impl Shared {
    fn run(&self, agent: &Agent, request: http::Request<Option<Arc<Vec<u8>>>>) {
        let (parts, body) = request.into_parts();
        let response = match body {
            Some(body) => agent.run(http::Request::from_parts(parts, body.as_slice())),
            None => agent.run(http::Request::from_parts(parts, ())),
        };
        let body = match response {
            Ok(response) => {
                let (parts, body) = response.into_parts();
                let mut headers = parts.headers;
                // A body in chunks has no other length.
                let is_chunked = headers.contains_key("transfer-encoding");
                let length = headers.get("content-length").filter(|_| !is_chunked).cloned();
                drop_hop_by_hop(&mut headers);
                length.map(|length| headers.insert("content-length", length));
                self.tell(|state| state.head = Some(Ok(Head { status: parts.status, headers })));
                body
            }
            Err(error) => {
                self.tell(|state| state.head = Some(Err(failure_of(error))));
                return;
            }
        };
        let end = self.copy(body);
        self.tell(|state| state.end = Some(end));
    }

    /// Copies a body into the buffer as it gets room.
    fn copy(&self, body: Body) -> Result<(), Failure> {
        let mut reader = body.into_reader();
        let mut chunk = vec![0; READ_BYTES];
        loop {
            let len = match reader.read(&mut chunk) {
                Ok(0) => return Ok(()),
                Ok(len) => len,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(failure_of(error.into())),
            };
            let mut state = lock(&self.state);
            while state.buffer.len() >= MAX_BUFFER_BYTES && !state.is_left {
                state = self.has_room.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            if state.is_left {
                return Ok(());
            }
            state.buffer.extend(chunk.get(..len).unwrap_or_default());
            drop(state);
            (self.wake)();
        }
    }

    fn tell(&self, change: impl FnOnce(&mut State)) {
        change(&mut lock(&self.state));
        (self.wake)();
    }
}

/// Sees to it that nobody waits for a thread that is gone, also if it panics.
struct Ending<'a>(&'a Shared);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.tell(|state| {
            let failure = || Failure::protocol("the client of the host failed".into());
            if state.end.is_none() {
                state.end = Some(Err(failure()));
                state.head.get_or_insert_with(|| Err(failure()));
            }
        });
    }
}

/// Returns what goes to ureq: the request with the rule's headers in place of the guest's own.
fn outgoing(request: &Request, rule: &HttpRule) -> Result<http::Request<Option<Arc<Vec<u8>>>>, Failure> {
    let uri: http::Uri = request
        .target
        .as_str()
        .parse()
        .map_err(|error| Failure::request(format!("the URL cannot be sent: {error}")))?;
    let mut headers = request.headers.clone();
    headers.insert("connection", HeaderValue::from_static("close"));
    for (name, _) in rule.headers() {
        headers.remove(name);
    }
    for (name, value) in rule.headers() {
        headers.append(name.clone(), value.clone());
    }
    // Servers want to hear that these have no body.
    let says_length = matches!(request.method, Method::POST | Method::PUT | Method::PATCH);
    let body = (says_length || !request.body.is_empty()).then(|| request.body.clone());
    let mut outgoing = http::Request::new(body);
    *outgoing.method_mut() = request.method.clone();
    *outgoing.uri_mut() = uri;
    *outgoing.headers_mut() = headers;
    Ok(outgoing)
}

/// Says in our words what went wrong.
fn failure_of(error: ureq::Error) -> Failure {
    use ureq::Error as E;
    match error {
        E::Other(inner) => match inner.downcast::<Failure>() {
            Ok(failure) => *failure,
            Err(other) => Failure::new(FailureKind::Connect, other.to_string()),
        },
        E::Timeout(_) => Failure::new(FailureKind::Timeout, "the request took too long".into()),
        E::Rustls(error) => Failure::new(FailureKind::Tls, format!("TLS failed: {error}")),
        E::Tls(reason) => Failure::new(FailureKind::Tls, format!("TLS failed: {reason}")),
        E::LargeResponseHeader(_, max) => {
            Failure::new(FailureKind::Limit, format!("the head of the response exceeds {max} bytes"))
        }
        E::Io(error) => failure_of_io(&error),
        E::ConnectionFailed => Failure::new(FailureKind::Connect, "the connection failed".into()),
        other => Failure::protocol(format!("the response is not HTTP: {other}")),
    }
}

fn failure_of_io(error: &io::Error) -> Failure {
    use io::ErrorKind as Kind;
    if let Some(inner) = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        return Failure::new(FailureKind::Tls, format!("TLS failed: {inner}"));
    }
    match error.kind() {
        Kind::TimedOut | Kind::WouldBlock => {
            Failure::new(FailureKind::Timeout, "the request took too long".into())
        }
        Kind::UnexpectedEof | Kind::ConnectionReset | Kind::ConnectionAborted | Kind::BrokenPipe => {
            Failure::new(FailureKind::Closed, "the server closed the connection before the end".into())
        }
        _ => Failure::new(FailureKind::Connect, format!("the connection failed: {error}")),
    }
}

/// The certificates that this machine trusts, read once.
fn system_roots() -> Result<Arc<Vec<Certificate<'static>>>, Failure> {
    static ROOTS: OnceLock<Arc<Vec<Certificate<'static>>>> = OnceLock::new();
    let roots = ROOTS.get_or_init(|| {
        let found = rustls_native_certs::load_native_certs();
        let owned = found.certs.iter().map(|certificate| Certificate::from_der(certificate).to_owned());
        Arc::new(owned.collect())
    });
    if roots.is_empty() {
        let reason =
            "the host trusts no certificates; install ca-certificates there, or give the domain a ca_file";
        return Err(Failure::new(FailureKind::Tls, reason.into()));
    }
    Ok(roots.clone())
}

/// One connector for all requests of a rule, so that roots are parsed once and TLS sessions resumed.
#[derive(Debug, Clone, Default)]
struct TlsConnector(Arc<RustlsConnector>);

impl<In: Transport> Connector<In> for TlsConnector {
    type Out = <RustlsConnector as Connector<In>>::Out;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        chained: Option<In>,
    ) -> Result<Option<Self::Out>, ureq::Error> {
        self.0.connect(details, chained)
    }
}

/// One of the threads that a sandbox and its process may have. A child that was forked has none of its parent's.
struct Slot {
    process: u32,
    of_sandbox: Arc<AtomicUsize>,
}

impl Slot {
    /// # Errors
    ///
    /// If all are taken.
    fn take(of_sandbox: &Arc<AtomicUsize>) -> Result<Self, Failure> {
        let process = std::process::id();
        let mut threads = lock(&THREADS);
        if threads.process != process {
            *threads = Threads { process, count: 0 };
        }
        // The lock makes counting and comparing one step here; threads that end only make room.
        let counts = [
            (of_sandbox.load(Ordering::SeqCst), MAX_THREADS_OF_SANDBOX, "sandbox"),
            (threads.count, MAX_THREADS, "process"),
        ];
        if let Some((_, max, whose)) = counts.into_iter().find(|(count, max, _)| count >= max) {
            let message =
                format!("this {whose} has {max} requests under way already, those that were left included");
            return Err(Failure::new(FailureKind::Limit, message));
        }
        threads.count = threads.count.saturating_add(1);
        of_sandbox.fetch_add(1, Ordering::SeqCst);
        Ok(Self { process, of_sandbox: of_sandbox.clone() })
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.of_sandbox.fetch_sub(1, Ordering::SeqCst);
        let mut threads = lock(&THREADS);
        if threads.process == self.process {
            threads.count = threads.count.saturating_sub(1);
        }
    }
}
