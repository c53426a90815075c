//! The fake guest: what the host sends is decoded, a script says what to answer.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use hypercell_host::abi::frame::{EnterHeader, ExitHeader, FrameHeader};
use hypercell_host::abi::message::{OutputStream, RunDone, RunError, ToolCall};
use hypercell_host::abi::{FrameKind, GuestFrame, HostFrame, NamedValues, RawValue};
use hypercell_host::engine::{Answer, Engine, EngineSource, Interrupt, VmError};
use hypercell_host::{
    Error, Limits, OwnedValue, RunSpec, Sandbox, SandboxOptions, Step, ToolInfo, ToolReply,
};

/// One host turn, taken apart.
pub(crate) struct Entered<'a> {
    pub(crate) enter: EnterHeader,
    pub(crate) header: FrameHeader,
    pub(crate) body: &'a [u8],
    /// Turns of this guest so far, from 0.
    pub(crate) turn: u32,
}

impl Entered<'_> {
    pub(crate) fn kind(&self) -> FrameKind {
        self.header.kind
    }

    pub(crate) fn host_frame(&self) -> HostFrame<'_> {
        HostFrame::decode(self.header.kind, self.body).expect("the host sends good frames")
    }

    /// Answers with a frame.
    pub(crate) fn say(&self, frame: &GuestFrame<'_>) -> Act {
        Act::Say(turn_of(&frame.encode(self.header.seq).expect("a frame within the limits")))
    }

    pub(crate) fn output(&self, data: &[u8]) -> Act {
        self.say(&GuestFrame::Output { stream: OutputStream::Stdout, data })
    }

    /// Asks with a frame.
    pub(crate) fn ask(&self, frame: &GuestFrame<'_>) -> Act {
        Act::Ask(turn_of(&frame.encode(self.header.seq).expect("a frame within the limits")))
    }

    pub(crate) fn ask_call(&self, name: &str) -> Act {
        let args = NamedValues::new(&[0xa0]).expect("a map");
        self.ask(&GuestFrame::ToolCall(ToolCall { id: 7, name, args, line: None }))
    }

    pub(crate) fn call(&self, name: &str, args: &[u8]) -> Act {
        let args = NamedValues::new(args).expect("a map");
        self.say(&GuestFrame::ToolCall(ToolCall { id: 7, name, args, line: None }))
    }

    /// Ends the run with an encoded value.
    pub(crate) fn done(&self, value: &[u8]) -> Act {
        let value = RawValue::new(value).expect("a value");
        self.say(&GuestFrame::RunDone(RunDone { outcome: Ok(value), exit: None }))
    }

    pub(crate) fn raise(&self, type_name: &str, message: &str) -> Act {
        let error = RunError { type_name, message, traceback: "tb", line: Some(3) };
        self.say(&GuestFrame::RunDone(RunDone { outcome: Err(error), exit: None }))
    }
}

/// What the fake guest does in a turn.
pub(crate) enum Act {
    /// Leaves with these bytes.
    Say(Vec<u8>),
    /// Asks with these bytes, without leaving, and takes the answer for the next turn; leaves where there is none.
    Ask(Vec<u8>),
    /// Asks with these bytes again and again, whatever the host says, until somebody interrupts.
    AskForEver(Vec<u8>),
    /// Computes until somebody interrupts.
    Hang,
    /// Ignores this many interrupts, then is interrupted: they came too early.
    HangDeaf(u32),
    /// Dies.
    Fail(VmError),
}

/// Wraps a frame into a turn, with honest lengths and some counters.
pub(crate) fn turn_of(frame: &[u8]) -> Vec<u8> {
    let header = ExitHeader {
        frame_len: frame.len() as u32,
        pages_used: 10,
        pages_peak: 20,
        page_faults: 5,
        syscalls: 6,
        ..ExitHeader::default()
    };
    [&header.encode()[..], frame].concat()
}

type Script = dyn FnMut(&Entered<'_>) -> Act + Send;

/// Makes fake guests, all with the same script.
#[derive(Clone)]
pub(crate) struct FakeSource(Arc<Factory>);

struct Factory {
    make: Box<dyn Fn() -> Box<Script> + Send + Sync>,
    created: AtomicU32,
    restored: AtomicU32,
    fails: Option<VmError>,
}

impl FakeSource {
    /// Takes a script that begins anew in each guest.
    pub(crate) fn new<F>(script: F) -> Self
    where
        F: FnMut(&Entered<'_>) -> Act + Clone + Send + Sync + 'static,
    {
        Self(Arc::new(Factory {
            make: Box::new(move || Box::new(script.clone())),
            created: AtomicU32::new(0),
            restored: AtomicU32::new(0),
            fails: None,
        }))
    }

    /// Makes no guest.
    pub(crate) fn failing(error: VmError) -> Self {
        Self(Arc::new(Factory {
            make: Box::new(|| Box::new(|_: &Entered<'_>| Act::Hang)),
            created: AtomicU32::new(0),
            restored: AtomicU32::new(0),
            fails: Some(error),
        }))
    }

    pub(crate) fn created(&self) -> u32 {
        self.0.created.load(Ordering::SeqCst)
    }

    pub(crate) fn restored(&self) -> u32 {
        self.0.restored.load(Ordering::SeqCst)
    }
}

impl EngineSource for FakeSource {
    type Engine = FakeGuest;

    fn create(&self) -> Result<FakeGuest, VmError> {
        if let Some(error) = &self.0.fails {
            return Err(error.clone());
        }
        self.0.created.fetch_add(1, Ordering::SeqCst);
        Ok(FakeGuest { script: (self.0.make)(), turn: 0, bell: Arc::default() })
    }

    fn restore(&self, guest: &mut FakeGuest) -> Result<(), VmError> {
        self.0.restored.fetch_add(1, Ordering::SeqCst);
        guest.script = (self.0.make)();
        guest.turn = 0;
        Ok(())
    }
}

pub(crate) struct FakeGuest {
    script: Box<Script>,
    turn: u32,
    bell: Arc<Bell>,
}

/// As the real engine's handle: an interrupt between turns is lost.
#[derive(Default)]
struct Bell {
    state: Mutex<BellState>,
    rang: Condvar,
}

#[derive(Default)]
struct BellState {
    is_running: bool,
    rung: u32,
}

impl Interrupt for Bell {
    fn interrupt(&self) -> bool {
        let mut state = self.state.lock().expect("no panic");
        if state.is_running {
            state.rung += 1;
            self.rang.notify_all();
        }
        state.is_running
    }
}

impl Bell {
    fn start(&self) {
        *self.state.lock().expect("no panic") = BellState { is_running: true, rung: 0 };
    }

    fn rings(&self) -> u32 {
        self.state.lock().expect("no panic").rung
    }

    fn stop(&self) -> u32 {
        let mut state = self.state.lock().expect("no panic");
        state.is_running = false;
        state.rung
    }

    fn wait_for(&self, rings: u32) -> VmError {
        let mut state = self.state.lock().expect("no panic");
        state.is_running = true;
        state.rung = 0;
        let limit = Duration::from_secs(30);
        let (mut state, timeout) =
            self.rang.wait_timeout_while(state, limit, |state| state.rung < rings).expect("no panic");
        state.is_running = false;
        assert!(!timeout.timed_out(), "nobody interrupted the guest");
        VmError::Interrupted
    }
}

impl Engine for FakeGuest {
    fn enter(&mut self, turn: &[u8], answer: &mut Answer<'_>) -> Result<Vec<u8>, VmError> {
        let (enter, frame) = EnterHeader::split(turn).expect("the host makes good turns");
        let (header, body) = FrameHeader::split(frame).expect("the host makes good frames");
        let entered = Entered { enter, header, body, turn: self.turn };
        self.turn += 1;
        match (self.script)(&entered) {
            Act::Say(bytes) => Ok(bytes),
            Act::Ask(bytes) => {
                self.bell.start();
                let answer = answer(&bytes).map(|next| self.enter(&next, answer));
                if self.bell.stop() > 0 {
                    Err(VmError::Interrupted)
                } else {
                    answer.unwrap_or(Ok(Vec::new()))
                }
            }
            Act::AskForEver(bytes) => {
                self.bell.start();
                for _ in 0..1_000_000 {
                    if answer(&bytes).is_none() && self.bell.rings() > 0 {
                        return Err(VmError::Interrupted);
                    }
                }
                panic!("nobody stops the guest");
            }
            Act::Hang => Err(self.bell.wait_for(1)),
            Act::HangDeaf(deaf) => Err(self.bell.wait_for(deaf + 1)),
            Act::Fail(error) => Err(error),
        }
    }

    fn interrupt_handle(&self) -> Arc<dyn Interrupt> {
        self.bell.clone()
    }
}

/// A sandbox with tools `add` and `sub`, and given limits.
pub(crate) fn sandbox_with(source: &FakeSource, limits: Limits) -> Sandbox<FakeSource> {
    let tools = ["add", "sub"].map(|name| ToolInfo { name: name.into(), ..ToolInfo::default() });
    let options = SandboxOptions { tools: tools.into(), limits, ..SandboxOptions::default() };
    Sandbox::new(source.clone(), options).expect("good options")
}

/// A sandbox with tools `add` and `sub`, around this script.
pub(crate) fn sandbox<F>(script: F) -> Sandbox<FakeSource>
where
    F: FnMut(&Entered<'_>) -> Act + Clone + Send + Sync + 'static,
{
    sandbox_with(&FakeSource::new(script), Limits::default())
}

pub(crate) const CODE: RunSpec<'_> = RunSpec { code: "1 + 1", name: "<code>", inputs: NamedValues::EMPTY };

/// Runs to the end; every tool call returns None.
pub(crate) fn run(sandbox: &mut Sandbox<FakeSource>) -> Result<hypercell_host::Done, Error> {
    let mut step = sandbox.start(&CODE)?;
    loop {
        step = match step {
            Step::Done(done) => return Ok(*done),
            Step::ToolCall(call) => sandbox.resume(call.id, ToolReply::Value(RawValue::NONE))?,
        };
    }
}

/// An encoded small integer.
pub(crate) fn int(n: u8) -> OwnedValue {
    OwnedValue::new(RawValue::new(&[n]).expect("an integer below 24"))
}

/// A script that answers every run with 5.
pub(crate) fn five(entered: &Entered<'_>) -> Act {
    entered.done(&[5])
}
