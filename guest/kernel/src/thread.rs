//! Threads of the program: who runs, who waits for what, and switching between them.
//!
//! What it is: one processor, a kernel stack for each thread. The kernel itself is never interrupted; a thread gives way where
//! a system call waits, and at the end of a system call or page fault once its slice is over or somebody's time has come
//! (docs/decisions/0015). Guarantees: where every thread waits for a time, the host waits and the VM costs nothing; a wait
//! for files that nothing can end is told so. Never: switches while kernel state is borrowed.
//!
//! Before: syscall, traps. After: arch, channel, time.

pub mod usage;
mod wake;

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::cell::Cell;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

use linux_raw_sys::general as linux;

use crate::cell::KernelCell;
use crate::errno::Errno;
use crate::task::{self, PID, SignalState};
use crate::{arch, channel, rlimit, time};

use wake::{NO_TIMERS, Timers};
pub use wake::{TimerKind, exchange_timer, requeue_futex, signal, taker, timer, wait_for_signal, wake_futex};

/// Most threads at once. Each has a kernel stack.
pub const MAX_THREADS: usize = 256;
/// Bytes of a thread's name with its NUL (TASK_COMM_LEN).
pub const NAME_BYTES: usize = 16;
/// Words of a kernel stack: 32 KiB. The vector state of a system call takes 3 of them.
const STACK_WORDS: usize = 4096;
/// What stands in the lowest word of a kernel stack as long as nothing grew over it.
const CANARY: u64 = 0x6879_7065_7263_656c;
/// Words above the registers, which `traps::Regs` covers and entry.s does not save.
const TOP_WORDS: usize = 8;
/// How long a thread may go on while another could. CPython asks for its lock as often.
pub const SLICE_NS: u64 = 5_000_000;

/// Why a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Woken {
    /// What was waited for may have happened.
    Event,
    /// The time is over.
    TimedOut,
    /// A signal came.
    Signal,
    /// Nothing can end the wait: every thread waits, and none for a time.
    Deadlock,
}

/// What a thread waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// A wake of a futex: its address, and the bits of which one must match.
    Futex(u64, u32),
    /// A change of a pipe, a counter or a set of files.
    Files,
    /// Its time, or a signal.
    Time,
    /// That no other thread can go on.
    Idle,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Runs, or could.
    Ready,
    Waits(Wait),
    Dead,
}

/// A thread.
#[derive(Debug)]
pub struct Thread {
    /// Its number; the first has that of the process.
    pub tid: u64,
    /// Where to write 0 and wake a futex at its end; 0 is nowhere.
    pub clear_at_exit: u64,
    /// Head of the list of locks that it holds (set_robust_list); 0 is none.
    pub robust_list: u64,
    state: State,
    /// End of its wait on the monotonic clock, in nanoseconds.
    deadline: u64,
    woken: Woken,
    /// Count of file changes when its wait began.
    seen: u64,
    /// Signals that end its wait though they are blocked (rt_sigtimedwait).
    awaited: u64,
    /// Order in which waits began: futexes wake the longest one first.
    turn: u64,
    /// Kernel stack, but for the first thread's.
    stack: Box<[u64]>,
    stack_top: u64,
    stack_pointer: Box<Cell<u64>>,
    fs_base: u64,
    gs_base: u64,
    signals: SignalState,
    /// Processor time that it used, in nanoseconds (usage.rs).
    used_ns: u64,
    /// Name that the program gave it (PR_SET_NAME), ended by NUL; empty is the program's.
    pub name: [u8; NAME_BYTES],
}

/// A timer of the process that raises a signal, in nanoseconds of its kind's clock.
#[derive(Clone, Copy, Debug)]
pub struct Timer {
    /// When it raises the signal next; the largest number is never.
    pub at: u64,
    /// How long after that again; 0 is not.
    pub interval: u64,
}

#[derive(Debug)]
struct Threads {
    list: Vec<Thread>,
    /// Index of the one that runs.
    current: usize,
    next_tid: u64,
    next_turn: u64,
    /// Count of file changes.
    changes: u64,
    /// When whoever waits for files shall look again, since a timer expires.
    files_due: u64,
    slice_end: u64,
    timers: Timers,
    /// Processor time that all threads used, those that have ended too, in nanoseconds (usage.rs).
    used_ns: u64,
    /// Since when the one that runs uses time that is not in `used_ns`; the largest number while the host is asked.
    running_since: u64,
    /// A thread that has ended; its stack is freed once another one runs.
    dead: Option<Thread>,
}

static THREADS: KernelCell<Threads> = KernelCell::new(Threads {
    list: Vec::new(),
    current: 0,
    next_tid: PID + 1,
    next_turn: 0,
    changes: 0,
    files_due: NO_TIME,
    slice_end: 0,
    timers: NO_TIMERS,
    used_ns: 0,
    running_since: NO_TIME,
    dead: None,
});

/// What the time-stamp counter shows when the scheduler must look next; the largest number with one thread.
static DUE: AtomicU64 = AtomicU64::new(u64::MAX);

const NO_TIME: u64 = u64::MAX;

impl Thread {
    fn new(tid: u64, stack: Box<[u64]>, stack_top: u64) -> Self {
        Self {
            tid,
            clear_at_exit: 0,
            robust_list: 0,
            state: State::Ready,
            deadline: NO_TIME,
            woken: Woken::Event,
            seen: 0,
            awaited: 0,
            turn: 0,
            stack,
            stack_top,
            stack_pointer: Box::new(Cell::new(0)),
            fs_base: 0,
            gs_base: 0,
            signals: SignalState::default(),
            used_ns: 0,
            name: [0; NAME_BYTES],
        }
    }

    fn wake(&mut self, why: Woken) {
        self.state = State::Ready;
        self.deadline = NO_TIME;
        self.woken = why;
    }

    fn waits_for_files(&self) -> bool {
        self.state == State::Waits(Wait::Files)
    }
}

/// What the scheduler found.
enum Next {
    Run(usize),
    /// Nobody can run before this time.
    Sleep(u64),
    /// Nobody can ever run.
    Never,
}

impl Threads {
    /// Wakes whose time has come and who waits for files that changed.
    fn wake_due(&mut self, now: u64) {
        if self.files_due <= now {
            self.files_due = NO_TIME;
            self.changes += 1;
        }
        let changes = self.changes;
        for thread in self.list.iter_mut().filter(|thread| thread.state != State::Ready) {
            if thread.waits_for_files() && thread.seen != changes {
                thread.wake(Woken::Event);
            } else if thread.deadline <= now {
                thread.wake(Woken::TimedOut);
            }
        }
    }

    /// The next one in turn, the one that runs last; else whoever waits for nothing better.
    fn pick(&mut self, now: u64) -> Next {
        self.wake_due(now);
        let count = self.list.len();
        let turns = (1..=count).map(|step| (self.current + step) % count);
        let find = |state: State| turns.clone().find(|&index| self.list[index].state == state);
        if let Some(index) = find(State::Ready) {
            return Next::Run(index);
        }
        if let Some(index) = find(State::Waits(Wait::Idle)) {
            self.list[index].wake(Woken::Event);
            return Next::Run(index);
        }
        if let Some(at) = self.next_deadline() {
            return Next::Sleep(at - now);
        }
        match find(State::Waits(Wait::Files)) {
            Some(index) => {
                self.list[index].wake(Woken::Deadlock);
                Next::Run(index)
            }
            None => Next::Never,
        }
    }

    fn next_deadline(&self) -> Option<u64> {
        let waits = self.list.iter().map(|thread| thread.deadline);
        waits.chain([self.timers.real().at, self.files_due]).min().filter(|&at| at != NO_TIME)
    }

    fn start_slice(&mut self, now: u64) {
        self.slice_end = now + SLICE_NS;
        self.set_due(now);
    }

    fn set_due(&self, now: u64) {
        let slice_end = if self.list.len() < 2 { NO_TIME } else { self.slice_end };
        let at = self.next_deadline().map_or(slice_end, |at| at.min(slice_end));
        let at = at.min(now.saturating_add(self.timers.left_of_used(self.used(now))));
        let due = if at == NO_TIME { u64::MAX } else { time::counter_in(at.saturating_sub(now)) };
        DUE.store(due, Relaxed);
    }

    fn current(&mut self) -> &mut Thread {
        &mut self.list[self.current]
    }
}

/// Makes the first thread, which is about to run.
pub fn start_first() {
    let now = time::monotonic_ns();
    THREADS.with(|t| {
        t.list.push(Thread::new(PID, Box::default(), arch::first_stack_top()));
        t.running_since = now;
    });
}

/// After a restore, which sets the stack of the first thread: the VM goes on in the thread that left it.
pub fn resume() {
    THREADS.peek(|t| {
        if let Some(thread) = t.list.get(t.current) {
            arch::set_syscall_stack_top(thread.stack_top);
        }
    });
}

/// The host has set the clock, and the counter may be another one.
pub fn clock_was_set() {
    if DUE.load(Relaxed) != u64::MAX {
        let now = time::monotonic_ns();
        THREADS.with(|t| t.set_due(now));
    }
}

/// Number of threads.
pub fn count() -> usize {
    THREADS.with(|t| t.list.len())
}

/// Looks at the thread that runs, or changes it.
pub fn with_current<R>(f: impl FnOnce(&mut Thread) -> R) -> R {
    THREADS.with(|t| f(t.current()))
}

/// Whether a thread of this number lives.
pub fn exists(tid: u64) -> bool {
    THREADS.with(|t| t.list.iter().any(|thread| thread.tid == tid))
}

/// Name of a thread, as far as the program gave it one; `None` if none that lives has this number.
pub fn name(tid: u64) -> Option<[u8; NAME_BYTES]> {
    THREADS.with(|t| t.list.iter().find(|thread| thread.tid == tid).map(|thread| thread.name))
}

/// Number of the thread that runs.
pub fn current_tid() -> u64 {
    with_current(|thread| thread.tid)
}

/// Numbers of all threads, the first one first.
pub fn tids() -> Vec<u64> {
    THREADS.with(|t| t.list.iter().map(|thread| thread.tid).collect())
}

/// Makes a thread that begins with these registers and a copy of the vector state at `fpu`; returns its number.
///
/// # Errors
///
/// `EAGAIN` where there are as many as the limit says, at most [`MAX_THREADS`], or where memory is used up.
pub fn start(regs: &crate::traps::Regs, fpu: &[u8], fs_base: u64, clear_at_exit: u64) -> Result<u64, Errno> {
    // The stack of the last thread that ended: nobody runs on it any more.
    drop(THREADS.with(|t| t.dead.take()));
    if count() as u64 >= rlimit::soft(linux::RLIMIT_NPROC) {
        return Err(Errno::EAGAIN);
    }
    let mut stack: Vec<u64> = Vec::new();
    stack.try_reserve_exact(STACK_WORDS).map_err(|_| Errno::EAGAIN)?;
    stack.resize(STACK_WORDS, 0);
    let mut stack = stack.into_boxed_slice();
    let (top, pointer) = lay_out(&mut stack, regs, fpu);
    let now = time::monotonic_ns();
    THREADS.with(|t| {
        let tid = t.next_tid;
        t.next_tid += 1;
        let mut thread = Thread::new(tid, stack, top);
        thread.stack_pointer.set(pointer);
        (thread.fs_base, thread.clear_at_exit) = (fs_base, clear_at_exit);
        // A signal that waits for one thread is not for another; what is blocked is inherited, the alternate stack is not.
        thread.signals.blocked = task::blocked();
        thread.name = t.current().name;
        t.list.push(thread);
        t.start_slice(now);
        Ok(tid)
    })
}

/// Fills a new kernel stack as if its thread had made a system call: registers, vector state, and a switch away from there.
/// Returns its top, and the stack pointer to switch to.
fn lay_out(stack: &mut [u64], regs: &crate::traps::Regs, fpu: &[u8]) -> (u64, u64) {
    let start = stack.as_ptr() as u64;
    let index = |address: u64| ((address - start) / 8) as usize;
    let top = (start + (stack.len() - TOP_WORDS) as u64 * 8) & !63;
    let regs_at = top - arch::REGISTER_FRAME_BYTES as u64;
    for (word, value) in stack[index(regs_at)..].iter_mut().zip(regs.saved()) {
        *word = value;
    }
    let fpu_at = (regs_at - fpu.len() as u64) & !63;
    for (word, bytes) in stack[index(fpu_at)..].iter_mut().zip(fpu.chunks_exact(8)) {
        *word = u64::from_le_bytes(bytes.try_into().unwrap_or_default());
    }
    let frame = arch::first_switch_frame(regs_at, fpu_at);
    let pointer = fpu_at - 64;
    stack[index(pointer)..][..frame.len()].copy_from_slice(&frame);
    stack[0] = CANARY;
    (top, pointer)
}

/// Waits until something wakes this thread, at most until `deadline` on the monotonic clock.
pub fn wait(wait: Wait, deadline: Option<u64>) -> Woken {
    if wait != Wait::Idle && task::has_signal() {
        return Woken::Signal;
    }
    THREADS.with(|t| {
        let (turn, seen) = (t.next_turn, t.changes);
        t.next_turn += 1;
        let thread = t.current();
        thread.state = State::Waits(wait);
        thread.deadline = deadline.unwrap_or(NO_TIME);
        (thread.turn, thread.seen) = (turn, seen);
    });
    schedule();
    with_current(|thread| thread.woken)
}

/// Waits for a file to change, at most until `deadline`.
pub fn wait_for_files(deadline: Option<u64>) -> Woken {
    wait(Wait::Files, deadline)
}

/// Waits this long.
///
/// # Errors
///
/// `EINTR` where a signal came before.
pub fn sleep(ns: u64) -> Result<(), Errno> {
    let deadline = time::monotonic_ns().saturating_add(ns).min(NO_TIME - 1);
    match wait(Wait::Time, Some(deadline)) {
        Woken::Signal => Err(Errno::EINTR),
        _ => Ok(()),
    }
}

/// Notes that a pipe, a counter or a set of files changed: whoever waits for one looks again.
pub fn files_changed() {
    THREADS.with(|t| t.changes += 1);
}

/// Lets whoever waits for files look again at this time on the monotonic clock: nothing tells of a timer that expires.
pub fn look_at_files_at(at: u64) {
    THREADS.with(|t| t.files_due = t.files_due.min(at));
}

/// Waits until no other thread can go on, at most this long, and says when a wait of one ends: nanoseconds from now, 0
/// where one can run, `None` where none waits for a time.
pub fn wait_until_idle(most_ns: u64) -> Option<u64> {
    wait(Wait::Idle, Some(time::monotonic_ns() + most_ns));
    next_event()
}

fn next_event() -> Option<u64> {
    let now = time::monotonic_ns();
    THREADS.with(|t| {
        t.wake_due(now);
        let current = t.current;
        let mut others = t.list.iter().enumerate().filter(|(index, _)| *index != current);
        if others.clone().any(|(_, thread)| thread.state == State::Ready) {
            return Some(0);
        }
        let at = others.try_fold(NO_TIME, |at, (_, thread)| Some(at.min(thread.deadline)))?;
        (at != NO_TIME).then(|| at - now)
    })
}

/// Whether the scheduler should look. Reads only, so that the fault handler may ask.
pub fn is_due() -> bool {
    let due = DUE.load(Relaxed);
    due != u64::MAX && arch::rdtsc() >= due
}

/// Lets others run whose turn it is. Called where the program is about to go on.
pub fn give_way_if_due() {
    if is_due() {
        let now = time::monotonic_ns();
        wake::fire_timers(now);
        let switches = THREADS.with(|t| {
            let had_time = t.next_deadline().is_some_and(|at| at <= now);
            t.wake_due(now);
            t.set_due(now);
            t.list.len() > 1 && (had_time || now >= t.slice_end)
        });
        if switches {
            give_way();
        }
    }
}

/// sched_yield: lets every other thread that can run go first.
pub fn give_way() {
    schedule();
}

/// Ends the thread that runs, which is not the last one.
pub fn end() -> ! {
    with_current(|thread| thread.state = State::Dead);
    schedule();
    arch::abort("a thread that has ended runs")
}

/// Runs whoever is next, or lets the host wait until somebody is; returns once this thread is.
fn schedule() {
    loop {
        let now = time::monotonic_ns();
        wake::fire_timers(now);
        match THREADS.with(|t| t.pick(now)) {
            Next::Run(index) => return switch_to(index, now),
            Next::Sleep(ns) => channel::sleep_ns(ns),
            Next::Never => channel::sleep_ns(u64::MAX),
        }
    }
}

fn switch_to(index: usize, now: u64) {
    let (keep, load) = THREADS.with(|t| {
        let from = t.current;
        if from == index {
            t.start_slice(now);
            return (core::ptr::null(), 0);
        }
        t.charge(now);
        let signals = task::exchange_signals(t.list[index].signals);
        let old = &mut t.list[from];
        if old.stack.first().is_some_and(|&word| word != CANARY) {
            arch::abort("a kernel stack overflowed");
        }
        (old.fs_base, old.gs_base) = (arch::fs_base(), arch::gs_base());
        old.signals = signals;
        let keep = core::ptr::from_ref(&*old.stack_pointer);
        t.current = index;
        if t.list[from].state == State::Dead {
            // The box of its stack pointer lives on in `dead`, so `keep` stays good.
            t.dead = Some(t.list.remove(from));
            t.current -= usize::from(from < index);
        }
        t.start_slice(now);
        let new = t.current();
        arch::set_fs_base(new.fs_base);
        arch::set_gs_base(new.gs_base);
        arch::set_syscall_stack_top(new.stack_top);
        (keep, new.stack_pointer.get())
    });
    if load != 0 {
        arch::switch_stack(keep, load);
    }
}

#[cfg(test)]
mod tests;
