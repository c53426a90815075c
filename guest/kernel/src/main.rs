//! The guest kernel of hypercell: a Linux library OS for one process, in ring 3 of a Hyperlight micro-VM.
//!
//! What it is: CPython, unmodified, believes it runs on Linux; this kernel answers its system calls from an image and
//! from memory, and takes everything else to the host as a turn (channel). Guarantees: nothing here is a security
//! boundary; the VM is, so kernel and program share ring 3 and one address space. Never: trusts that the host is slow,
//! repeats or answers out of turn; it answers each frame once.
//!
//! Reading order: ring0/boot.s, entry.s, traps, channel, link; then paging, mm, loader; then syscall/table and vfs.

#![cfg_attr(not(test), no_std)]
#![cfg_attr(not(test), no_main)]
#![deny(unsafe_code)]

extern crate alloc;

pub mod arch;
pub mod archive;
pub mod cell;
pub mod channel;
pub mod crash;
pub mod errno;
pub mod frames;
pub mod heap;
pub mod hotset;
pub mod link;
pub mod loader;
pub mod mm;
pub mod paging;
pub mod rlimit;
pub mod syscall;
pub mod task;
pub mod thread;
pub mod time;
pub mod traps;
pub mod user;
pub mod vfs;

/// First entry: makes the image reachable, builds the transport, and returns to the host, which then sends Boot.
pub fn boot(peb: u64) -> ! {
    arch::set_up_processor();
    let (address, bytes) = arch::init_data(peb);
    let archive = archive::map(address, bytes);
    if vfs::init(archive).is_err() {
        arch::abort("the image archive is damaged");
    }
    channel::init();
    arch::boot_done()
}

/// A kernel bug: report it and end the VM.
#[cfg(not(test))]
#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    use core::fmt::Write;
    let mut text = traps::Text::default();
    let _ = write!(text, "kernel panic: {info}");
    arch::abort(text.as_str())
}

#[cfg(test)]
fn main() {}
