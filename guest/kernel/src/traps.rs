//! From the processor to Rust: entries, system calls, faults.
//!
//! Guarantees: a fault of the program becomes a page, a signal or a clean crash report; a fault of the kernel ends the
//! VM with a report. Never: allocates or borrows kernel state on the fault path.
//!
//! Before: entry.s. After: mm, task, syscall, channel.

#![expect(unsafe_code, reason = "functions called by assembly are exported by name")]

use crate::arch::{self, KERNEL_END, KERNEL_START, PAGE, state};
use crate::{archive, channel, frames, hotset, mm, paging, task, thread};

/// Program registers, in the order of entry.s.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
#[expect(missing_docs, reason = "named as the processor names them")]
pub struct Regs {
    pub r15: u64,
    pub r14: u64,
    pub r13: u64,
    pub r12: u64,
    pub r11: u64,
    pub r10: u64,
    pub r9: u64,
    pub r8: u64,
    pub rdi: u64,
    pub rsi: u64,
    pub rbp: u64,
    pub rbx: u64,
    pub rdx: u64,
    pub rcx: u64,
    pub rax: u64,
    pub rip: u64,
    pub cs: u64,
    pub rflags: u64,
    pub rsp: u64,
    pub ss: u64,
    /// Error code of a redirected fault, and its address or vector.
    pub error: u64,
    pub detail: u64,
}

impl Regs {
    /// What entry.s saves and loads, in its order.
    pub fn saved(&self) -> [u64; 20] {
        [
            self.r15,
            self.r14,
            self.r13,
            self.r12,
            self.r11,
            self.r10,
            self.r9,
            self.r8,
            self.rdi,
            self.rsi,
            self.rbp,
            self.rbx,
            self.rdx,
            self.rcx,
            self.rax,
            self.rip,
            self.cs,
            self.rflags,
            self.rsp,
            self.ss,
        ]
    }
}

const ENTRY_BOOT: u64 = 1;

/// First Rust after ring 0. `reason` says whether the VM boots or was restored; `open` is non-zero on the same VM after
/// a checkpoint, whose tables and frames are as we left them.
#[unsafe(no_mangle)]
extern "C" fn enter_from_ring0(root: u64, peb: u64, reason: u64, open: u64) -> ! {
    state().root.set(root);
    if open == 0 {
        frames::reset();
    }
    arch::complete_alias(|| match frames::alloc() {
        Some(gpa) => gpa,
        None => arch::abort("scratch memory is too small for its alias"),
    });
    if reason == ENTRY_BOOT {
        paging::open_to_user();
        crate::boot(peb)
    }
    let dropped = if open == 0 { [archive::drop_tables(), paging::drop_scratch_tables()] } else { [None; 2] };
    arch::resume_processor();
    if open == 0 {
        frames::set_spare(dropped.into_iter().flatten().flat_map(|dropped| dropped.frames()));
        paging::open_to_user();
        mm::resume_account();
        hotset::copy_in();
    }
    thread::resume();
    channel::on_entry(open == 0)
}

/// An ordinary turn on a running VM.
#[unsafe(no_mangle)]
extern "C" fn enter_turn() -> ! {
    channel::on_entry(false)
}

#[unsafe(no_mangle)]
extern "C" fn on_syscall(regs: &mut Regs) {
    state().syscalls.set(state().syscalls.get().wrapping_add(1));
    crate::syscall::entry::handle(regs);
}

/// A page fault: most are answered from the memory map, the rest become SIGSEGV.
#[unsafe(no_mangle)]
extern "C" fn on_fault(regs: &mut Regs, _: u64) {
    let s = state();
    let address = s.cr2.get();
    let error = arch::fault_error();
    s.faults.set(s.faults.get().wrapping_add(1));
    if error & ERROR_USER == 0 {
        arch::abort("page fault in ring 0");
    }
    match mm::handle_fault(address, error & ERROR_WRITE != 0, error & ERROR_FETCH != 0) {
        mm::Fault::Resolved if (hotset::is_due() || thread::is_due()) && !is_kernel(regs.rip) => {
            redirect(regs, VECTOR_NONE, 0, 0);
        }
        mm::Fault::Resolved => {}
        mm::Fault::OutOfMemory => fatal(regs, "out of memory", address),
        mm::Fault::Denied => to_signal(regs, 14, address, error),
    }
}

/// Every other trap: a signal for the program, the end for the kernel.
#[unsafe(no_mangle)]
extern "C" fn on_trap(regs: &mut Regs, _: u64) {
    let vector = state().vector.get() & 0xff;
    to_signal(regs, vector, regs.rip, 0);
}

const ERROR_WRITE: u64 = 1 << 1;
const ERROR_USER: u64 = 1 << 2;
const ERROR_FETCH: u64 = 1 << 4;

/// In place of a vector: no signal, only pages to copy ahead or another thread's turn.
const VECTOR_NONE: u64 = 0xff;

fn is_kernel(rip: u64) -> bool {
    (KERNEL_START..KERNEL_END).contains(&rip)
}

fn to_signal(regs: &mut Regs, vector: u64, address: u64, error: u64) {
    if is_kernel(regs.rip) {
        fatal(regs, "fault in the kernel", address);
    }
    redirect(regs, vector, address, error);
}

/// Has the fault handler return to `redirect_ring3`, on the system-call stack.
fn redirect(regs: &mut Regs, vector: u64, address: u64, error: u64) {
    let mut saved = *regs;
    saved.error = error << 8 | vector;
    saved.detail = address;
    arch::store_redirect(&saved);
    regs.rip = arch::redirect_address();
    regs.rsp = arch::syscall_stack_top();
    regs.rsi = saved.error;
    regs.rcx = saved.detail;
    regs.rflags = 2;
}

/// Continues a redirected fault on the system-call stack, where kernel state may be used.
#[unsafe(no_mangle)]
extern "C" fn on_redirect(regs: &mut Regs, _: u64) {
    let (error, address) = arch::redirect_detail();
    match error & 0xff {
        VECTOR_NONE => {
            hotset::follow();
            thread::give_way_if_due();
            task::deliver_pending(regs);
        }
        vector => task::fault_signal(regs, vector, error >> 8, address),
    }
}

fn fatal(regs: &Regs, what: &str, address: u64) -> ! {
    let mut text = Text::default();
    use core::fmt::Write;
    let _ = write!(
        text,
        "{what}: address {address:#x}, rip {:#x}, rsp {:#x}, vector {}, frames {}",
        regs.rip,
        regs.rsp,
        state().vector.get(),
        state().frames_used.get()
    );
    arch::abort(text.as_str())
}

/// A short text on the stack: fault paths may not allocate.
pub struct Text {
    bytes: [u8; 256],
    len: usize,
}

impl Default for Text {
    fn default() -> Self {
        Self { bytes: [0; 256], len: 0 }
    }
}

impl Text {
    /// What was written, up to 256 bytes.
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(&self.bytes[..self.len]).unwrap_or("unprintable")
    }
}

impl core::fmt::Write for Text {
    fn write_str(&mut self, s: &str) -> core::fmt::Result {
        let n = s.len().min(self.bytes.len() - self.len);
        self.bytes[self.len..self.len + n].copy_from_slice(&s.as_bytes()[..n]);
        self.len += n;
        Ok(())
    }
}

/// Rounds down to a page.
pub const fn page_of(address: u64) -> u64 {
    address & !(PAGE - 1)
}
