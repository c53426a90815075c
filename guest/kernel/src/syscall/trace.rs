//! Tells the host of each system call, while it asks for that.
//!
//! Guarantees: a call is told of when it has returned, before the program goes on, so that nothing is missing when the
//! program hangs or dies; one that does not return, before it is made. Costs one comparison a call while nobody asks.
//! Never: changes what a call does.
//!
//! Before: entry. After: channel.

use alloc::vec::Vec;

use hypercell_abi::limits::{MAX_SYSCALL_ARGUMENTS, MAX_SYSCALL_TEXT_BYTES};
use hypercell_abi::message::{GuestFrame, Syscall, SyscallArg};
use linux_raw_sys::general as linux;

use super::table;
use crate::errno::Args;
use crate::{arch, channel, thread, time, user};

/// A call that has begun.
#[derive(Debug)]
pub struct Traced {
    number: u64,
    arguments: Vec<Argument>,
    began_ns: u64,
    monotonic_ns: u64,
}

#[derive(Debug)]
enum Argument {
    Number(u64),
    Text(Vec<u8>),
}

/// Switches tracing on or off.
pub fn set(is_on: bool) {
    arch::state().traces_syscalls.set(is_on.into());
}

fn is_on() -> bool {
    arch::state().traces_syscalls.get() != 0
}

/// Notes a call that is about to be made, if calls are traced and this one returns.
#[inline]
pub fn begin(number: u64, args: &Args) -> Option<Traced> {
    if is_on() { note(number, args) } else { None }
}

#[cold]
fn note(number: u64, args: &Args) -> Option<Traced> {
    let count = table::find(number).map_or(MAX_SYSCALL_ARGUMENTS, |row| row.arguments.into());
    let argument = |(i, &register): (usize, &u64)| {
        let text = if is_text(number, i) { user::read_text(register, MAX_SYSCALL_TEXT_BYTES) } else { None };
        text.map_or(Argument::Number(register), Argument::Text)
    };
    let arguments = args.0.iter().enumerate().take(count).map(argument).collect();
    let (began_ns, monotonic_ns) = (time::realtime_ns(), time::monotonic_ns());
    let traced = Traced { number, arguments, began_ns, monotonic_ns };
    if returns(number) {
        return Some(traced);
    }
    traced.send(None);
    None
}

impl Traced {
    /// Tells the host what the call returned.
    #[cold]
    pub fn end(self, result: u64) {
        // The host may have switched it off meanwhile.
        if is_on() {
            self.send(Some(result as i64));
        }
    }

    fn send(&self, result: Option<i64>) {
        let args = self.arguments.iter().map(|argument| match argument {
            Argument::Number(number) => SyscallArg::Number(*number),
            Argument::Text(text) => SyscallArg::Text(text),
        });
        channel::trace(&GuestFrame::Syscall(Syscall {
            tid: thread::current_tid(),
            nr: self.number,
            args: args.collect(),
            result,
            began_ns: self.began_ns,
            took_ns: time::monotonic_ns().saturating_sub(self.monotonic_ns),
        }));
    }
}

/// Whether the thread goes on behind the call.
fn returns(number: u64) -> bool {
    let ends = [linux::__NR_exit, linux::__NR_exit_group, linux::__NR_rt_sigreturn];
    !ends.into_iter().any(|end| number == u64::from(end))
}

/// Whether an argument points to a path or a name.
fn is_text(number: u64, index: usize) -> bool {
    let Ok(number) = u32::try_from(number) else { return false };
    match number {
        linux::__NR_open
        | linux::__NR_stat
        | linux::__NR_lstat
        | linux::__NR_access
        | linux::__NR_chdir
        | linux::__NR_execve
        | linux::__NR_truncate
        | linux::__NR_mkdir
        | linux::__NR_rmdir
        | linux::__NR_creat
        | linux::__NR_unlink
        | linux::__NR_readlink
        | linux::__NR_chmod
        | linux::__NR_chown
        | linux::__NR_lchown
        | linux::__NR_utime
        | linux::__NR_utimes
        | linux::__NR_mknod
        | linux::__NR_statfs
        | linux::__NR_chroot
        | linux::__NR_memfd_create => index == 0,
        linux::__NR_rename | linux::__NR_link | linux::__NR_symlink => index < 2,
        linux::__NR_openat
        | linux::__NR_openat2
        | linux::__NR_mkdirat
        | linux::__NR_mknodat
        | linux::__NR_fchownat
        | linux::__NR_futimesat
        | linux::__NR_newfstatat
        | linux::__NR_unlinkat
        | linux::__NR_readlinkat
        | linux::__NR_fchmodat
        | linux::__NR_fchmodat2
        | linux::__NR_execveat
        | linux::__NR_faccessat
        | linux::__NR_faccessat2
        | linux::__NR_utimensat
        | linux::__NR_statx => index == 1,
        linux::__NR_renameat | linux::__NR_renameat2 | linux::__NR_linkat => index == 1 || index == 3,
        linux::__NR_symlinkat => index == 0 || index == 2,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_argument_that_is_a_text_is_one_of_the_call() {
        for row in table::TABLE {
            let texts: Vec<usize> = (0..=6).filter(|&i| is_text(row.number.into(), i)).collect();
            assert!(texts.iter().all(|&i| i < row.arguments.into()), "{}: {texts:?}", row.name);
        }
    }

    #[test]
    fn calls_named_after_a_directory_take_a_path_behind_it() {
        let names = [
            "openat",
            "mkdirat",
            "unlinkat",
            "newfstatat",
            "readlinkat",
            "renameat",
            "fchmodat",
            "faccessat",
        ];
        for name in names {
            let number = table::TABLE.iter().find(|row| row.name == name).map(|row| row.number.into());
            assert!(number.is_some_and(|number| is_text(number, 1) && !is_text(number, 0)), "{name}");
        }
    }

    #[test]
    fn numbers_above_32_bits_are_no_calls_that_end_or_take_a_path() {
        let number = (1 << 32) | u64::from(linux::__NR_openat);
        assert!(!is_text(number, 1));
        assert!(returns((1 << 32) | u64::from(linux::__NR_exit)));
    }
}
