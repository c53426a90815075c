//! The scheduler as programs may ask about it: one processor, ordinary scheduling, and a nice value that is kept.
//!
//! What is asked for is checked as on Linux, so that a program hears of its mistakes. There is nobody to go before or after.
//!
//! Before: table. After: crate::thread, user.

use core::sync::atomic::{AtomicI32, Ordering::Relaxed};

use linux_raw_sys::general as linux;

use crate::errno::{Args, Errno, SysResult};
use crate::task::PID;
use crate::thread::{self, SLICE_NS};
use crate::user::{self, UserPtr};

/// Bytes of a set of processors that the kernel reads and writes: Linux' 64-bit words.
const SET_BYTES: u64 = 8;
/// What sched_setscheduler(2) takes beside a policy.
const RESET_ON_FORK: u32 = 0x4000_0000;

/// Nice value of the process, -20 to 19.
static NICE: AtomicI32 = AtomicI32::new(0);

/// Checks that a number is that of a thread of the program; 0 is the one that asks.
fn check_pid(pid: i32) -> Result<(), Errno> {
    match u64::try_from(pid).map_err(|_| Errno::EINVAL)? {
        0 => Ok(()),
        tid if thread::exists(tid) => Ok(()),
        _ => Err(Errno::ESRCH),
    }
}

/// The same where Linux takes a negative number for that of a thread.
fn check_any_pid(pid: i32) -> Result<(), Errno> {
    if pid < 0 { Err(Errno::ESRCH) } else { check_pid(pid) }
}

/// Largest priority of a policy; the smallest is 1 where there are any.
fn most_priority(policy: u32) -> Result<u64, Errno> {
    match policy {
        linux::SCHED_FIFO | linux::SCHED_RR => Ok(99),
        linux::SCHED_NORMAL | linux::SCHED_BATCH | linux::SCHED_IDLE | linux::SCHED_DEADLINE => Ok(0),
        _ => Err(Errno::EINVAL),
    }
}

/// sched_get_priority_max(2).
pub fn sys_sched_get_priority_max(args: &Args) -> SysResult {
    most_priority(args.uint(0))
}

/// sched_get_priority_min(2).
pub fn sys_sched_get_priority_min(args: &Args) -> SysResult {
    most_priority(args.uint(0)).map(|most| most.min(1))
}

/// sched_getscheduler(2): SCHED_OTHER.
pub fn sys_sched_getscheduler(args: &Args) -> SysResult {
    check_pid(args.int(0)).map(|()| linux::SCHED_NORMAL.into())
}

/// sched_setscheduler(2): ordinary scheduling as it is; another policy would change nothing and is refused.
pub fn sys_sched_setscheduler(args: &Args) -> SysResult {
    let priority = UserPtr::<i32>::new(args.0[2]).read()?;
    check_pid(args.int(0))?;
    let policy = args.uint(1) & !RESET_ON_FORK;
    let most = most_priority(policy)?;
    match (policy, u64::try_from(priority)) {
        (linux::SCHED_NORMAL, Ok(0)) => Ok(0),
        (_, Ok(priority)) if priority <= most && priority >= most.min(1) => Err(Errno::EPERM),
        _ => Err(Errno::EINVAL),
    }
}

/// sched_getparam(2): priority 0.
pub fn sys_sched_getparam(args: &Args) -> SysResult {
    check_pid(args.int(0))?;
    UserPtr::<i32>::new(args.0[1]).write(0).map(|()| 0)
}

/// sched_setparam(2): ordinary scheduling has priority 0 alone.
pub fn sys_sched_setparam(args: &Args) -> SysResult {
    let priority = UserPtr::<i32>::new(args.0[1]).read()?;
    check_pid(args.int(0))?;
    if priority == 0 { Ok(0) } else { Err(Errno::EINVAL) }
}

/// sched_rr_get_interval(2): how long a thread may go on while another could.
pub fn sys_sched_rr_get_interval(args: &Args) -> SysResult {
    check_pid(args.int(0))?;
    let interval = linux::timespec { tv_sec: 0, tv_nsec: SLICE_NS as i64 };
    UserPtr::new(args.0[1]).write(interval).map(|()| 0)
}

/// sched_getaffinity(2): one processor.
pub fn sys_sched_getaffinity(args: &Args) -> SysResult {
    let [_, bytes, at, ..] = args.0;
    if bytes < SET_BYTES || !bytes.is_multiple_of(SET_BYTES) {
        return Err(Errno::EINVAL);
    }
    check_any_pid(args.int(0))?;
    UserPtr::<u64>::new(at).write(1).map(|()| SET_BYTES)
}

/// sched_setaffinity(2): any set that has the one processor.
pub fn sys_sched_setaffinity(args: &Args) -> SysResult {
    let [_, bytes, at, ..] = args.0;
    check_any_pid(args.int(0))?;
    let mut first = [0; 1];
    user::read_bytes(at, &mut first[..bytes.min(1) as usize])?;
    if first[0] & 1 != 0 { Ok(0) } else { Err(Errno::EINVAL) }
}

/// Checks whom getpriority(2) and setpriority(2) mean: the program, by its number, group or user.
fn check_whom(args: &Args) -> Result<(), Errno> {
    let (which, whom) = (args.uint(0), args.0[1] as u32);
    match which {
        linux::PRIO_PROCESS if whom != 0 && thread::exists(whom.into()) => Ok(()),
        linux::PRIO_PGRP if u64::from(whom) == PID => Ok(()),
        linux::PRIO_PROCESS | linux::PRIO_PGRP | linux::PRIO_USER if whom == 0 => Ok(()),
        linux::PRIO_PROCESS | linux::PRIO_PGRP | linux::PRIO_USER => Err(Errno::ESRCH),
        _ => Err(Errno::EINVAL),
    }
}

/// getpriority(2), which the kernel counts from 40 for -20 down to 1 for 19.
pub fn sys_getpriority(args: &Args) -> SysResult {
    check_whom(args)?;
    Ok((20 - NICE.load(Relaxed)) as u64)
}

/// setpriority(2).
pub fn sys_setpriority(args: &Args) -> SysResult {
    check_whom(args)?;
    NICE.store(args.int(2).clamp(-20, 19), Relaxed);
    Ok(0)
}
