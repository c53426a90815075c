//! What ends a wait before its time: wakes of futexes, signals, and the timer that raises one.
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

/// Raises SIGALRM if its time has come.
pub(super) fn fire_timer(now: u64) {
    let fires = THREADS.with(|t| {
        let timer = &mut t.timer;
        if timer.at > now {
            return false;
        }
        timer.at = if timer.interval == 0 { NO_TIME } else { now + timer.interval };
        true
    });
    if fires {
        // SIGALRM is a signal.
        let _ = task::raise(linux::SIGALRM, None);
    }
}

/// Sets the timer of the process, and returns what it was.
pub fn exchange_timer(timer: Timer) -> Timer {
    let now = time::monotonic_ns();
    THREADS.with(|t| {
        let old = core::mem::replace(&mut t.timer, timer);
        t.set_due(now);
        old
    })
}

/// The timer of the process.
pub fn timer() -> Timer {
    THREADS.with(|t| t.timer)
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
