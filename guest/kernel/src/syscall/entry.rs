//! From program registers to the system-call table and back.
//!
//! Before: traps. After: table, trace.

use super::trace;
use crate::errno::{Args, Errno};
use crate::traps::Regs;
use crate::{task, thread};

const RT_SIGRETURN: u64 = 15;

/// Runs one system call and delivers signals that it raised.
pub fn handle(regs: &mut Regs) {
    let args = Args([regs.rdi, regs.rsi, regs.rdx, regs.r10, regs.r8, regs.r9]);
    let traced = trace::begin(regs.rax, &args);
    if regs.rax == RT_SIGRETURN {
        if task::sigreturn(regs).is_err() {
            task::bad_signal_frame(regs);
        }
    } else {
        regs.rax = match super::table::dispatch(regs.rax, &args) {
            Ok(value) => value,
            Err(Errno(number)) => (-i64::from(number)) as u64,
        };
    }
    if let Some(traced) = traced {
        traced.end(regs.rax);
    }
    thread::give_way_if_due();
    task::deliver_pending(regs);
}
