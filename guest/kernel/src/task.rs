//! The one process: identity, signals, end.
//!
//! Guarantees: a fault without a handler ends the program with a report that names signal, address and place; a signal
//! with a handler runs it on the stack it asked for. Signals are delivered at system calls and faults only.
//!
//! Before: traps, syscall. After: crash, channel (the report).

use alloc::format;
use alloc::string::String;

use linux_raw_sys::general as linux;

use crate::cell::KernelCell;
use crate::errno::{Errno, SysResult};
use crate::traps::Regs;
use crate::user;
use crate::{arch, channel, crash, thread};

/// Process id, thread id, parent: the program is the init of its VM.
pub const PID: u64 = 1;
const SIGNALS: usize = 65;
const XSAVE_BYTES: usize = 2816;
/// ucontext (304 bytes), siginfo (128) and the return address before them: `struct rt_sigframe` of Linux.
const FRAME_BYTES: usize = 8 + 304 + 128;
const RED_ZONE: u64 = 128;
/// Stack that delivering a signal takes (AT_MINSIGSTKSZ).
pub const MIN_SIGNAL_STACK: u64 = 4096;

/// rt_sigaction's record, as the kernel sees it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Action {
    /// Handler address; 0 default, 1 ignore.
    pub handler: u64,
    /// SA_* flags.
    pub flags: u64,
    /// Return trampoline of the C library.
    pub restorer: u64,
    /// Signals blocked while the handler runs.
    pub mask: u64,
}

/// What each thread has of its own.
#[derive(Clone, Copy, Debug, Default)]
pub struct SignalState {
    /// Blocked signals, bit n-1 for signal n.
    pub blocked: u64,
    /// Raised and not yet delivered.
    pub pending: u64,
    /// Alternate stack: start, bytes; 0 bytes is none.
    pub altstack: (u64, u64),
    /// What was blocked before a system call that waits with another mask.
    pub mask_before: Option<u64>,
}

impl SignalState {
    /// Returns what is blocked once the system call is over, and forgets that it was another mask.
    pub fn take_mask(&mut self) -> u64 {
        self.mask_before.take().unwrap_or(self.blocked)
    }
}

/// Signal state of the program.
#[derive(Debug)]
pub struct Task {
    /// Actions by signal number.
    pub actions: [Action; SIGNALS],
    /// Of the thread that runs.
    pub own: SignalState,
    /// The last fault that a handler got: a handler that gives up raises the signal again, and the report wants the cause.
    last_fault: Option<LastFault>,
}

#[derive(Clone, Copy, Debug)]
struct LastFault {
    signal: u32,
    vector: u64,
    write: bool,
    address: u64,
    regs: Regs,
}

/// The one task.
pub static TASK: KernelCell<Task> = KernelCell::new(Task {
    actions: [Action { handler: 0, flags: 0, restorer: 0, mask: 0 }; SIGNALS],
    own: SignalState { blocked: 0, pending: 0, altstack: (0, 0), mask_before: None },
    last_fault: None,
});

fn bit(signal: u32) -> u64 {
    1 << (signal - 1)
}

/// Raises a signal for a thread, or for the process: whoever takes it gets it when its system call returns.
///
/// # Errors
///
/// `EINVAL` for a number that is no signal.
pub fn raise(signal: u32, tid: Option<u64>) -> Result<(), Errno> {
    if signal as usize >= SIGNALS {
        return Err(Errno::EINVAL);
    }
    if signal != 0 && !is_ignored(signal) {
        let bit = bit(signal);
        thread::signal(tid.unwrap_or_else(|| thread::taker(bit)), bit);
    }
    Ok(())
}

/// Whether nothing happens when it is delivered, so that it need not end a wait.
fn is_ignored(signal: u32) -> bool {
    if blocked() & bit(signal) != 0 {
        return false;
    }
    let handler = TASK.with(|t| t.actions[signal as usize].handler);
    handler == 1 || handler == 0 && ignored_by_default(signal)
}

/// Tells the program that a file was to grow above its limit (SIGXFSZ).
pub fn file_grew_too_large() {
    // It is a signal.
    let _ = raise(linux::SIGXFSZ, None);
}

/// Marks a signal as raised for the thread that runs.
pub fn mark(bit: u64) {
    TASK.with(|t| t.own.pending |= bit);
}

/// What the thread that runs blocks.
pub fn blocked() -> u64 {
    TASK.with(|t| t.own.blocked)
}

/// Whether a signal is to be delivered to the thread that runs.
pub fn has_signal() -> bool {
    TASK.with(|t| t.own.pending & !t.own.blocked != 0)
}

/// Takes one of these signals from those that wait for the thread that runs.
pub fn take(set: u64) -> Option<u32> {
    TASK.with(|t| {
        let found = t.own.pending & set;
        let signal = (found != 0).then(|| found.trailing_zeros() + 1)?;
        t.own.pending &= !bit(signal);
        Some(signal)
    })
}

/// Puts the state of another thread in place of that of the thread that ran, and returns the latter.
pub fn exchange_signals(state: SignalState) -> SignalState {
    TASK.with(|t| core::mem::replace(&mut t.own, state))
}

/// Signals that do nothing unless a handler is set.
fn ignored_by_default(signal: u32) -> bool {
    matches!(signal, linux::SIGCHLD | linux::SIGCONT | linux::SIGURG | linux::SIGWINCH)
}

/// Names of the signals from 1 on; the real-time ones have none.
const NAMES: &str = "SIGHUP SIGINT SIGQUIT SIGILL SIGTRAP SIGABRT SIGBUS SIGFPE SIGKILL SIGUSR1 SIGSEGV SIGUSR2 SIGPIPE \
    SIGALRM SIGTERM SIGSTKFLT SIGCHLD SIGCONT SIGSTOP SIGTSTP SIGTTIN SIGTTOU SIGURG SIGXCPU SIGXFSZ SIGVTALRM SIGPROF \
    SIGWINCH SIGIO SIGPWR SIGSYS";

fn name(signal: u32) -> &'static str {
    NAMES.split(' ').nth(signal as usize - 1).unwrap_or("signal")
}

/// Delivers what is pending before the program continues with `regs`.
pub fn deliver_pending(regs: &mut Regs) {
    loop {
        let Some((signal, action)) = TASK.with(|t| {
            let ready = t.own.pending & !t.own.blocked;
            if ready == 0 {
                return None;
            }
            let signal = ready.trailing_zeros() + 1;
            t.own.pending &= !bit(signal);
            Some((signal, t.actions[signal as usize]))
        }) else {
            return TASK.with(|t| t.own.blocked = t.own.take_mask());
        };
        match action.handler {
            0 if ignored_by_default(signal) => {}
            1 => {}
            0 => end_by_signal(signal, regs, "raised by the program itself"),
            _ => {
                if run_handler(regs, signal, action, 0, 0, 0).is_err() {
                    end_by_signal(linux::SIGSEGV, regs, "no room for a signal frame");
                }
            }
        }
    }
}

/// Turns a fault into a signal: to the program's handler, or the end with a report.
pub fn fault_signal(regs: &mut Regs, vector: u64, error: u64, address: u64) {
    let signal = match vector {
        0 | 16 | 19 => linux::SIGFPE,
        1 | 3 => linux::SIGTRAP,
        6 => linux::SIGILL,
        12 | 17 => linux::SIGBUS,
        _ => linux::SIGSEGV,
    };
    let action = TASK.with(|t| t.actions[signal as usize]);
    let blocked = TASK.with(|t| t.own.blocked & bit(signal) != 0);
    let fault = LastFault { signal, vector, write: vector == 14 && error & 2 != 0, address, regs: *regs };
    TASK.with(|t| t.last_fault = Some(fault));
    let handled =
        action.handler > 1 && !blocked && run_handler(regs, signal, action, vector, error, address).is_ok();
    if !handled {
        end_by_signal(signal, regs, "");
    }
}

fn end_by_signal(signal: u32, regs: &Regs, why: &str) -> ! {
    let fault = TASK.with(|t| t.last_fault).filter(|f| f.signal == signal);
    let why = match fault {
        Some(f) => {
            let kind = if f.write { "write to" } else { "access to" };
            format!("{kind} address {:#x} at {:#x}, vector {}", f.address, f.regs.rip, f.vector)
        }
        None => String::from(why),
    };
    let first_line = format!("{} ({signal}): {why}", name(signal));
    let regs = fault.as_ref().map_or(regs, |fault| &fault.regs);
    let report = crash::report(&first_line, regs, fault.map(|fault| fault.address));
    channel::exited(128 + signal as i32, signal, &report)
}

/// Ends a program that returned from a signal with a broken frame.
pub fn bad_signal_frame(regs: &Regs) -> ! {
    end_by_signal(linux::SIGSEGV, regs, "broken signal frame")
}

/// Where entry.s put the vector state of the system call with these registers.
fn fpu_of(regs: &Regs) -> u64 {
    fpu_below(core::ptr::from_ref(regs) as u64)
}

fn fpu_below(regs_at: u64) -> u64 {
    (regs_at - XSAVE_BYTES as u64) & !63
}

/// The vector state of the system call that runs on the stack with this top.
pub fn saved_vectors(stack_top: u64) -> &'static [u8] {
    arch::static_bytes(fpu_below(stack_top - arch::REGISTER_FRAME_BYTES as u64), XSAVE_BYTES)
}

fn run_handler(
    regs: &mut Regs,
    signal: u32,
    action: Action,
    vector: u64,
    error: u64,
    address: u64,
) -> Result<(), Errno> {
    let (altstack, old_mask) = TASK.with(|t| (t.own.altstack, t.own.take_mask()));
    let on_alt = regs.rsp.wrapping_sub(altstack.0) < altstack.1;
    let mut top = regs.rsp.wrapping_sub(RED_ZONE);
    if action.flags & u64::from(linux::SA_ONSTACK) != 0 && altstack.1 != 0 && !on_alt {
        top = altstack.0 + altstack.1;
    }
    let fpu_at = top.wrapping_sub(XSAVE_BYTES as u64) & !63;
    let frame_at = (fpu_at.wrapping_sub(FRAME_BYTES as u64) & !15).wrapping_sub(8);
    let context_at = frame_at + 8;
    let info_at = context_at + 304;

    let mut frame = [0u8; FRAME_BYTES];
    let mut put = |at: usize, value: u64| frame[at..at + 8].copy_from_slice(&value.to_le_bytes());
    put(0, action.restorer);
    put(8, 0x7); // UC_FP_XSTATE | UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS
    put(8 + 16, altstack.0);
    put(8 + 24, if altstack.1 == 0 { u64::from(linux::SS_DISABLE) } else { u64::from(on_alt) });
    put(8 + 32, altstack.1);
    let saved = [
        regs.r8,
        regs.r9,
        regs.r10,
        regs.r11,
        regs.r12,
        regs.r13,
        regs.r14,
        regs.r15,
        regs.rdi,
        regs.rsi,
        regs.rbp,
        regs.rbx,
        regs.rdx,
        regs.rax,
        regs.rcx,
        regs.rsp,
        regs.rip,
        regs.rflags,
        regs.cs | regs.ss << 48,
        error,
        vector,
        old_mask,
        address,
        fpu_at,
    ];
    for (i, value) in saved.into_iter().enumerate() {
        put(8 + 40 + i * 8, value);
    }
    put(8 + 40 + 256, old_mask);
    let code = if vector == 14 { 1 } else { -6i64 as u64 }; // SEGV_MAPERR, or SI_TKILL
    put(8 + 304, u64::from(signal));
    put(8 + 304 + 8, code);
    put(8 + 304 + 16, if vector == 14 { address } else { PID });

    user::write_bytes(fpu_at, arch::static_bytes(fpu_of(regs), XSAVE_BYTES))?;
    user::write_bytes(frame_at, &frame)?;
    TASK.with(|t| {
        t.own.blocked |= action.mask;
        if action.flags & u64::from(linux::SA_NODEFER) == 0 {
            t.own.blocked |= bit(signal);
        }
        if action.flags & u64::from(linux::SA_RESETHAND) != 0 {
            t.actions[signal as usize] = Action::default();
        }
    });
    regs.rsp = frame_at;
    regs.rip = action.handler;
    regs.rdi = u64::from(signal);
    regs.rsi = info_at;
    regs.rdx = context_at;
    regs.rax = 0;
    regs.rflags &= !0x500; // TF, DF
    Ok(())
}

/// rt_sigreturn: restores what `run_handler` saved. The return address was popped, so rsp is 8 above the frame.
pub fn sigreturn(regs: &mut Regs) -> SysResult {
    let context_at = regs.rsp;
    let mut context = [0u8; 304];
    user::read_bytes(context_at, &mut context)?;
    let get = |i: usize| {
        let mut word = [0; 8];
        word.copy_from_slice(&context[40 + i * 8..48 + i * 8]);
        u64::from_le_bytes(word)
    };
    let fpu_at = get(23);
    if fpu_at != 0 {
        let mut area = [0u8; XSAVE_BYTES];
        user::read_bytes(fpu_at, &mut area)?;
        arch::load_saved_fpu(fpu_of(regs), &area);
    }
    let fields = [
        &mut regs.r8,
        &mut regs.r9,
        &mut regs.r10,
        &mut regs.r11,
        &mut regs.r12,
        &mut regs.r13,
        &mut regs.r14,
        &mut regs.r15,
        &mut regs.rdi,
        &mut regs.rsi,
        &mut regs.rbp,
        &mut regs.rbx,
        &mut regs.rdx,
        &mut regs.rax,
        &mut regs.rcx,
        &mut regs.rsp,
        &mut regs.rip,
    ];
    for (i, field) in fields.into_iter().enumerate() {
        *field = get(i);
    }
    regs.rflags = get(17) & 0x40dd5 | 2; // arithmetic flags, DF, TF off
    let mask = u64::from_le_bytes(context[296..304].try_into().unwrap_or_default());
    TASK.with(|t| t.own.blocked = mask);
    Ok(regs.rax)
}
