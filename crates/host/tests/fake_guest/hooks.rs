//! A caller that objects to what gates allow, or puts something else in its place.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use hypercell_host::abi::message::{FilePath, FileReply, FileRequest, HttpSend, OpenFlags};
use hypercell_host::abi::{FrameKind, GuestFrame, HostFrame, KernelRequest};
use hypercell_host::{
    Control, Error, FileAttempt, HttpAttempt, HttpChange, HttpPolicy, HttpRule, HttpRuleOptions, MountInfo,
    Sandbox, SandboxOptions, Step, ToolAnswer, ToolCall, ToolCaller, Verdict,
};

use crate::guest::{Act, CODE, Entered, FakeSource};

/// What a test wants of the two hooks.
struct Objector<H, F> {
    http: H,
    file: F,
    asked: Mutex<Vec<String>>,
}

impl<H, F> ToolCaller for Objector<H, F>
where
    H: Fn(&HttpAttempt<'_>) -> Verdict<HttpChange> + Send + Sync,
    F: Fn(&FileAttempt<'_>) -> Verdict<Vec<u8>> + Send + Sync,
{
    fn call(&self, _: &ToolCall) -> ToolAnswer {
        ToolAnswer::Later
    }

    fn before_http(&self, attempt: &HttpAttempt<'_>) -> Verdict<HttpChange> {
        let shown = format!("{} {} {}", attempt.hop(), attempt.method(), attempt.url());
        self.asked.lock().expect("no panic").push(shown);
        (self.http)(attempt)
    }

    fn before_open(&self, attempt: &FileAttempt<'_>) -> Verdict<Vec<u8>> {
        self.asked.lock().expect("no panic").push(String::from_utf8(attempt.path()).expect("a text"));
        (self.file)(attempt)
    }
}

type AnyRequest = fn(&HttpAttempt<'_>) -> Verdict<HttpChange>;
type AnyFile = fn(&FileAttempt<'_>) -> Verdict<Vec<u8>>;

fn on_http<H>(http: H) -> Arc<Objector<H, AnyFile>> {
    Arc::new(Objector { http, file: |_| Verdict::Allow, asked: Mutex::default() })
}

fn on_open<F>(file: F) -> Arc<Objector<AnyRequest, F>> {
    Arc::new(Objector { http: |_| Verdict::Allow, file, asked: Mutex::default() })
}

fn deny<T>() -> Verdict<T> {
    Verdict::Deny { reason: "not today".into() }
}

/// A server that answers what a test says, to each visitor in turn, and the last again and again.
fn server(answers: Vec<String>) -> (String, Arc<AtomicU32>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}/", listener.local_addr().expect("an address"));
    let visits = Arc::new(AtomicU32::new(0));
    let counted = visits.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let visit = counted.fetch_add(1, Ordering::SeqCst) as usize;
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(answers[visit.min(answers.len() - 1)].as_bytes());
        }
    });
    (url, visits)
}

fn ok() -> String {
    "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".into()
}

fn moved(to: &str) -> String {
    format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n")
}

/// Has a guest ask for a URL once, and returns how the run ended and what the guest was told.
fn fetch(url: &str, caller: Option<Arc<dyn ToolCaller>>) -> (Result<Step, Error>, String) {
    let told = Arc::new(Mutex::new(String::new()));
    let (noted, asked) = (told.clone(), url.to_owned());
    let source = FakeSource::new(move |entered: &Entered<'_>| match entered.kind() {
        FrameKind::RunRequest => entered.ask(&GuestFrame::HttpSend(HttpSend {
            id: 7,
            method: "GET",
            url: &asked,
            headers: vec![],
            body: b"",
            more: false,
            redirects: 20,
            timeout_ns: None,
        })),
        _ => {
            *noted.lock().expect("no panic") = match entered.host_frame() {
                HostFrame::HttpHead(head) => format!("{} {}", head.status, head.url),
                HostFrame::HttpError(error) => format!("{}: {}", error.kind, error.message),
                other => panic!("{other:?}"),
            };
            entered.done(&[5])
        }
    });
    let rules = vec![HttpRule::new(url, HttpRuleOptions::default()).expect("a good rule")];
    let http = HttpPolicy { rules, resolver: None };
    let options = SandboxOptions { http, ..SandboxOptions::default() };
    let ended = Sandbox::new(source, options).expect("good options").start_with(&CODE, caller);
    let told = told.lock().expect("no panic").clone();
    (ended, told)
}

fn change(url: &str) -> Verdict<HttpChange> {
    Verdict::Change(HttpChange { method: "GET".into(), url: url.into(), headers: vec![], body: vec![] })
}

#[test]
fn without_a_caller_what_a_rule_allows_is_sent() {
    let (url, visits) = server(vec![ok()]);
    assert_eq!(fetch(&url, None).1, format!("200 {url}"));
    assert_eq!(visits.load(Ordering::SeqCst), 1);
}

#[test]
fn request_that_the_caller_denies_is_not_sent() {
    let (url, visits) = server(vec![ok()]);
    let (ended, told) = fetch(&url, Some(on_http(|_: &HttpAttempt<'_>| deny())));
    assert!(matches!(ended, Ok(Step::Done(_))), "{ended:?}");
    assert_eq!(told, format!("denied: GET {url} is not allowed: not today"));
    assert_eq!(visits.load(Ordering::SeqCst), 0);
}

#[test]
fn reason_of_any_length_reaches_the_guest_shortened() {
    let (url, _) = server(vec![ok()]);
    let reason = "x".repeat(1 << 20);
    let caller = on_http(move |_: &HttpAttempt<'_>| Verdict::Deny { reason: reason.clone() });
    let (ended, told) = fetch(&url, Some(caller));
    assert!(matches!(ended, Ok(Step::Done(_))), "{ended:?}");
    assert!((60_000..66_000).contains(&told.len()), "{}", told.len());
}

#[test]
fn caller_is_asked_at_each_redirect() {
    let (url, visits) = server(vec![moved("/b"), moved("/c"), ok()]);
    let last = format!("{url}c");
    let denied = last.clone();
    let caller = on_http(move |attempt: &HttpAttempt<'_>| match attempt.url() == denied {
        true => deny(),
        false => Verdict::Allow,
    });
    let (_, told) = fetch(&url, Some(caller.clone()));
    assert_eq!(told, format!("denied: GET {last} is not allowed: not today"));
    assert_eq!(visits.load(Ordering::SeqCst), 2);
    let hops = [format!("0 GET {url}"), format!("1 GET {url}b"), format!("2 GET {url}c")];
    assert_eq!(*caller.asked.lock().expect("no panic"), hops);
}

#[test]
fn changed_request_is_decided_anew() {
    let (url, visits) = server(vec![ok()]);
    let (other, others) = server(vec![ok()]);
    let inside = format!("{url}inside");
    let (_, told) = fetch(&url, Some(on_http(move |_: &HttpAttempt<'_>| change(&inside))));
    assert_eq!(told, format!("200 {url}inside"));
    let outside = other.clone();
    let (ended, told) = fetch(&url, Some(on_http(move |_: &HttpAttempt<'_>| change(&outside))));
    assert!(matches!(ended, Ok(Step::Done(_))), "{ended:?}");
    assert!(told.starts_with(&format!("denied: GET {other} is not allowed: ")), "{told}");
    assert_eq!((visits.load(Ordering::SeqCst), others.load(Ordering::SeqCst)), (1, 0));
}

#[test]
fn changed_request_with_more_headers_than_a_guest_may_send_is_denied() {
    let (url, visits) = server(vec![ok()]);
    let same = url.clone();
    let caller = on_http(move |_: &HttpAttempt<'_>| {
        let headers = vec![("x".to_owned(), b"1".to_vec()); 40_000];
        Verdict::Change(HttpChange { method: "GET".into(), url: same.clone(), headers, body: vec![] })
    });
    assert_eq!(fetch(&url, Some(caller)).1, "denied: 40000 headers exceed 128");
    assert_eq!(visits.load(Ordering::SeqCst), 0);
}

#[test]
fn caller_that_stops_the_run_has_nothing_sent() {
    let (url, visits) = server(vec![ok()]);
    let stop = |_: &HttpAttempt<'_>| Verdict::Stop { reason: "broken".into() };
    let (ended, told) = fetch(&url, Some(on_http(stop)));
    assert!(matches!(&ended, Err(Error::Cancelled { reason }) if reason == "broken"), "{ended:?}");
    assert_eq!((told.as_str(), visits.load(Ordering::SeqCst)), ("", 0));
}

/// Two mounted directories, `/a` for reading and `/b` for writing, each with a file `x` that holds its name.
struct Mounted {
    a: tempfile::TempDir,
    b: tempfile::TempDir,
}

impl Mounted {
    fn new() -> Self {
        let [a, b] = ["a", "b"].map(|name| {
            let dir = tempfile::tempdir().expect("a directory");
            std::fs::write(dir.path().join("x"), name).expect("a file");
            dir
        });
        Self { a, b }
    }

    fn written(&self) -> String {
        std::fs::read_to_string(self.b.path().join("x")).expect("a file")
    }

    /// Has a guest open a file and read it, or make room for it, and returns how the run ended and what it was told.
    fn open(
        &self,
        request: FileRequest<'static>,
        caller: &Arc<impl ToolCaller + 'static>,
        control: Option<&OnceLock<Control>>,
    ) -> (Result<Step, Error>, String) {
        let told = Arc::new(Mutex::new(String::new()));
        let noted = told.clone();
        let source = FakeSource::new(move |entered: &Entered<'_>| {
            if entered.kind() == FrameKind::RunRequest {
                return entered.ask(&GuestFrame::File(request));
            }
            match KernelRequest::decode(entered.kind(), entered.body) {
                Ok(KernelRequest::File(FileReply::Opened { handle, .. })) => read(entered, handle),
                Ok(KernelRequest::File(FileReply::Data(data))) => end(entered, &noted, data),
                Ok(KernelRequest::File(FileReply::Error { errno })) => {
                    end(entered, &noted, format!("error {errno}").as_bytes())
                }
                other => panic!("{other:?}"),
            }
        });
        let mount = |host: &tempfile::TempDir, guest: &str, is_writable| MountInfo {
            host: host.path().into(),
            guest: guest.into(),
            is_writable,
            max_bytes: None,
        };
        let mounts = vec![mount(&self.a, "/a", false), mount(&self.b, "/b", true)];
        let options = SandboxOptions { mounts, ..SandboxOptions::default() };
        let mut sandbox = Sandbox::new(source, options).expect("good options");
        if let Some(control) = control {
            assert!(control.set(sandbox.control()).is_ok(), "set once");
        }
        let caller: Arc<dyn ToolCaller> = caller.clone();
        let ended = sandbox.start_with(&CODE, Some(caller));
        let told = told.lock().expect("no panic").clone();
        (ended, told)
    }
}

fn read(entered: &Entered<'_>, handle: u64) -> Act {
    entered.ask(&GuestFrame::File(FileRequest::Read { handle, offset: 0, len: 9, need: 9 }))
}

fn end(entered: &Entered<'_>, told: &Mutex<String>, text: &[u8]) -> Act {
    *told.lock().expect("no panic") = String::from_utf8_lossy(text).into_owned();
    entered.done(&[5])
}

fn opening(mount: u64, flags: OpenFlags) -> FileRequest<'static> {
    FileRequest::Open { at: FilePath { mount, path: b"x" }, flags, mode: 0o600 }
}

#[test]
fn file_that_the_caller_denies_is_not_touched() {
    let mounted = Mounted::new();
    let caller = on_open(|attempt: &FileAttempt<'_>| {
        assert!(attempt.writes() && attempt.truncates() && !attempt.creates() && !attempt.reads());
        deny()
    });
    let request = opening(1, OpenFlags::WRITE.with(OpenFlags::TRUNCATE));
    assert_eq!(mounted.open(request, &caller, None).1, "error 13");
    assert_eq!(mounted.written(), "b");
    assert_eq!(*caller.asked.lock().expect("no panic"), ["/b/x"]);
}

#[test]
fn changed_path_is_decided_anew() {
    let mounted = Mounted::new();
    let cases: [(&[u8], OpenFlags, &str); 7] = [
        (b"/b/x", OpenFlags::READ, "b"),
        (b"/a", OpenFlags::READ, "error 21"),
        (b"/ab", OpenFlags::READ, "error 13"),
        (b"/etc/passwd", OpenFlags::READ, "error 13"),
        (b"/a/../x", OpenFlags::READ, "error 22"),
        (b"/a//x", OpenFlags::READ, "error 22"),
        (b"/a/x", OpenFlags::READ.with(OpenFlags::WRITE), "error 30"),
    ];
    for (path, flags, expected) in cases {
        let caller = on_open(|_: &FileAttempt<'_>| Verdict::Change(path.to_vec()));
        let mount = u64::from(flags.has(OpenFlags::WRITE));
        let told = mounted.open(opening(mount, flags), &caller, None).1;
        assert_eq!(told, expected, "{}", String::from_utf8_lossy(path));
    }
}

#[test]
fn directories_and_what_may_not_be_opened_are_not_asked_about() {
    let mounted = Mounted::new();
    let caller = on_open(|_: &FileAttempt<'_>| deny());
    let denied = opening(0, OpenFlags::WRITE);
    assert_eq!(mounted.open(denied, &caller, None).1, "error 30");
    let listing = opening(0, OpenFlags::READ.with(OpenFlags::DIRECTORY));
    assert_eq!(mounted.open(listing, &caller, None).1, "error 20");
    assert_eq!(*caller.asked.lock().expect("no panic"), [""; 0]);
}

#[test]
fn run_that_ends_in_the_hook_opens_nothing() {
    let request = opening(1, OpenFlags::WRITE.with(OpenFlags::TRUNCATE));
    let mounted = Mounted::new();
    let stop = on_open(|_: &FileAttempt<'_>| Verdict::Stop { reason: "broken".into() });
    let (ended, told) = mounted.open(request, &stop, None);
    assert!(matches!(&ended, Err(Error::Cancelled { reason }) if reason == "broken"), "{ended:?}");
    assert_eq!((told.as_str(), mounted.written().as_str()), ("", "b"));
    let control: Arc<OnceLock<Control>> = Arc::default();
    let held = control.clone();
    let interrupt = on_open(move |_: &FileAttempt<'_>| {
        held.get().expect("it is set").interrupt("enough");
        Verdict::Allow
    });
    let (ended, told) = mounted.open(request, &interrupt, Some(&control));
    assert!(matches!(&ended, Err(Error::Cancelled { reason }) if reason == "enough"), "{ended:?}");
    assert_eq!((told.as_str(), mounted.written().as_str()), ("", "b"));
}
