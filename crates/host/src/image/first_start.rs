//! The conversation with a guest while its image is built.
//!
//! Guarantees: output and sleep are answered here, so a question has one answer; what the guest printed last is in the
//! error when it fails; a stage that takes too long is stopped.
//! Never: decodes bytes (`channel` does) or keeps more of the guest's output than an error needs.
//!
//! Before: `build`. After: `channel`, the engine.

use std::thread;
use std::time::Duration;

use hypercell_abi::limits::MAX_VALUE_BYTES;
use hypercell_abi::message::{Exited, RunDone, RunRequest, ToolCall, ToolReply};
use hypercell_abi::{GuestFrame, HostFrame, KernelRequest, NamedValues, RawValue};

use super::error::ImageError;
use crate::channel::{Channel, Outgoing};
use crate::clock;
use crate::engine::{Engine, VmError};
use crate::error::Error;
use crate::watchdog::Timeout;

/// A stage takes a second or two; on a machine that emulates processors, a hundred times that.
const STAGE_TIMEOUT: Duration = Duration::from_secs(300);
/// What an error quotes of the guest's output.
const MAX_QUOTED_BYTES: usize = 2000;
/// A guest that asks for more sleep in its build is told that the time is over.
const MAX_SLEEP: Duration = Duration::from_millis(100);
/// The one tool that the workload calls: it returns its argument of this name.
const ECHO: (&str, &str) = ("echo", "Returns rows.");
const ECHO_ARGUMENT: &str = "rows";
/// An encoded None.
const NULL: &[u8] = &[0xf6];
/// An encoded map without entries.
const NO_INPUTS: &[u8] = &[0xa0];

/// What the guest answered, apart from output and sleep.
#[derive(Debug)]
pub(crate) enum Answer {
    Ready {
        python: String,
    },
    Warmed {
        failed: Vec<(String, String)>,
    },
    Checkpointed {
        hot: Vec<u8>,
    },
    ToolCall(EchoCall),
    /// As ToolCall where the guest has threads of its own: calls, none or many, and how long it would wait.
    ToolWait {
        calls: Vec<EchoCall>,
        timeout: Option<Duration>,
    },
    RunDone {
        failure: Option<String>,
    },
    Dead {
        detail: String,
    },
}

/// A call of the workload's tool: its id, and the argument that it returns.
pub(crate) type EchoCall = (u64, Vec<u8>);

/// A guest in its first start.
pub(crate) struct Guest<E: Engine> {
    engine: E,
    channel: Channel,
    stage: &'static str,
    /// The end of what it printed.
    printed: Vec<u8>,
    timeout: Timeout,
}

impl<E: Engine> Guest<E> {
    /// Takes charge of a guest that was just booted or copied.
    ///
    /// # Errors
    ///
    /// [`ImageError::Start`] where the watchdog does not start.
    pub(crate) fn new(engine: E, stage: &'static str) -> Result<Guest<E>, ImageError> {
        let timeout = stage_timeout(&engine, stage)?;
        Ok(Guest { engine, channel: Channel::new(), stage, printed: Vec::new(), timeout })
    }

    /// Names the stage that begins, and gives it its time.
    ///
    /// # Errors
    ///
    /// [`ImageError::Start`] where the watchdog does not start.
    pub(crate) fn begin(&mut self, stage: &'static str) -> Result<(), ImageError> {
        self.timeout = stage_timeout(&self.engine, stage)?;
        self.stage = stage;
        self.printed.clear();
        Ok(())
    }

    /// Returns the engine, at rest.
    pub(crate) fn engine(&mut self) -> &mut E {
        &mut self.engine
    }

    /// Sends a frame and returns the answer.
    ///
    /// # Errors
    ///
    /// [`ImageError::Vm`] where the hypervisor fails, [`ImageError::Start`] where the guest dies, hangs or breaks the
    /// rules.
    pub(crate) fn ask(&mut self, frame: &Outgoing<'_>) -> Result<Answer, ImageError> {
        let mut turn = self.encode(frame)?;
        loop {
            let reply = self.engine.exchange(&turn).map_err(|error| self.stopped(error))?;
            let incoming = self.channel.decode(&reply).map_err(|error| self.failed(error.to_string()))?;
            let next = match incoming.frame {
                GuestFrame::Output { data, .. } => {
                    self.printed.extend_from_slice(data);
                    let surplus = self.printed.len().saturating_sub(MAX_QUOTED_BYTES);
                    self.printed.drain(..surplus);
                    Outgoing::Program(HostFrame::OutputAck)
                }
                GuestFrame::Sleep { ns } => {
                    thread::sleep(Duration::from_nanos(ns).min(MAX_SLEEP));
                    Outgoing::Kernel(KernelRequest::Resume)
                }
                other => match answer(other) {
                    Answer::Dead { detail } => return Err(self.failed(detail)),
                    answer => return Ok(answer),
                },
            };
            turn = self.encode(&next)?;
        }
    }

    /// Runs code to its end, answering the calls of its one tool if it has that.
    ///
    /// # Errors
    ///
    /// As [`Guest::ask`]; [`ImageError::Start`] where the code raises an exception.
    pub(crate) fn run(&mut self, code: &str, has_tool: bool) -> Result<(), ImageError> {
        let inputs = NamedValues::new(NO_INPUTS).map_err(|error| self.failed(error.to_string()))?;
        let seed = clock::entropy().map_err(|error| self.failed(error.to_string()))?;
        let request = RunRequest {
            code,
            name: "<code>",
            inputs,
            tools: has_tool.then_some(ECHO).into_iter().collect(),
            keep: false,
            seed,
            max_value_bytes: u64::try_from(MAX_VALUE_BYTES).unwrap_or(u64::MAX),
        };
        let mut answer = self.ask(&Outgoing::Program(HostFrame::RunRequest(request)))?;
        loop {
            match answer {
                Answer::ToolCall(call) => {
                    let reply = self.echo(&call)?;
                    answer = self.ask(&Outgoing::Program(HostFrame::ToolReply(reply)))?;
                }
                Answer::ToolWait { calls, timeout } => {
                    if calls.is_empty() {
                        thread::sleep(timeout.unwrap_or_default().min(MAX_SLEEP));
                    }
                    let replies = calls.iter().map(|call| self.echo(call)).collect::<Result<_, _>>()?;
                    answer = self.ask(&Outgoing::Program(HostFrame::ToolReplies { replies }))?;
                }
                Answer::RunDone { failure: None } => return Ok(()),
                Answer::RunDone { failure: Some(traceback) } => return Err(self.failed(traceback)),
                other => return Err(self.unexpected(&other)),
            }
        }
    }

    fn echo<'a>(&self, (id, argument): &'a EchoCall) -> Result<ToolReply<'a>, ImageError> {
        let value = RawValue::new(argument).map_err(|error| self.failed(error.to_string()))?;
        Ok(ToolReply { id: *id, outcome: Ok(value) })
    }

    /// Makes the error of the current stage, with what the guest printed last.
    pub(crate) fn failed(&self, detail: String) -> ImageError {
        let printed = String::from_utf8_lossy(&self.printed);
        let detail = match printed.trim() {
            "" => detail,
            printed => format!("{detail}; the guest printed:\n{printed}"),
        };
        ImageError::Start { stage: self.stage, detail }
    }

    /// Makes the error for a guest that did not answer. Nobody interrupts it but its stage's time-out.
    fn stopped(&self, error: VmError) -> ImageError {
        if let VmError::Interrupted = error {
            return self.failed(format!("it took longer than {STAGE_TIMEOUT:?}"));
        }
        match ImageError::start(self.stage)(error) {
            ImageError::Start { detail, .. } => self.failed(detail),
            other => other,
        }
    }

    /// Makes the error for a good frame at the wrong time.
    pub(crate) fn unexpected(&self, answer: &Answer) -> ImageError {
        self.failed(format!("the guest answered {answer:.200?}"))
    }

    fn encode(&mut self, frame: &Outgoing<'_>) -> Result<Vec<u8>, ImageError> {
        self.channel.encode(frame).map_err(|error: Error| self.failed(error.to_string()))
    }
}

fn stage_timeout(engine: &impl Engine, stage: &'static str) -> Result<Timeout, ImageError> {
    Timeout::new(engine.interrupt_handle(), STAGE_TIMEOUT)
        .map_err(|error| ImageError::Start { stage, detail: error.to_string() })
}

/// Copies what a frame says out of the turn.
fn answer(frame: GuestFrame<'_>) -> Answer {
    match frame {
        GuestFrame::Ready { python, .. } => Answer::Ready { python: python.to_owned() },
        GuestFrame::Warmed { failed } => {
            let owned = |(module, message): (&str, &str)| (module.to_owned(), message.to_owned());
            Answer::Warmed { failed: failed.into_iter().map(owned).collect() }
        }
        GuestFrame::Checkpointed { hot } => Answer::Checkpointed { hot: hot.to_vec() },
        GuestFrame::ToolCall(call) => Answer::ToolCall(echo_call(&call)),
        GuestFrame::ToolWait(wait) => Answer::ToolWait {
            calls: wait.calls.iter().map(echo_call).collect(),
            timeout: wait.timeout_ns.map(Duration::from_nanos),
        },
        GuestFrame::RunDone(RunDone { outcome, .. }) => {
            Answer::RunDone { failure: outcome.err().map(|error| error.traceback.to_owned()) }
        }
        GuestFrame::Abort { reason, report } => Answer::Dead { detail: format!("{reason}\n{report}") },
        GuestFrame::Exited(Exited { status, signal: 0, .. }) => {
            Answer::Dead { detail: format!("the interpreter ended with status {status}") }
        }
        GuestFrame::Exited(Exited { signal, report, .. }) => {
            // Registers and mappings are for whoever can start it again.
            let why = report.lines().next().unwrap_or_default();
            Answer::Dead { detail: format!("the interpreter died by signal {signal}: {why}") }
        }
        // `ask` answers these itself.
        GuestFrame::Output { .. } | GuestFrame::Sleep { .. } => {
            Answer::Dead { detail: "an interlude out of place".to_owned() }
        }
        GuestFrame::File(_) => {
            Answer::Dead { detail: "an imported module left files in /output, which is for runs".to_owned() }
        }
        GuestFrame::Reseeded => Answer::Dead { detail: "new random numbers, unasked".to_owned() },
        GuestFrame::Syscall(_) => Answer::Dead { detail: "a system call traced, unasked".to_owned() },
        GuestFrame::HttpSend(_)
        | GuestFrame::HttpPart(_)
        | GuestFrame::HttpRead(_)
        | GuestFrame::HttpClose { .. } => {
            Answer::Dead { detail: "the workload makes no request of HTTP".to_owned() }
        }
    }
}

fn echo_call(call: &ToolCall<'_>) -> EchoCall {
    let argument = call.args.iter().find(|(name, _)| *name == ECHO_ARGUMENT);
    // A call without it gets None: the workload notices.
    (call.id, argument.map_or(NULL, |(_, value)| value.as_bytes()).to_vec())
}

#[cfg(test)]
#[path = "first_start_tests.rs"]
mod tests;
