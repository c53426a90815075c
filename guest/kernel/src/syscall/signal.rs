//! Signals: actions, masks, and raising them in this one process.
//!
//! Before: table. After: task.

use linux_raw_sys::general as linux;

use super::time::read_timespec;
use crate::errno::{Args, Errno, SysResult};
use crate::task::{self, Action, PID, TASK};
use crate::thread::{self, Wait, Woken};
use crate::{time, user};

const UNBLOCKABLE: u64 = 1 << (linux::SIGKILL - 1) | 1 << (linux::SIGSTOP - 1);

/// rt_sigaction(2).
pub fn sys_rt_sigaction(args: &Args) -> SysResult {
    let [signal, new, old, size, ..] = args.0;
    if size != 8 || !(1..=64).contains(&signal) {
        return Err(Errno::EINVAL);
    }
    let index = signal as usize;
    if old != 0 {
        let action = TASK.with(|t| t.actions[index]);
        let mut bytes = [0; 32];
        for (i, word) in [action.handler, action.flags, action.restorer, action.mask].into_iter().enumerate()
        {
            bytes[i * 8..i * 8 + 8].copy_from_slice(&word.to_le_bytes());
        }
        user::write_bytes(old, &bytes)?;
    }
    if new != 0 {
        if UNBLOCKABLE & 1 << (signal - 1) != 0 {
            return Err(Errno::EINVAL);
        }
        let mut bytes = [0; 32];
        user::read_bytes(new, &mut bytes)?;
        let word = |i: usize| u64::from_le_bytes(bytes[i * 8..i * 8 + 8].try_into().unwrap_or_default());
        let action =
            Action { handler: word(0), flags: word(1), restorer: word(2), mask: word(3) & !UNBLOCKABLE };
        TASK.with(|t| t.actions[index] = action);
    }
    Ok(0)
}

/// rt_sigprocmask(2).
pub fn sys_rt_sigprocmask(args: &Args) -> SysResult {
    let [how, set, old, size, ..] = args.0;
    if size != 8 {
        return Err(Errno::EINVAL);
    }
    let blocked = TASK.with(|t| t.own.blocked);
    if set != 0 {
        let mut bytes = [0; 8];
        user::read_bytes(set, &mut bytes)?;
        let set = u64::from_le_bytes(bytes);
        let new = match how as u32 {
            linux::SIG_BLOCK => blocked | set,
            linux::SIG_UNBLOCK => blocked & !set,
            linux::SIG_SETMASK => set,
            _ => return Err(Errno::EINVAL),
        };
        TASK.with(|t| t.own.blocked = new & !UNBLOCKABLE);
    }
    if old != 0 {
        user::write_bytes(old, &blocked.to_le_bytes())?;
    }
    Ok(0)
}

/// rt_sigpending(2).
pub fn sys_rt_sigpending(args: &Args) -> SysResult {
    let pending = TASK.with(|t| t.own.pending & t.own.blocked);
    user::write_bytes(args.0[0], &pending.to_le_bytes()).map(|()| 0)
}

/// sigaltstack(2).
pub fn sys_sigaltstack(args: &Args) -> SysResult {
    let [new, old, ..] = args.0;
    let (start, len) = TASK.with(|t| t.own.altstack);
    if old != 0 {
        let mut bytes = [0; 24];
        bytes[..8].copy_from_slice(&start.to_le_bytes());
        bytes[8..12].copy_from_slice(&(if len == 0 { linux::SS_DISABLE } else { 0 }).to_le_bytes());
        bytes[16..].copy_from_slice(&len.to_le_bytes());
        user::write_bytes(old, &bytes)?;
    }
    if new != 0 {
        let mut bytes = [0; 24];
        user::read_bytes(new, &mut bytes)?;
        let word = |i: usize| u64::from_le_bytes(bytes[i..i + 8].try_into().unwrap_or_default());
        let disabled = bytes[8] & linux::SS_DISABLE as u8 != 0;
        if !disabled && word(16) < u64::from(linux::MINSIGSTKSZ) {
            return Err(Errno::ENOMEM);
        }
        TASK.with(|t| t.own.altstack = if disabled { (0, 0) } else { (word(0), word(16)) });
    }
    Ok(0)
}

fn raise(signal: u64, tid: Option<u64>) -> SysResult {
    task::raise(u32::try_from(signal).map_err(|_| Errno::EINVAL)?, tid).map(|()| 0)
}

/// kill(2): to itself, its group, or all.
pub fn sys_kill(args: &Args) -> SysResult {
    match args.0[0] as i32 {
        0 | -1 => raise(args.0[1], None),
        pid if u64::from(pid.unsigned_abs()) == PID => raise(args.0[1], None),
        _ => Err(Errno::ESRCH),
    }
}

fn raise_for_thread(tid: u64, signal: u64) -> SysResult {
    if !thread::exists(tid) {
        return Err(Errno::ESRCH);
    }
    raise(signal, Some(tid))
}

/// tkill(2).
pub fn sys_tkill(args: &Args) -> SysResult {
    raise_for_thread(args.0[0], args.0[1])
}

/// tgkill(2).
pub fn sys_tgkill(args: &Args) -> SysResult {
    if args.0[0] != PID {
        return Err(Errno::ESRCH);
    }
    raise_for_thread(args.0[1], args.0[2])
}

/// pause(2).
pub fn sys_pause(_: &Args) -> SysResult {
    while thread::wait(Wait::Time, None) != Woken::Signal {}
    Err(Errno::EINTR)
}

/// Makes a wait with another mask of blocked signals, which the program names at `at`; 0 is none.
///
/// # Errors
///
/// `EINVAL` for a size that is not that of a mask, `EFAULT`, what `wait` answers.
pub fn with_mask(at: u64, size: u64, wait: impl FnOnce() -> SysResult) -> SysResult {
    if at == 0 {
        return wait();
    }
    if size != 8 {
        return Err(Errno::EINVAL);
    }
    set_mask_for_call(user::UserPtr::<u64>::new(at).read()?);
    let answer = wait();
    if answer != Err(Errno::EINTR) {
        // No signal ended the wait, so none is delivered that the program blocks. Else a handler's return takes the mask back.
        TASK.with(|t| t.own.blocked = t.own.take_mask());
    }
    answer
}

/// Blocks these signals instead until the system call is over and its signals are delivered.
fn set_mask_for_call(mask: u64) {
    TASK.with(|t| {
        t.own.mask_before = Some(t.own.blocked);
        t.own.blocked = mask & !UNBLOCKABLE;
    });
}

/// rt_sigsuspend(2): pause(2) with another mask, which a handler's return takes back.
pub fn sys_rt_sigsuspend(args: &Args) -> SysResult {
    if args.0[1] != 8 {
        return Err(Errno::EINVAL);
    }
    set_mask_for_call(user::UserPtr::<u64>::new(args.0[0]).read()?);
    while thread::wait(Wait::Time, None) != Woken::Signal {}
    Err(Errno::EINTR)
}

/// rt_sigtimedwait(2).
pub fn sys_rt_sigtimedwait(args: &Args) -> SysResult {
    let [set, info, timeout, size, ..] = args.0;
    if size != 8 {
        return Err(Errno::EINVAL);
    }
    let set = user::UserPtr::<u64>::new(set).read()? & !UNBLOCKABLE;
    let deadline = match timeout {
        0 => None,
        at => Some(time::monotonic_ns().saturating_add(read_timespec(at)?).min(u64::MAX - 1)),
    };
    let signal = thread::wait_for_signal(set, deadline).map_err(|woken| match woken {
        Woken::TimedOut => Errno::EAGAIN,
        _ => Errno::EINTR,
    })?;
    if info != 0 {
        let mut bytes = [0; 128];
        bytes[..4].copy_from_slice(&signal.to_le_bytes());
        bytes[16..20].copy_from_slice(&(PID as u32).to_le_bytes());
        user::write_bytes(info, &bytes)?;
    }
    Ok(u64::from(signal))
}
