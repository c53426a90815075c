//! HTTP: frames in any order, a server that a test plays, a resolver that lies.

use std::io::{self, Read, Write};
use std::net::{IpAddr, TcpListener};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use hypercell_host::abi::message::{HttpPart, HttpRead, HttpSend};
use hypercell_host::abi::{FrameKind, GuestFrame, HostFrame};
use hypercell_host::audit::{AuditEvent, AuditLog};
use hypercell_host::error::LimitKind;
use hypercell_host::{
    Error, HttpPolicy, HttpRule, HttpRuleOptions, Limits, Resolve, Sandbox, SandboxOptions,
};

use crate::guest::{Act, Entered, FakeSource, run};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// A server that sends the same bytes to everybody, counts who comes, and keeps what they said first.
struct Server {
    port: u16,
    visits: Arc<AtomicU32>,
    heard: Arc<Mutex<String>>,
}

impl Server {
    fn new(answer: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let (visits, heard) = (Arc::new(AtomicU32::new(0)), Arc::new(Mutex::new(String::new())));
        let (counted, kept, answer) = (visits.clone(), heard.clone(), answer.to_owned());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { return };
                counted.fetch_add(1, Ordering::SeqCst);
                let mut buffer = [0; 4096];
                let len = stream.read(&mut buffer).unwrap_or(0);
                *kept.lock().expect("no panic") = String::from_utf8_lossy(&buffer[..len]).into_owned();
                let _ = stream.write_all(answer.as_bytes());
            }
        });
        Self { port, visits, heard }
    }

    fn visits(&self) -> u32 {
        self.visits.load(Ordering::SeqCst)
    }
}

fn rule(pattern: &str) -> HttpRule {
    HttpRule::new(pattern, HttpRuleOptions::default()).expect("a good rule")
}

fn send(id: u64, url: &str) -> GuestFrame<'_> {
    GuestFrame::HttpSend(HttpSend {
        id,
        method: "GET",
        url,
        headers: vec![("x-guest", b"1")],
        body: b"",
        more: false,
        redirects: 20,
        timeout_ns: None,
    })
}

fn read(id: u64) -> GuestFrame<'static> {
    GuestFrame::HttpRead(HttpRead { id, max_bytes: u64::MAX, timeout_ns: None })
}

/// What the host said to each frame, in few words.
type Replies = Arc<Mutex<Vec<String>>>;

fn shown(frame: &HostFrame<'_>) -> String {
    match frame {
        HostFrame::HttpHead(head) => format!("head {} {} {}", head.id, head.status, head.url),
        HostFrame::HttpBody(body) => {
            format!("body {} {:?} {}", body.id, String::from_utf8_lossy(body.body), body.end)
        }
        HostFrame::HttpError(error) => format!("error {} {}: {}", error.id, error.kind, error.message),
        HostFrame::HttpAck { id } => format!("ack {id}"),
        other => panic!("{other:?}"),
    }
}

/// A sandbox whose guest says these frames, one after the other, asking or leaving with them, and ends the run then.
fn sandbox(frames: Vec<GuestFrame<'static>>, options: SandboxOptions) -> (Sandbox<FakeSource>, Replies) {
    let replies = Replies::default();
    let noted = replies.clone();
    let mut next = 0_usize;
    let source = FakeSource::new(move |entered: &Entered<'_>| {
        if entered.kind() == FrameKind::RunRequest {
            next = 0;
        } else {
            noted.lock().expect("no panic").push(shown(&entered.host_frame()));
        }
        next += 1;
        match frames.get(next - 1) {
            Some(frame) if next.is_multiple_of(2) => entered.ask(frame),
            Some(frame) => entered.say(frame),
            None => entered.done(&[5]),
        }
    });
    (Sandbox::new(source, options).expect("good options"), replies)
}

fn reaching(rules: Vec<HttpRule>) -> SandboxOptions {
    SandboxOptions { http: HttpPolicy { rules, resolver: None }, ..SandboxOptions::default() }
}

/// Runs these frames and returns what the host said.
fn replies(frames: Vec<GuestFrame<'static>>, options: SandboxOptions) -> Vec<String> {
    let (mut sandbox, replies) = sandbox(frames, options);
    run(&mut sandbox).expect("a run");
    std::mem::take(&mut *replies.lock().expect("no panic"))
}

fn leak(text: String) -> &'static str {
    text.leak()
}

#[test]
fn request_that_a_rule_allows_is_made_and_its_body_read() {
    let server = Server::new(OK);
    let url = leak(format!("http://127.0.0.1:{}/x", server.port));
    let said = replies(vec![send(7, url), read(7), read(7)], reaching(vec![rule(url)]));
    assert_eq!(said[0], format!("head 7 200 {url}"));
    let body: String = said[1..].join(" ");
    assert!(body.starts_with("body 7 \"ok\""), "{body}");
    assert!(server.heard.lock().expect("no panic").contains("x-guest: 1\r\n"));
}

#[test]
fn without_rules_no_request_reaches_the_network() {
    let server = Server::new(OK);
    let url = leak(format!("http://127.0.0.1:{}/", server.port));
    let said = replies(vec![send(7, url)], SandboxOptions::default());
    let expected = format!("error 7 denied: GET {url} is not allowed: this sandbox has no domains");
    assert_eq!((said, server.visits()), (vec![expected], 0));
}

// gate: HttpPart HttpRead HttpClose, denied_by_default
#[test]
fn frames_in_the_wrong_order_get_an_error_and_the_run_goes_on() {
    let url = "http://127.0.0.1:1/";
    let part = GuestFrame::HttpPart(HttpPart { id: 7, body: b"x", more: false });
    let first = GuestFrame::HttpSend(HttpSend {
        id: 7,
        method: "POST",
        url,
        headers: vec![],
        body: b"",
        more: true,
        redirects: 0,
        timeout_ns: None,
    });
    let close = GuestFrame::HttpClose { id: 7 };
    let frames = vec![
        part.clone(),
        read(7),
        close.clone(),
        first.clone(),
        read(7),
        first,
        close,
        part.clone(),
        read(8),
    ];
    let said = replies(frames, reaching(vec![rule(url)]));
    let expected = [
        "error 7 order: exchange 7 takes no more of a request",
        "error 7 order: exchange 7 has no response",
        "ack 7",
        "ack 7",
        "error 7 order: exchange 7 has no response",
        "error 7 order: exchange 7 goes on already",
        "ack 7",
        "error 7 order: exchange 7 takes no more of a request",
        "error 8 order: exchange 8 has no response",
    ];
    assert_eq!(said, expected);
}

#[test]
fn exchanges_that_are_open_are_bounded() {
    let url = "http://127.0.0.1:1/";
    let first = |id| {
        GuestFrame::HttpSend(HttpSend {
            id,
            method: "POST",
            url,
            headers: vec![],
            body: b"",
            more: true,
            redirects: 0,
            timeout_ns: None,
        })
    };
    let mut said = replies((0..17).map(first).collect(), reaching(vec![rule(url)]));
    let last = said.pop();
    assert!(said.iter().all(|reply| reply.starts_with("ack ")), "{said:?}");
    let expected = "error 16 limit: 16 responses are open; read one to its end, or close it";
    assert_eq!(last.as_deref(), Some(expected));
}

#[test]
fn body_above_its_limit_ends_the_run_before_it_is_held() {
    let url = "http://127.0.0.1:1/";
    let part = GuestFrame::HttpPart(HttpPart { id: 7, body: &[0; 100_000], more: true });
    let first = GuestFrame::HttpSend(HttpSend {
        id: 7,
        method: "POST",
        url,
        headers: vec![],
        body: &[0; 100_000],
        more: true,
        redirects: 0,
        timeout_ns: None,
    });
    let limits = Limits { http_request_bytes: 250_000, ..Limits::default() };
    let options = SandboxOptions { limits, ..reaching(vec![rule(url)]) };
    let (mut sandbox, _) = sandbox(vec![first, part.clone(), part], options);
    let Err(Error::Limit(error)) = run(&mut sandbox) else { panic!("a limit") };
    assert_eq!((error.limit, error.maximum), (LimitKind::HttpRequestBytes, 250_000));
    assert!((300_000..300_100).contains(&error.used), "{}", error.used);
}

/// Answers each question about a name with the next address.
struct Rebinding(Mutex<Vec<&'static str>>);

impl Resolve for Rebinding {
    fn resolve(&self, _: &str) -> io::Result<Vec<IpAddr>> {
        let mut answers = self.0.lock().expect("no panic");
        if answers.is_empty() {
            return Err(io::Error::other("asked too often"));
        }
        Ok(vec![answers.remove(0).parse().expect("an address")])
    }
}

#[test]
fn name_that_leads_to_a_private_address_is_refused_before_a_connection() {
    let server = Server::new(OK);
    let url = leak(format!("http://rebind.example:{}/", server.port));
    for address in ["127.0.0.1", "::1", "::ffff:127.0.0.1", "10.0.0.1", "169.254.169.254", "0.0.0.0"] {
        let resolver: Arc<dyn Resolve> = Arc::new(Rebinding(Mutex::new(vec![address])));
        let http = HttpPolicy { rules: vec![rule(url)], resolver: Some(resolver) };
        let reasons: Arc<Mutex<Vec<String>>> = Arc::default();
        let noted = reasons.clone();
        let audit = AuditLog::new(move |event| {
            if let AuditEvent::HttpDenied { reason, .. } = event {
                noted.lock().expect("no panic").push((*reason).to_owned());
            }
        });
        let said = replies(vec![send(7, url)], SandboxOptions { http, audit, ..SandboxOptions::default() });
        assert!(said[0].starts_with("error 7 denied: rebind.example leads to a"), "{}", said[0]);
        assert!(!said[0].contains(address), "{}", said[0]);
        let audited = reasons.lock().expect("no panic").pop().expect("a denial");
        assert!(audited.starts_with(&format!("rebind.example leads to {address}, a")), "{audited}");
    }
    assert_eq!(server.visits(), 0);
}

#[test]
fn name_is_asked_for_once_in_each_connection() {
    let server = Server::new(OK);
    let url = leak(format!("http://rebind.example:{}/", server.port));
    let allow = HttpRuleOptions { allow_private: true, ..HttpRuleOptions::default() };
    let rules = vec![HttpRule::new(url, allow).expect("a good rule")];
    // Where the second answer were used for the first connection, the metadata service would be asked.
    let answers = vec!["127.0.0.1", "169.254.169.254"];
    let resolver: Arc<dyn Resolve> = Arc::new(Rebinding(Mutex::new(answers)));
    let http = HttpPolicy { rules, resolver: Some(resolver) };
    let options = SandboxOptions { http, ..SandboxOptions::default() };
    let said = replies(vec![send(7, url), send(8, url)], options);
    assert_eq!(said[0], format!("head 7 200 {url}"));
    assert!(
        said[1].starts_with("error 8 denied: rebind.example leads to an address of a cloud"),
        "{}",
        said[1]
    );
}

#[test]
fn redirect_to_a_private_address_is_refused_at_its_hop() {
    let secret = Server::new(OK);
    let to = format!("http://inside.example:{}/", secret.port);
    let server = Server::new(&format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n"));
    let url = leak(format!("http://127.0.0.1:{}/", server.port));
    let resolver: Arc<dyn Resolve> = Arc::new(Rebinding(Mutex::new(vec!["127.0.0.1"])));
    let http = HttpPolicy { rules: vec![rule(url), rule(&to)], resolver: Some(resolver) };
    let said = replies(vec![send(7, url)], SandboxOptions { http, ..SandboxOptions::default() });
    assert!(said[0].starts_with("error 7 denied: inside.example leads to a loopback"), "{}", said[0]);
    assert_eq!((server.visits(), secret.visits()), (1, 0));
}

#[test]
fn response_that_is_no_http_is_an_error_and_the_run_goes_on() {
    for (answer, kind) in [
        ("", "closed"),
        ("\0\0\0\0", "protocol"),
        ("HTTP/1.1 2OO OK\r\n\r\n", "protocol"),
        ("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "protocol"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef", "protocol"),
        ("HTTP/1.1 200 OK\r\nX: a\0b\r\n\r\n", "protocol"),
        ("HTTP/1.1 200 OK\r\n: x\r\n\r\n", "protocol"),
        ("SSH-2.0-OpenSSH_9.9\r\n", "protocol"),
    ] {
        let server = Server::new(answer);
        let url = leak(format!("http://127.0.0.1:{}/", server.port));
        let said = replies(vec![send(7, url)], reaching(vec![rule(url)]));
        let start = format!("error 7 {kind}: GET {url}: ");
        assert!(said[0].starts_with(&start), "{answer:?}: {}", said[0]);
    }
}

#[test]
fn switch_to_another_protocol_is_no_tunnel() {
    let server =
        Server::new("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nraw");
    let url = leak(format!("http://127.0.0.1:{}/", server.port));
    let limits = Limits { http_time: Duration::from_millis(500), ..Limits::default() };
    let said = replies(vec![send(7, url), read(7)], SandboxOptions { limits, ..reaching(vec![rule(url)]) });
    assert!(!said.iter().any(|reply| reply.contains("raw")), "{said:?}");
}

#[test]
fn informational_responses_are_left_out() {
    let hints = "HTTP/1.1 103 Early Hints\r\nLink: </x>; rel=preload\r\n\r\n";
    let server = Server::new(&format!("HTTP/1.1 100 Continue\r\n\r\n{hints}{OK}"));
    let url = leak(format!("http://127.0.0.1:{}/", server.port));
    let said = replies(vec![send(7, url), read(7)], reaching(vec![rule(url)]));
    assert_eq!(said[0], format!("head 7 200 {url}"));
    assert!(said[1].starts_with("body 7 \"ok\""), "{said:?}");
}

#[test]
fn every_hop_is_in_the_audit_log_before_it_is_taken_and_no_secret_ever() {
    let last = Server::new(OK);
    let to = format!("http://127.0.0.1:{}/end", last.port);
    let first = Server::new(&format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n"));
    let url = leak(format!("http://127.0.0.1:{}/", first.port));
    let headers = vec![("X-Key".to_owned(), b"s3cret".to_vec())];
    let secret = HttpRuleOptions { headers, ..HttpRuleOptions::default() };
    let log: Arc<Mutex<Vec<String>>> = Arc::default();
    let (noted, visits) = (log.clone(), last.visits.clone());
    let audit = AuditLog::new(move |event| {
        if let AuditEvent::HttpAllowed { request, url, .. } = event {
            let line = format!("{request} {url} after {} visits", visits.load(Ordering::SeqCst));
            noted.lock().expect("no panic").push(line);
        }
        noted.lock().expect("no panic").push(format!("{event:?}"));
    });
    let rules = vec![HttpRule::new(url, secret).expect("a good rule"), rule(&to)];
    let said = replies(vec![send(7, url)], SandboxOptions { audit, ..reaching(rules) });
    assert_eq!(said, [format!("head 7 200 {to}")]);
    assert!(first.heard.lock().expect("no panic").contains("x-key: s3cret\r\n"));
    assert!(!last.heard.lock().expect("no panic").contains("s3cret"));
    let log = log.lock().expect("no panic").clone();
    assert!(log.contains(&format!("1 {to} after 0 visits")), "{log:?}");
    assert!(!log.iter().any(|event| event.contains("s3cret")), "{log:?}");
}

#[test]
fn stop_takes_effect_while_a_name_is_resolved() {
    struct Slow;
    impl Resolve for Slow {
        fn resolve(&self, _: &str) -> io::Result<Vec<IpAddr>> {
            std::thread::sleep(Duration::from_secs(3));
            Err(io::Error::other("late"))
        }
    }
    let url = "http://slow.example/";
    let http = HttpPolicy { rules: vec![rule(url)], resolver: Some(Arc::new(Slow)) };
    let limits = Limits { wall_time: Some(Duration::from_millis(200)), ..Limits::default() };
    let options = SandboxOptions { http, limits, ..SandboxOptions::default() };
    let (mut sandbox, _) = sandbox(vec![send(7, url)], options);
    let started = Instant::now();
    let Err(Error::Limit(error)) = run(&mut sandbox) else { panic!("a limit") };
    assert_eq!(error.limit, LimitKind::WallTime);
    assert!(started.elapsed() < Duration::from_millis(350), "{:?}", started.elapsed());
}

#[test]
fn resolver_that_panics_fails_its_request_and_nothing_else() {
    struct Broken;
    impl Resolve for Broken {
        fn resolve(&self, _: &str) -> io::Result<Vec<IpAddr>> {
            panic!("as the test wants it");
        }
    }
    let server = Server::new(OK);
    let (broken, good) = ("http://broken.example/", leak(format!("http://127.0.0.1:{}/", server.port)));
    let http = HttpPolicy { rules: vec![rule(broken), rule(good)], resolver: Some(Arc::new(Broken)) };
    let options = SandboxOptions { http, ..SandboxOptions::default() };
    let said = replies(vec![send(7, broken), send(8, good)], options);
    let expected = [
        format!("error 7 protocol: GET {broken}: the client of the host failed"),
        format!("head 8 200 {good}"),
    ];
    assert_eq!(said, expected);
}

#[test]
fn limit_of_http_that_cannot_take_effect_is_refused() {
    let limits = Limits { http_time: Duration::ZERO, ..Limits::default() };
    let error = limits.check().expect_err("no time at all");
    assert_eq!(error.to_string(), "http_time_s is 0, which is not above 0 and up to 31622400");
    let limits = Limits { http_request_bytes: (1 << 30) + 1, ..Limits::default() };
    let error = limits.check().expect_err("more than the host holds");
    assert_eq!(error.to_string(), "http_request_bytes is 1073741825, which is not from 0 to 1073741824");
}

#[test]
fn guest_that_asks_again_after_its_run_failed_is_stopped() {
    let limits = Limits { http_requests: 0, ..Limits::default() };
    let source = FakeSource::new(|entered: &Entered<'_>| {
        let Act::Ask(bytes) = entered.ask(&send(7, "http://127.0.0.1:1/")) else { panic!("asks") };
        Act::AskForEver(bytes)
    });
    let mut sandbox =
        Sandbox::new(source, SandboxOptions { limits, ..SandboxOptions::default() }).expect("good");
    let Err(Error::Limit(error)) = run(&mut sandbox) else { panic!("a limit") };
    assert_eq!((error.limit, error.used, error.maximum), (LimitKind::HttpRequests, 1, 0));
}

#[test]
fn requests_that_were_left_behind_hold_up_their_own_sandbox_alone() {
    struct Stuck(Arc<AtomicU32>);
    impl Resolve for Stuck {
        fn resolve(&self, _: &str) -> io::Result<Vec<IpAddr>> {
            while self.0.load(Ordering::SeqCst) == 0 {
                std::thread::sleep(Duration::from_millis(5));
            }
            Err(io::Error::other("late"))
        }
    }
    let impatient = |id| {
        GuestFrame::HttpSend(HttpSend {
            id,
            method: "GET",
            url: "http://stuck.example/",
            headers: vec![],
            body: b"",
            more: false,
            redirects: 0,
            timeout_ns: Some(1),
        })
    };
    let is_free = Arc::new(AtomicU32::new(0));
    let http = || {
        let resolver: Arc<dyn Resolve> = Arc::new(Stuck(is_free.clone()));
        HttpPolicy { rules: vec![rule("http://stuck.example")], resolver: Some(resolver) }
    };
    let options = || SandboxOptions { http: http(), ..SandboxOptions::default() };
    let mut said = replies((0..33).map(impatient).collect(), options());
    let last = said.pop().expect("33 replies");
    assert!(said.iter().all(|reply| reply.contains(" timeout: ")), "{said:?}");
    let why = "this sandbox has 32 requests under way already, those that were left included";
    assert_eq!(last, format!("error 32 limit: {why}"));
    let other = replies(vec![impatient(1)], options());
    assert!(other[0].starts_with("error 1 timeout: "), "{other:?}");
    is_free.store(1, Ordering::SeqCst);
}
