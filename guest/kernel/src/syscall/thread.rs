//! Threads: making and ending them, their numbers, and futexes.
//!
//! Never: makes a process. What clone(2) is asked for must be a thread of this one.
//!
//! Before: table. After: crate::thread.

use linux_raw_sys::general as linux;

use super::time::read_timespec;
use crate::arch;
use crate::errno::{Args, Errno, SysResult};
use crate::thread::{self, Wait, Woken};
use crate::traps::Regs;
use crate::{channel, task, time, user};

/// What a thread shares with its process; less would be another process.
const THREAD_FLAGS: u64 =
    (linux::CLONE_VM | linux::CLONE_FS | linux::CLONE_FILES | linux::CLONE_SIGHAND | linux::CLONE_THREAD)
        as u64;
/// What else may be asked for.
const OTHER_FLAGS: u64 = (linux::CLONE_SYSVSEM
    | linux::CLONE_SETTLS
    | linux::CLONE_PARENT_SETTID
    | linux::CLONE_CHILD_SETTID
    | linux::CLONE_CHILD_CLEARTID
    | linux::CLONE_DETACHED) as u64;
/// Bytes of `struct clone_args` as first published (clone(2)).
const CLONE_ARGS_BYTES: u64 = 64;
/// Most locks of a thread that ended which are looked at (Linux: ROBUST_LIST_LIMIT).
const ROBUST_LIST_LIMIT: usize = 2048;

/// What clone(2) and clone3(2) ask for.
struct Request {
    flags: u64,
    stack: u64,
    parent_tid: u64,
    child_tid: u64,
    tls: u64,
}

/// clone(2).
pub fn sys_clone(args: &Args) -> SysResult {
    let [flags, stack, parent_tid, child_tid, tls, _] = args.0;
    // The lowest byte is the signal at the end of a child; a thread sends none.
    start(&Request { flags: flags & !0xff, stack, parent_tid, child_tid, tls })
}

/// clone3(2).
pub fn sys_clone3(args: &Args) -> SysResult {
    let [at, bytes, ..] = args.0;
    if bytes < CLONE_ARGS_BYTES {
        return Err(Errno::EINVAL);
    }
    let mut words = [0; CLONE_ARGS_BYTES as usize];
    user::read_bytes(at, &mut words)?;
    let word = |i: usize| u64::from_le_bytes(words[i * 8..i * 8 + 8].try_into().unwrap_or_default());
    let stack = word(5).checked_add(word(6)).ok_or(Errno::EINVAL)?;
    start(&Request { flags: word(0), stack, parent_tid: word(3), child_tid: word(2), tls: word(7) })
}

/// Makes a thread, which begins where this one's system call returns.
///
/// # Errors
///
/// `EPERM` for what would be a process, `EAGAIN` for too many.
fn start(request: &Request) -> SysResult {
    let flags = request.flags;
    if flags & THREAD_FLAGS != THREAD_FLAGS || flags & !(THREAD_FLAGS | OTHER_FLAGS) != 0 {
        super::report_unsupported(u64::from(linux::__NR_clone));
        return Err(Errno::EPERM);
    }
    let has = |flag: u32| flags & u64::from(flag) != 0;
    let top = arch::syscall_stack_top();
    let parent = arch::saved_registers(top);
    let regs = Regs { rax: 0, rsp: if request.stack == 0 { parent.rsp } else { request.stack }, ..parent };
    let fs_base = if has(linux::CLONE_SETTLS) { request.tls } else { arch::fs_base() };
    // Linux too starts the thread where a number cannot be written, except that it would be lost here in silence.
    let wanted =
        [(linux::CLONE_PARENT_SETTID, request.parent_tid), (linux::CLONE_CHILD_SETTID, request.child_tid)];
    for (_, at) in wanted.iter().filter(|(flag, _)| has(*flag)) {
        user::write_bytes(*at, &[0; 4])?;
    }
    let clear_at_exit = if has(linux::CLONE_CHILD_CLEARTID) { request.child_tid } else { 0 };
    let tid = thread::start(&regs, task::saved_vectors(top), fs_base, clear_at_exit)?;
    for (_, at) in wanted.iter().filter(|(flag, _)| has(*flag)) {
        user::write_bytes(*at, &(tid as u32).to_le_bytes())?;
    }
    Ok(tid)
}

/// gettid(2).
pub fn sys_gettid(_: &Args) -> SysResult {
    Ok(thread::current_tid())
}

/// set_tid_address(2).
pub fn sys_set_tid_address(args: &Args) -> SysResult {
    Ok(thread::with_current(|thread| {
        thread.clear_at_exit = args.0[0];
        thread.tid
    }))
}

/// set_robust_list(2).
pub fn sys_set_robust_list(args: &Args) -> SysResult {
    const HEAD_BYTES: u64 = 24;
    if args.0[1] != HEAD_BYTES {
        return Err(Errno::EINVAL);
    }
    thread::with_current(|thread| thread.robust_list = args.0[0]);
    Ok(0)
}

/// sched_yield(2).
pub fn sys_sched_yield(_: &Args) -> SysResult {
    thread::give_way();
    Ok(0)
}

/// exit(2): the end of a thread; that of the last one ends the program.
pub fn sys_exit(args: &Args) -> SysResult {
    if thread::count() < 2 {
        let status = args.0[0] as u8;
        channel::exited(i32::from(status), 0, &alloc::format!("the program exited with status {status}"))
    }
    let (tid, robust_list, clear_at_exit) =
        thread::with_current(|thread| (thread.tid, thread.robust_list, thread.clear_at_exit));
    if robust_list != 0 {
        // A broken list is the program's own loss.
        let _ = release_locks(robust_list, tid);
    }
    if clear_at_exit != 0 && user::write_bytes(clear_at_exit, &[0; 4]).is_ok() {
        thread::wake_futex(clear_at_exit, 1, u32::MAX);
    }
    thread::end()
}

/// Marks the locks that a thread holds at its end as left by a dead owner (the list of set_robust_list(2)).
fn release_locks(head: u64, tid: u64) -> Result<(), Errno> {
    let word = |at: u64| user::UserPtr::<u64>::new(at).read();
    let offset = word(head.wrapping_add(8))?;
    let mut entry = word(head)?;
    for _ in 0..ROBUST_LIST_LIMIT {
        if entry == head {
            break;
        }
        let lock = user::UserPtr::<u32>::new((entry & !1).wrapping_add(offset));
        let value = lock.read()?;
        if u64::from(value & linux::FUTEX_TID_MASK) == tid {
            lock.write(value & linux::FUTEX_WAITERS | linux::FUTEX_OWNER_DIED)?;
            if value & linux::FUTEX_WAITERS != 0 {
                thread::wake_futex((entry & !1).wrapping_add(offset), 1, u32::MAX);
            }
        }
        entry = word(entry & !1)?;
    }
    Ok(())
}

/// futex(2). Addresses stand for themselves: all threads have the same memory.
pub fn sys_futex(args: &Args) -> SysResult {
    let [at, op, value, fourth, second, third] = args.0;
    let most = usize::try_from(value as i32).unwrap_or(0);
    match op as u32 & linux::FUTEX_CMD_MASK as u32 {
        linux::FUTEX_WAIT => wait(at, value as u32, deadline(op, fourth, true)?, u32::MAX),
        linux::FUTEX_WAIT_BITSET => wait(at, value as u32, deadline(op, fourth, false)?, third as u32),
        linux::FUTEX_WAKE => wake(at, most, u32::MAX),
        linux::FUTEX_WAKE_BITSET => wake(at, most, third as u32),
        linux::FUTEX_REQUEUE => requeue(at, second, most, fourth),
        linux::FUTEX_CMP_REQUEUE => {
            if user::UserPtr::<u32>::new(at).read()? != third as u32 {
                return Err(Errno::EAGAIN);
            }
            let woken = wake(at, most, u32::MAX)?;
            Ok(woken + requeue(at, second, 0, fourth)?)
        }
        linux::FUTEX_WAKE_OP => wake_op(at, second, most, fourth, third as u32),
        _ => Err(Errno::ENOSYS),
    }
}

/// The end of a wait on the monotonic clock: a time given may be a length, or a time of either clock.
fn deadline(op: u64, at: u64, is_length: bool) -> Result<Option<u64>, Errno> {
    if at == 0 {
        return Ok(None);
    }
    let given = read_timespec(at)?;
    let now = time::monotonic_ns();
    let is_realtime = op as u32 & linux::FUTEX_CLOCK_REALTIME != 0;
    let left = match (is_length, is_realtime) {
        (true, _) => given,
        (false, true) => given.saturating_sub(time::realtime_ns()),
        (false, false) => given.saturating_sub(now),
    };
    Ok(Some(now.saturating_add(left).min(u64::MAX - 1)))
}

fn wait(at: u64, expected: u32, deadline: Option<u64>, bits: u32) -> SysResult {
    check(at, bits)?;
    if user::UserPtr::<u32>::new(at).read()? != expected {
        return Err(Errno::EAGAIN);
    }
    match thread::wait(Wait::Futex(at, bits), deadline) {
        Woken::Signal => Err(Errno::EINTR),
        Woken::TimedOut => Err(Errno::ETIMEDOUT),
        Woken::Event | Woken::Deadlock => Ok(0),
    }
}

fn wake(at: u64, most: usize, bits: u32) -> SysResult {
    check(at, bits)?;
    Ok(thread::wake_futex(at, most, bits) as u64)
}

fn requeue(from: u64, to: u64, most_woken: usize, most_moved: u64) -> SysResult {
    check(from, u32::MAX)?;
    check(to, u32::MAX)?;
    let woken = thread::wake_futex(from, most_woken, u32::MAX);
    let most_moved = usize::try_from(most_moved as i32).map_err(|_| Errno::EINVAL)?;
    Ok((woken + thread::requeue_futex(from, to, most_moved)) as u64)
}

fn check(at: u64, bits: u32) -> Result<(), Errno> {
    if !at.is_multiple_of(4) || bits == 0 { Err(Errno::EINVAL) } else { Ok(()) }
}

/// FUTEX_WAKE_OP: changes a second word, wakes at the first, and at the second if its old value was as said.
fn wake_op(first: u64, second: u64, most: usize, most_second: u64, op: u32) -> SysResult {
    check(first, u32::MAX)?;
    check(second, u32::MAX)?;
    let word = user::UserPtr::<u32>::new(second);
    let old = word.read()?;
    // 12 bits each, with their sign.
    let (operand, limit) = ((op << 8) as i32 >> 20, (op << 20) as i32 >> 20);
    let operand = if op >> 31 != 0 { 1i32.wrapping_shl(operand as u32) } else { operand } as u32;
    let new = match op >> 28 & 7 {
        linux::FUTEX_OP_SET => operand,
        linux::FUTEX_OP_ADD => old.wrapping_add(operand),
        linux::FUTEX_OP_OR => old | operand,
        linux::FUTEX_OP_ANDN => old & !operand,
        linux::FUTEX_OP_XOR => old ^ operand,
        _ => return Err(Errno::ENOSYS),
    };
    let old = old as i32;
    let holds = match op >> 24 & 0xf {
        linux::FUTEX_OP_CMP_EQ => old == limit,
        linux::FUTEX_OP_CMP_NE => old != limit,
        linux::FUTEX_OP_CMP_LT => old < limit,
        linux::FUTEX_OP_CMP_LE => old <= limit,
        linux::FUTEX_OP_CMP_GT => old > limit,
        linux::FUTEX_OP_CMP_GE => old >= limit,
        _ => return Err(Errno::ENOSYS),
    };
    word.write(new)?;
    let mut woken = thread::wake_futex(first, most, u32::MAX);
    if holds {
        woken += thread::wake_futex(second, usize::try_from(most_second as i32).unwrap_or(0), u32::MAX);
    }
    Ok(woken as u64)
}
