//! Clocks and waiting.
//!
//! Before: table. After: crate::time, thread.

use linux_raw_sys::general as linux;

use crate::errno::{Args, Errno, SysResult};
use crate::task::PID;
use crate::thread::{self, Timer, TimerKind, usage};
use crate::time::SECOND_NS;
use crate::vfs::timer::FileTimer;
use crate::vfs::{self, Object, OpenFile};
use crate::{time, user};

/// Bits of the number of a clock of processor time below the complement of its process or thread (linux/posix-timers.h).
const CPU_CLOCK_BITS: u32 = 3;
/// Of these: the clock is that of a thread.
const PER_THREAD: i32 = 4;
/// Of these: what is counted, of which 3 is no clock.
const CPU_CLOCK_KIND: i32 = 3;

/// Reads a clock, in nanoseconds.
fn clock_ns(clock: u64) -> Result<u64, Errno> {
    match clock as u32 {
        linux::CLOCK_REALTIME | linux::CLOCK_REALTIME_COARSE | linux::CLOCK_TAI => Ok(time::realtime_ns()),
        linux::CLOCK_MONOTONIC
        | linux::CLOCK_MONOTONIC_RAW
        | linux::CLOCK_MONOTONIC_COARSE
        | linux::CLOCK_BOOTTIME => Ok(time::monotonic_ns()),
        linux::CLOCK_PROCESS_CPUTIME_ID => Ok(usage::of_process()),
        linux::CLOCK_THREAD_CPUTIME_ID => own_usage(),
        other => cpu_clock_ns(other as i32),
    }
}

fn own_usage() -> Result<u64, Errno> {
    usage::of_thread(thread::current_tid()).ok_or(Errno::EINVAL)
}

/// Reads the clock of a process or thread that clock_getcpuclockid(3) or pthread_getcpuclockid(3) made a number of.
fn cpu_clock_ns(clock: i32) -> Result<u64, Errno> {
    if clock >= 0 || clock & CPU_CLOCK_KIND == CPU_CLOCK_KIND {
        return Err(Errno::EINVAL);
    }
    match (clock & PER_THREAD != 0, !(clock >> CPU_CLOCK_BITS) as u64) {
        (true, 0) => own_usage(),
        (true, tid) => usage::of_thread(tid).ok_or(Errno::EINVAL),
        (false, 0 | PID) => Ok(usage::of_process()),
        (false, _) => Err(Errno::EINVAL),
    }
}

fn put_pair(at: u64, ns: u64, unit: u64) -> SysResult {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&(ns / SECOND_NS).to_le_bytes());
    bytes[8..].copy_from_slice(&(ns % SECOND_NS / unit).to_le_bytes());
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
    if seconds < 0 || !(0..SECOND_NS as i64).contains(&ns) {
        return Err(Errno::EINVAL);
    }
    Ok((seconds as u64).saturating_mul(SECOND_NS).saturating_add(ns as u64))
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
    let seconds = time::realtime_ns() / SECOND_NS;
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
    // Time of the processor does not pass while nobody runs.
    match clock as u32 {
        linux::CLOCK_THREAD_CPUTIME_ID => return Err(Errno::EINVAL),
        linux::CLOCK_PROCESS_CPUTIME_ID => return Err(Errno::EOPNOTSUPP),
        _ if (clock as i32) < 0 => return Err(Errno::EOPNOTSUPP),
        _ => {}
    }
    let wanted = read_timespec(at)?;
    let now = clock_ns(clock)?;
    if flags & u64::from(linux::TIMER_ABSTIME) != 0 {
        return thread::sleep(wanted.saturating_sub(now)).map(|()| 0);
    }
    sleep(wanted, time::monotonic_ns().saturating_add(wanted), args.0[3])
}

/// Reads a timeval at `at` in nanoseconds.
fn read_timeval(at: u64) -> Result<u64, Errno> {
    let [seconds, micros] = user::UserPtr::<[i64; 2]>::new(at).read()?;
    if seconds < 0 || !(0..1_000_000).contains(&micros) {
        return Err(Errno::EINVAL);
    }
    Ok((seconds as u64).saturating_mul(SECOND_NS).saturating_add(micros as u64 * 1000))
}

/// What a kind of timer counts, in nanoseconds.
fn counted_ns(kind: TimerKind) -> u64 {
    if kind == TimerKind::Real { time::monotonic_ns() } else { usage::of_process() }
}

/// How long a timer still has, and its interval, both in nanoseconds.
fn left_of(kind: TimerKind, timer: Timer) -> (u64, u64) {
    // One that is due and has not been noticed is not off, which 0 would say.
    let left = if timer.at == u64::MAX { 0 } else { timer.at.saturating_sub(counted_ns(kind)).max(1000) };
    (left, timer.interval)
}

fn set_timer(kind: TimerKind, value: u64, interval: u64) -> (u64, u64) {
    let at = if value == 0 { u64::MAX } else { counted_ns(kind).saturating_add(value).min(u64::MAX - 1) };
    left_of(kind, thread::exchange_timer(kind, Timer { at, interval }))
}

fn put_timer(at: u64, (left, interval): (u64, u64)) -> SysResult {
    put_pair(at, interval, 1000)?;
    put_pair(at + 16, left, 1000)
}

fn timer_kind(which: u64) -> Result<TimerKind, Errno> {
    match which as u32 {
        linux::ITIMER_REAL => Ok(TimerKind::Real),
        linux::ITIMER_VIRTUAL => Ok(TimerKind::Virtual),
        linux::ITIMER_PROF => Ok(TimerKind::Prof),
        _ => Err(Errno::EINVAL),
    }
}

/// getitimer(2).
pub fn sys_getitimer(args: &Args) -> SysResult {
    let kind = timer_kind(args.0[0])?;
    put_timer(args.0[1], left_of(kind, thread::timer(kind)))
}

/// setitimer(2).
pub fn sys_setitimer(args: &Args) -> SysResult {
    let [which, new, old, ..] = args.0;
    let kind = timer_kind(which)?;
    let before = match new {
        0 => set_timer(kind, 0, 0),
        at => {
            let value = read_timeval(at.checked_add(16).ok_or(Errno::EFAULT)?)?;
            set_timer(kind, value, read_timeval(at)?)
        }
    };
    if old == 0 { Ok(0) } else { put_timer(old, before) }
}

/// alarm(2): answers the seconds that were left, rounded up.
pub fn sys_alarm(args: &Args) -> SysResult {
    Ok(set_timer(TimerKind::Real, u64::from(args.uint(0)) * SECOND_NS, 0).0.div_ceil(SECOND_NS))
}

/// timerfd_create(2).
pub fn sys_timerfd_create(args: &Args) -> SysResult {
    let flags = args.uint(1);
    if flags & !(linux::TFD_CLOEXEC | linux::TFD_NONBLOCK) != 0 {
        return Err(Errno::EINVAL);
    }
    let is_realtime = match args.uint(0) {
        linux::CLOCK_REALTIME => true,
        linux::CLOCK_MONOTONIC | linux::CLOCK_BOOTTIME => false,
        linux::CLOCK_REALTIME_ALARM | linux::CLOCK_BOOTTIME_ALARM => return Err(Errno::EOPNOTSUPP),
        _ => return Err(Errno::EINVAL),
    };
    vfs::with(|vfs| {
        let timer = FileTimer::new(&vfs.space, is_realtime)?;
        let status = linux::O_RDWR | flags & linux::TFD_NONBLOCK;
        let file = OpenFile::anonymous(Object::Timer(timer), "timerfd", status);
        vfs.fds.add(file, flags & linux::TFD_CLOEXEC != 0, 0)
    })
}

fn file_timer(file: &OpenFile) -> Result<&FileTimer, Errno> {
    match &file.object {
        Object::Timer(timer) => Ok(timer),
        _ => Err(Errno::EINVAL),
    }
}

fn put_file_timer(at: u64, (left, interval): (u64, u64)) -> SysResult {
    put_pair(at, interval, 1)?;
    put_pair(at.checked_add(16).ok_or(Errno::EFAULT)?, left, 1)
}

/// timerfd_settime(2). The wall clock is not set here, so that nothing is to be cancelled when it is.
pub fn sys_timerfd_settime(args: &Args) -> SysResult {
    let [_, _, new, old, ..] = args.0;
    if args.uint(1) & !(linux::TFD_TIMER_ABSTIME | linux::TFD_TIMER_CANCEL_ON_SET) != 0 {
        return Err(Errno::EINVAL);
    }
    let interval = read_timespec(new)?;
    let value = read_timespec(new.checked_add(16).ok_or(Errno::EFAULT)?)?;
    let file = vfs::file(args.int(0))?;
    let timer = file_timer(&file)?;
    let before = timer.left();
    timer.set(value, interval, args.uint(1) & linux::TFD_TIMER_ABSTIME != 0);
    if old == 0 { Ok(0) } else { put_file_timer(old, before) }
}

/// timerfd_gettime(2).
pub fn sys_timerfd_gettime(args: &Args) -> SysResult {
    let file = vfs::file(args.int(0))?;
    put_file_timer(args.0[1], file_timer(&file)?.left())
}
