//! What ends a wait before its time: wakes of futexes, signals, and the timers that raise them.
//!
//! Before: syscall/thread.rs, syscall/signal.rs, task. After: thread.

use linux_raw_sys::general as linux;

use super::{NO_TIME, State, THREADS, Thread, Timer, Wait, Woken, wait, with_current};
use crate::task::{self, PID};
use crate::time;

/// Wakes threads that wait for a futex, those first that wait longest; returns how many.
pub fn wake_futex(address: u64, most: usize, bits: u32) -> usize {
    THREADS.with(|t| {
        let mut woken = 0;
        while woken < most
            && let Some(thread) = longest_waiting(&mut t.list, address, bits)
        {
            thread.wake(Woken::Event);
            woken += 1;
        }
        woken
    })
}

/// Lets threads that wait for one futex wait for another; returns how many.
pub fn requeue_futex(from: u64, to: u64, most: usize) -> usize {
    if from == to {
        return 0;
    }
    THREADS.with(|t| requeue(&mut t.list, from, to, most))
}

pub(super) fn requeue(list: &mut [Thread], from: u64, to: u64, most: usize) -> usize {
    let mut moved = 0;
    while moved < most
        && let Some(thread) = longest_waiting(list, from, u32::MAX)
    {
        if let State::Waits(Wait::Futex(address, _)) = &mut thread.state {
            *address = to;
        }
        moved += 1;
    }
    moved
}

pub(super) fn longest_waiting(list: &mut [Thread], wanted: u64, bits: u32) -> Option<&mut Thread> {
    list.iter_mut()
        .filter(|thread| matches!(thread.state, State::Waits(Wait::Futex(at, mask)) if at == wanted && mask & bits != 0))
        .min_by_key(|thread| thread.turn)
}

/// Gives a signal to a thread: marks it, and ends its wait unless the signal is blocked. The one that runs finds it when
/// its system call returns.
pub fn signal(tid: u64, bit: u64) {
    THREADS.with(|t| {
        let current = t.current;
        let Some(index) = t.list.iter().position(|thread| thread.tid == tid) else { return };
        let thread = &mut t.list[index];
        let blocked = if index == current {
            task::mark(bit);
            task::blocked()
        } else {
            thread.signals.pending |= bit;
            thread.signals.blocked
        };
        if bit & (!blocked | thread.awaited) != 0 && is_interruptible(thread.state) {
            thread.wake(Woken::Signal);
        }
    });
}

/// The thread that shall take a signal of the process: one that awaits it, the one that runs if it does not block it, else the first.
pub fn taker(bit: u64) -> u64 {
    THREADS.with(|t| {
        if let Some(thread) = t.list.iter().find(|thread| thread.awaited & bit != 0) {
            return thread.tid;
        }
        if task::blocked() & bit == 0 {
            return t.current().tid;
        }
        let current = t.current;
        let others = t.list.iter().enumerate().filter(|(index, _)| *index != current);
        let open = others.map(|(_, thread)| thread).find(|thread| thread.signals.blocked & bit == 0);
        open.map_or(PID, |thread| thread.tid)
    })
}

fn is_interruptible(state: State) -> bool {
    matches!(state, State::Waits(wait) if wait != Wait::Idle)
}

/// What a timer counts, and which signal it raises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimerKind {
    /// Real time: SIGALRM.
    Real,
    /// Processor time of the program: SIGVTALRM. What the kernel does for it counts too.
    Virtual,
    /// Processor time: SIGPROF.
    Prof,
    /// Processor time up to the soft limit: SIGXCPU (RLIMIT_CPU).
    SoftLimit,
    /// Processor time up to the hard limit: SIGKILL.
    HardLimit,
}

/// Signals of the timers, in their order.
const SIGNALS: [u32; 5] = [linux::SIGALRM, linux::SIGVTALRM, linux::SIGPROF, linux::SIGXCPU, linux::SIGKILL];

/// One timer of each kind.
#[derive(Debug)]
pub(super) struct Timers([Timer; 5]);

/// All are off.
pub(super) const NO_TIMERS: Timers = Timers([Timer { at: NO_TIME, interval: 0 }; 5]);

impl Timers {
    /// The timer of real time.
    pub(super) fn real(&self) -> Timer {
        self.0[TimerKind::Real as usize]
    }

    pub(super) fn exchange(&mut self, kind: TimerKind, timer: Timer) -> Timer {
        core::mem::replace(&mut self.0[kind as usize], timer)
    }

    /// How much processor time is left until a timer of it raises its signal.
    pub(super) fn left_of_used(&self, used: u64) -> u64 {
        let [_, of_used @ ..] = &self.0;
        let timers = of_used.iter().filter(|timer| timer.at != NO_TIME);
        timers.map(|timer| timer.at.saturating_sub(used)).min().unwrap_or(NO_TIME)
    }

    /// Takes the signals whose time has come, and sets the timers on.
    pub(super) fn take_due(&mut self, now: u64, used: u64) -> impl Iterator<Item = u32> + use<> {
        let mut due = [false; SIGNALS.len()];
        for (index, timer) in self.0.iter_mut().enumerate() {
            let clock = if index == TimerKind::Real as usize { now } else { used };
            if timer.at <= clock {
                due[index] = true;
                timer.at = match (clock - timer.at).checked_div(timer.interval) {
                    // Those that were missed meanwhile are one signal, and the next one comes at its time.
                    Some(missed) => timer.at.saturating_add((missed + 1).saturating_mul(timer.interval)),
                    None => NO_TIME,
                };
            }
        }
        SIGNALS.into_iter().zip(due).filter_map(|(signal, is_due)| is_due.then_some(signal))
    }
}

/// Raises the signals of timers whose time has come.
pub(super) fn fire_timers(now: u64) {
    let due = THREADS.with(|t| {
        let used = t.used(now);
        t.timers.take_due(now, used)
    });
    for signal in due {
        // Each of them is a signal.
        let _ = task::raise(signal, None);
    }
}

/// Sets a timer of the process, and returns what it was.
pub fn exchange_timer(kind: TimerKind, timer: Timer) -> Timer {
    let now = time::monotonic_ns();
    THREADS.with(|t| {
        let old = t.timers.exchange(kind, timer);
        t.set_due(now);
        old
    })
}

/// A timer of the process.
pub fn timer(kind: TimerKind) -> Timer {
    THREADS.with(|t| t.timers.0[kind as usize])
}

/// Waits for one of these signals, blocked as they are, at most until `deadline`, and takes it.
pub fn wait_for_signal(set: u64, deadline: Option<u64>) -> Result<u32, Woken> {
    if let Some(signal) = task::take(set) {
        return Ok(signal);
    }
    with_current(|thread| thread.awaited = set);
    let woken = wait(Wait::Time, deadline);
    with_current(|thread| thread.awaited = 0);
    task::take(set).ok_or(woken)
}
