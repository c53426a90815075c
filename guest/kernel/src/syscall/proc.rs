//! The process as it sees itself: identity, limits, machine, random bytes, end. One process, one processor.
//!
//! Before: table. After: task, channel, time.

use alloc::format;
use alloc::vec::Vec;

use linux_raw_sys::general as linux;

use super::report_unsupported;
use crate::cell::KernelCell;
use crate::errno::{Args, Errno, SysResult};
use crate::rlimit::{self, Limit};
use crate::task::PID;
use crate::thread::{self, NAME_BYTES, Timer, TimerKind, usage};
use crate::time::SECOND_NS;
use crate::{arch, channel, mm, time, user, vfs};

/// What times(2) counts in: a hundredth of a second (AT_CLKTCK).
const TICK_NS: u64 = SECOND_NS / 100;

/// Most groups beside the first one that a program may have; Linux keeps 65,536.
const MAX_GROUPS: usize = 64;

/// The groups that the program gave itself.
static GROUPS: KernelCell<Vec<u32>> = KernelCell::new(Vec::new());

/// Most bytes that one getrandom call fills, as on Linux (getrandom(2)).
const RANDOM_MAX: u64 = 33_554_431;

/// getpid(2), getpgrp(2), getsid(2): the program is process 1.
pub fn sys_getpid(_: &Args) -> SysResult {
    Ok(PID)
}

/// getppid(2), getuid(2) and the other identities: root of a VM of its own.
pub fn sys_zero(_: &Args) -> SysResult {
    Ok(0)
}

/// getgroups(2).
pub fn sys_getgroups(args: &Args) -> SysResult {
    let room = usize::try_from(args.int(0)).map_err(|_| Errno::EINVAL)?;
    let groups = GROUPS.with(|groups| groups.clone());
    if room != 0 {
        if room < groups.len() {
            return Err(Errno::EINVAL);
        }
        let list = user::UserPtr::<u32>::new(args.0[1]);
        for (index, group) in groups.iter().enumerate() {
            list.element(index)?.write(*group)?;
        }
    }
    Ok(groups.len() as u64)
}

/// setgroups(2): they are kept; the one user may everything without them.
pub fn sys_setgroups(args: &Args) -> SysResult {
    let count =
        usize::try_from(args.int(0)).ok().filter(|&count| count <= MAX_GROUPS).ok_or(Errno::EINVAL)?;
    let list = user::UserPtr::<u32>::new(args.0[1]);
    let groups: Result<Vec<u32>, Errno> = (0..count).map(|index| list.element(index)?.read()).collect();
    let groups = groups?;
    GROUPS.with(|kept| *kept = groups);
    Ok(0)
}

/// getresuid(2), getresgid(2).
pub fn sys_getresuid(args: &Args) -> SysResult {
    for at in &args.0[..3] {
        user::write_bytes(*at, &[0; 4])?;
    }
    Ok(0)
}

/// Sets identities: to what they are, 0, or to leave them.
fn set_identities(number: u32, wanted: &[u64]) -> SysResult {
    const LEAVE: u32 = u32::MAX;
    if wanted.iter().all(|&id| matches!(id as u32, 0 | LEAVE)) {
        return Ok(0);
    }
    report_unsupported(number.into());
    Err(Errno::EPERM)
}

/// setuid(2).
pub fn sys_setuid(args: &Args) -> SysResult {
    set_identities(linux::__NR_setuid, &args.0[..1])
}

/// setgid(2).
pub fn sys_setgid(args: &Args) -> SysResult {
    set_identities(linux::__NR_setgid, &args.0[..1])
}

/// setreuid(2).
pub fn sys_setreuid(args: &Args) -> SysResult {
    set_identities(linux::__NR_setreuid, &args.0[..2])
}

/// setregid(2).
pub fn sys_setregid(args: &Args) -> SysResult {
    set_identities(linux::__NR_setregid, &args.0[..2])
}

/// setresuid(2).
pub fn sys_setresuid(args: &Args) -> SysResult {
    set_identities(linux::__NR_setresuid, &args.0[..3])
}

/// setresgid(2).
pub fn sys_setresgid(args: &Args) -> SysResult {
    set_identities(linux::__NR_setresgid, &args.0[..3])
}

/// uname(2): the VM, not the host.
pub fn sys_uname(args: &Args) -> SysResult {
    let mut bytes = [0u8; 6 * 65];
    let names = ["Linux", "hypercell", "6.1.0-hypercell", "#1 hypercell", "x86_64", "(none)"];
    for (field, name) in bytes.chunks_mut(65).zip(names) {
        field[..name.len()].copy_from_slice(name.as_bytes());
    }
    user::write_bytes(args.0[0], &bytes).map(|()| 0)
}

/// arch_prctl(2).
pub fn sys_arch_prctl(args: &Args) -> SysResult {
    const ARCH_SET_GS: u64 = 0x1001;
    const ARCH_SET_FS: u64 = 0x1002;
    const ARCH_GET_FS: u64 = 0x1003;
    match args.0[0] {
        ARCH_SET_FS => arch::set_fs_base(args.0[1]),
        ARCH_SET_GS => arch::set_gs_base(args.0[1]),
        ARCH_GET_FS => user::write_bytes(args.0[1], &arch::fs_base().to_le_bytes())?,
        _ => return Err(Errno::EINVAL),
    }
    Ok(0)
}

/// rseq(2): not offered; the C library works without.
pub fn sys_rseq(_: &Args) -> SysResult {
    Err(Errno::ENOSYS)
}

/// prlimit64(2): reads a limit and then sets it, of the program itself.
pub fn sys_prlimit64(args: &Args) -> SysResult {
    let [pid, _, new, old, ..] = args.0;
    let resource = args.uint(1);
    if pid != 0 && pid != PID {
        return Err(Errno::ESRCH);
    }
    let is = rlimit::get(resource)?;
    if new != 0 {
        let [soft, hard] = user::UserPtr::<[u64; 2]>::new(new).read()?;
        set_limit(resource, Limit { soft, hard })?;
    }
    if old == 0 { Ok(0) } else { put_limit(old, is) }
}

fn put_limit(at: u64, limit: Limit) -> SysResult {
    user::UserPtr::<[u64; 2]>::new(at).write([limit.soft, limit.hard]).map(|()| 0)
}

fn set_limit(resource: u32, limit: Limit) -> Result<(), Errno> {
    rlimit::set(resource, limit, mm::total_bytes())?;
    if resource == linux::RLIMIT_CPU {
        let ns = |seconds: u64| seconds.saturating_mul(SECOND_NS);
        // 0 is as good as 1, as on Linux; after the soft limit there is a signal each second.
        let soft = Timer { at: ns(limit.soft.max(1)), interval: SECOND_NS };
        thread::exchange_timer(TimerKind::SoftLimit, soft);
        thread::exchange_timer(TimerKind::HardLimit, Timer { at: ns(limit.hard.max(1)), interval: 0 });
    }
    Ok(())
}

/// getrlimit(2).
pub fn sys_getrlimit(args: &Args) -> SysResult {
    put_limit(args.0[1], rlimit::get(args.uint(0))?)
}

/// setrlimit(2).
pub fn sys_setrlimit(args: &Args) -> SysResult {
    let [soft, hard] = user::UserPtr::<[u64; 2]>::new(args.0[1]).read()?;
    set_limit(args.uint(0), Limit { soft, hard }).map(|()| 0)
}

/// getrusage(2): processor time, all of it as the program's own, and the memory in use.
pub fn sys_getrusage(args: &Args) -> SysResult {
    const RUSAGE_CHILDREN: i32 = -1;
    let used_ns = match args.int(0) {
        RUSAGE_CHILDREN => return user::write_bytes(args.0[1], &[0; 144]).map(|()| 0),
        who if who == linux::RUSAGE_SELF as i32 => usage::of_process(),
        who if who == linux::RUSAGE_THREAD as i32 => {
            usage::of_thread(thread::current_tid()).ok_or(Errno::EINVAL)?
        }
        _ => return Err(Errno::EINVAL),
    };
    let mut bytes = [0; 144];
    bytes[..8].copy_from_slice(&(used_ns / SECOND_NS).to_le_bytes());
    bytes[8..16].copy_from_slice(&(used_ns / 1000 % 1_000_000).to_le_bytes());
    bytes[32..40].copy_from_slice(&(mm::rss_bytes() / 1024).to_le_bytes());
    user::write_bytes(args.0[1], &bytes).map(|()| 0)
}

/// times(2): answers the ticks since the start, and says how many the program used.
pub fn sys_times(args: &Args) -> SysResult {
    if args.0[0] != 0 {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&(usage::of_process() / TICK_NS).to_le_bytes());
        user::write_bytes(args.0[0], &bytes)?;
    }
    Ok(time::monotonic_ns() / TICK_NS)
}

/// sysinfo(2).
pub fn sys_sysinfo(args: &Args) -> SysResult {
    let total = mm::total_bytes();
    let words =
        [time::monotonic_ns() / SECOND_NS, 0, 0, 0, total, total.saturating_sub(mm::rss_bytes()), 0, 0, 0, 0];
    let mut bytes = [0; 112];
    for (i, word) in words.into_iter().enumerate() {
        bytes[i * 8..i * 8 + 8].copy_from_slice(&word.to_le_bytes());
    }
    bytes[80] = 1; // processes
    bytes[104] = 1; // unit of the sizes, in bytes
    user::write_bytes(args.0[0], &bytes).map(|()| 0)
}

/// getcpu(2).
pub fn sys_getcpu(args: &Args) -> SysResult {
    for at in args.0[..2].iter().filter(|&&at| at != 0) {
        user::write_bytes(*at, &[0; 4])?;
    }
    Ok(0)
}

/// getrandom(2).
///
/// # Errors
///
/// `EIO` until the host sent entropy to this copy of the VM, so that no secret is made from a repeated state.
pub fn sys_getrandom(args: &Args) -> SysResult {
    let [at, len, ..] = args.0;
    let len = len.min(RANDOM_MAX);
    let mut buffer = [0; 256];
    let mut done = 0;
    while done < len {
        let n = buffer.len().min((len - done) as usize);
        channel::random(&mut buffer[..n])?;
        user::write_bytes(at + done, &buffer[..n])?;
        done += n as u64;
    }
    Ok(len)
}

/// prctl(2): the name of the thread; what happens at the end of a parent, which there is not, is accepted.
pub fn sys_prctl(args: &Args) -> SysResult {
    const PR_SET_PDEATHSIG: u32 = 1;
    const PR_SET_NAME: u32 = 15;
    const PR_GET_NAME: u32 = 16;
    let at = args.0[1];
    match args.uint(0) {
        PR_SET_PDEATHSIG => Ok(0),
        PR_SET_NAME => {
            let name = user::read_text(at, NAME_BYTES - 1).ok_or(Errno::EFAULT)?;
            thread::with_current(|thread| {
                thread.name = [0; NAME_BYTES];
                thread.name[..name.len()].copy_from_slice(&name);
            });
            Ok(0)
        }
        PR_GET_NAME => {
            let mut name = vfs::with(|vfs| Ok(vfs.thread_name(thread::current_tid())))?;
            name.resize(NAME_BYTES, 0);
            user::write_bytes(at, &name).map(|()| 0)
        }
        _ => Err(Errno::EINVAL),
    }
}

/// exit_group(2): the end of the program and of this VM's run.
pub fn sys_exit_group(args: &Args) -> SysResult {
    let status = args.0[0] as u8;
    channel::exited(i32::from(status), 0, &format!("the program exited with status {status}"))
}
