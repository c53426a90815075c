//! Clocks and waiting.
//!
//! Before: table. After: crate::time, thread.

use linux_raw_sys::general as linux;

use crate::errno::{Args, Errno, SysResult};
use crate::{thread, time, user};

const SECOND: u64 = 1_000_000_000;

/// Reads a clock; the per-process clocks show the time since the program started.
fn clock_ns(clock: u64) -> Result<u64, Errno> {
    match clock as u32 {
        linux::CLOCK_REALTIME | linux::CLOCK_REALTIME_COARSE | linux::CLOCK_TAI => Ok(time::realtime_ns()),
        linux::CLOCK_MONOTONIC
        | linux::CLOCK_MONOTONIC_RAW
        | linux::CLOCK_MONOTONIC_COARSE
        | linux::CLOCK_BOOTTIME
        | linux::CLOCK_PROCESS_CPUTIME_ID
        | linux::CLOCK_THREAD_CPUTIME_ID => Ok(time::monotonic_ns()),
        _ => Err(Errno::EINVAL),
    }
}

fn put_pair(at: u64, ns: u64, unit: u64) -> SysResult {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&(ns / SECOND).to_le_bytes());
    bytes[8..].copy_from_slice(&(ns % SECOND / unit).to_le_bytes());
    user::write_bytes(at, &bytes).map(|()| 0)
}

/// Reads a timespec.
///
/// # Errors
///
/// `EINVAL` for negative seconds or nanoseconds out of range.
pub fn read_timespec(at: u64) -> Result<u64, Errno> {
    let mut bytes = [0; 16];
    user::read_bytes(at, &mut bytes)?;
    let word = |i: usize| i64::from_le_bytes(bytes[i..i + 8].try_into().unwrap_or_default());
    let (seconds, ns) = (word(0), word(8));
    if seconds < 0 || !(0..SECOND as i64).contains(&ns) {
        return Err(Errno::EINVAL);
    }
    Ok((seconds as u64).saturating_mul(SECOND).saturating_add(ns as u64))
}

/// clock_gettime(2).
pub fn sys_clock_gettime(args: &Args) -> SysResult {
    put_pair(args.0[1], clock_ns(args.0[0])?, 1)
}

/// clock_getres(2): one nanosecond.
pub fn sys_clock_getres(args: &Args) -> SysResult {
    clock_ns(args.0[0])?;
    if args.0[1] == 0 { Ok(0) } else { put_pair(args.0[1], 1, 1) }
}

/// gettimeofday(2).
pub fn sys_gettimeofday(args: &Args) -> SysResult {
    if args.0[0] == 0 { Ok(0) } else { put_pair(args.0[0], time::realtime_ns(), 1000) }
}

/// time(2).
pub fn sys_time(args: &Args) -> SysResult {
    let seconds = time::realtime_ns() / SECOND;
    if args.0[0] != 0 {
        user::write_bytes(args.0[0], &seconds.to_le_bytes())?;
    }
    Ok(seconds)
}

/// Waits, and says at `rest_at` what was left if a signal came.
fn sleep(ns: u64, end: u64, rest_at: u64) -> SysResult {
    let slept = thread::sleep(ns);
    if slept.is_err() && rest_at != 0 {
        put_pair(rest_at, end.saturating_sub(time::monotonic_ns()), 1)?;
    }
    slept.map(|()| 0)
}

/// nanosleep(2).
pub fn sys_nanosleep(args: &Args) -> SysResult {
    let ns = read_timespec(args.0[0])?;
    let end = time::monotonic_ns().saturating_add(ns);
    sleep(ns, end, args.0[1])
}

/// clock_nanosleep(2).
pub fn sys_clock_nanosleep(args: &Args) -> SysResult {
    let [clock, flags, at, ..] = args.0;
    let wanted = read_timespec(at)?;
    let now = clock_ns(clock)?;
    if flags & u64::from(linux::TIMER_ABSTIME) != 0 {
        return thread::sleep(wanted.saturating_sub(now)).map(|()| 0);
    }
    sleep(wanted, time::monotonic_ns().saturating_add(wanted), args.0[3])
}
