//! The processor and guest-physical memory: the wrappers around assembly, registers and raw addresses.
//!
//! Guarantees: physical accesses stay inside scratch. Never: policy; nothing here decides what may be mapped.
//!
//! Before: ring0/boot.s and entry.s. After: frames, paging, traps, channel.

#![expect(unsafe_code, reason = "this module is where registers and raw addresses are touched")]

use core::cell::Cell;
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};

use hyperlight_common::layout;

/// Bytes in a page.
pub const PAGE: u64 = 4096;
/// The alias: scratch at this address plus the guest-physical address, built of 2 MiB pages (ring0/boot.s).
pub const ALIAS: u64 = 0x100_0000_0000;
/// First byte of the kernel image (link.ld).
pub const KERNEL_START: u64 = 0x7000_0000;
/// End of the range reserved for the kernel image.
pub const KERNEL_END: u64 = 0x7010_0000;
/// Bytes that one table of the alias maps.
const GIB: u64 = 1 << 30;
const LARGE_PAGE: u64 = 1 << 21;
/// Bits of an entry of the alias: a large page of the snapshot, or of scratch.
const ALIAS_READ: u64 = 0xe5;
const ALIAS_WRITE: u64 = 0xe7;
const ALIAS_PDPT: u64 = 0xffff_ffff_ffff_3000;
const ALIAS_PD: u64 = 0xffff_ffff_ffff_4000;
const STATE: u64 = 0xffff_ffff_ffff_d000;

const PORT_ABORT: u32 = 102;
const PORT_DEBUG: u32 = 103;

/// The per-VM page: zeroed by a restore, writable at once. Offsets are known to the assembly.
#[repr(C)]
#[derive(Debug)]
pub struct State {
    _user_rsp: Cell<u64>,
    /// Address of the last page fault.
    pub cr2: Cell<u64>,
    _rax: Cell<u64>,
    /// Number of the last trap that was not a page fault.
    pub vector: Cell<u64>,
    _frames: [Cell<u64>; 28],
    /// Guest-physical address of the page-table root.
    pub root: Cell<u64>,
    /// Next never-used frame, and the end of the frames.
    pub frame_next: Cell<u64>,
    /// End of allocatable scratch.
    pub frame_limit: Cell<u64>,
    /// Head of the list of returned frames; 0 ends it.
    pub frame_free: Cell<u64>,
    /// Frames in use.
    pub frames_used: Cell<u32>,
    /// Highest value of `frames_used`.
    pub frames_peak: Cell<u32>,
    /// Page faults since the VM started.
    pub faults: Cell<u32>,
    /// System calls since the VM started.
    pub syscalls: Cell<u32>,
    /// Page that receives the addresses of copied pages while recording, or 0.
    pub record: Cell<u64>,
    /// Entries in the record.
    pub record_len: Cell<u64>,
    /// Lowest guest-physical address of scratch.
    pub scratch_start: Cell<u64>,
    /// Frames of the host's tables that nobody needs: the next one and the end, of each range (frames.rs).
    pub spare: [[Cell<u64>; 2]; 4],
    /// First frame of the image archive where its window is mapped on demand, else 0 (archive.rs).
    pub archive_gpa: Cell<u64>,
    /// Pages written in a new VM before anything could be recorded, and how many (hotset.rs).
    pub early: [Cell<u64>; 32],
    /// Entries in `early`.
    pub early_len: Cell<usize>,
    /// Ways along the warm list: where the last step of each ended, and how many pages it took (hotset.rs).
    pub ways: [Cell<(usize, usize)>; 2],
    /// Where in the warm list the next step begins, or 0 (hotset.rs).
    pub step: Cell<usize>,
    /// Whether the host is told of each system call (syscall/trace.rs).
    pub traces_syscalls: Cell<u32>,
    /// Pages that count against the memory limit since they were touched (mm.rs).
    pub touched_pages: Cell<u64>,
}

/// Bytes of the registers that entry.s saves: 20 of the fields of `Regs`.
pub const REGISTER_FRAME_BYTES: usize = 160;
/// Stack pointer in the frame with which ring 0 continues a system call (FRAME_SYSCALL in ring0/boot.s).
const SYSCALL_FRAME_RSP: u64 = STATE + 0x40 + 24;

/// Byte offset of the register block that a redirected fault leaves in the state page.
pub const STATE_REDIRECT: u64 = STATE + 0x600;

/// The per-VM page.
pub fn state() -> &'static State {
    // SAFETY: the page is mapped from the first instruction in ring 3 on, zeroed is a valid `State`, and its fields are cells.
    unsafe { &*(STATE as *const State) }
}

const _: () = assert!(core::mem::offset_of!(State, root) == 0x100);

unsafe extern "C" {
    fn service(function: u32, argument: u32);
    fn doorbell(port: u32, value: u32);
    /// Leaves the VM until the host enters again.
    #[link_name = "turn_exit"]
    fn asm_turn_exit();
    #[link_name = "turn_resume"]
    fn asm_turn_resume() -> !;
    #[link_name = "boot_done"]
    fn asm_boot_done() -> !;
    #[link_name = "resume"]
    fn asm_resume(regs: *const crate::traps::Regs, fpu: *const u8) -> !;
    fn redirect_ring3();
    #[link_name = "switch_stack"]
    fn asm_switch_stack(keep: *mut u64, load: u64);
    fn thread_start();
}

/// Address of the code that turns a fault of the program into a signal.
pub fn redirect_address() -> u64 {
    redirect_ring3 as *const () as u64
}

/// Top of the stack for system calls of the first thread.
pub fn first_stack_top() -> u64 {
    (&raw const SYSCALL_STACK) as u64 + STACK_BYTES as u64
}

/// Top of the stack that system calls use now.
pub fn syscall_stack_top() -> u64 {
    // SAFETY: the state page is mapped, and this quadword of it holds the stack pointer of the frame for system calls.
    unsafe { (SYSCALL_FRAME_RSP as *const u64).read_volatile() }
}

/// Sets the stack of the next system call.
pub fn set_syscall_stack_top(top: u64) {
    // SAFETY: as above; `top` is the end of a stack that lives as long as its thread.
    unsafe { (SYSCALL_FRAME_RSP as *mut u64).write_volatile(top) }
}

/// Goes on at another stack, which `switch_stack` left or `first_switch_frame` made; returns when somebody switches back.
pub fn switch_stack(keep: *const Cell<u64>, load: u64) {
    // SAFETY: `keep` is a cell of a thread that lives until another one runs, and `load` is the stack pointer of a frame
    // of `switch_stack` on a stack that nobody uses now.
    unsafe { asm_switch_stack(keep.cast::<u64>().cast_mut(), load) }
}

/// What `switch_stack` finds on the stack of a new thread: r15, r14, r13, r12, rbx, rbp and where to go.
pub fn first_switch_frame(regs: u64, fpu: u64) -> [u64; 7] {
    [0, 0, 0, fpu, regs, 0, thread_start as *const () as u64]
}

/// The registers that the program had when it entered the kernel on this stack.
pub fn saved_registers(stack_top: u64) -> crate::traps::Regs {
    let mut regs = crate::traps::Regs::default();
    let at = (stack_top - REGISTER_FRAME_BYTES as u64) as *const u8;
    // SAFETY: entry.s pushes this many bytes of registers at the top of the stack, in the order of `Regs`.
    unsafe {
        core::ptr::copy_nonoverlapping(at, (&raw mut regs).cast(), REGISTER_FRAME_BYTES);
    }
    regs
}

const STACK_BYTES: usize = 0x10000;

#[repr(C, align(4096))]
struct Stack([u8; STACK_BYTES]);

#[unsafe(no_mangle)]
static mut SYSCALL_STACK: Stack = Stack([0; STACK_BYTES]);
#[unsafe(no_mangle)]
static mut TURN_RSP: u64 = 0;
#[unsafe(no_mangle)]
static mut XSAVE_ENABLED: u8 = 0;

/// Leaves the VM; returns when the host has entered again.
pub fn turn_exit() {
    // SAFETY: saves the callee-saved registers on the current stack, which stays as it is until `turn_resume`.
    unsafe { asm_turn_exit() }
}

/// Goes on where `turn_exit` was called.
pub fn turn_resume() -> ! {
    // SAFETY: called only after a `turn_exit`, whose frame is intact: entries run on another stack.
    unsafe { asm_turn_resume() }
}

/// Ends Hyperlight's initialisation call.
pub fn boot_done() -> ! {
    // SAFETY: never returns; the host enters at `dispatch` next.
    unsafe { asm_boot_done() }
}

/// Loads a register frame and continues in the program.
pub fn resume(regs: &crate::traps::Regs, fpu: &FpuArea) -> ! {
    // SAFETY: both references are valid and `fpu` holds a state that xrstor accepts.
    unsafe { asm_resume(regs, fpu.0.as_ptr()) }
}

/// An XSAVE area in its initial state.
#[repr(C, align(64))]
pub struct FpuArea([u8; 2816]);

impl FpuArea {
    /// The state of a new process: x87 control word 0x37f, MXCSR 0x1f80 (SDM vol. 1, 13.4).
    pub fn initial() -> Self {
        let mut area = [0; 2816];
        area[0] = 0x7f;
        area[1] = 0x03;
        area[24] = 0x80;
        area[25] = 0x1f;
        Self(area)
    }
}

/// Drops all cached translations. Costs about 15 us where ring 0 is emulated.
pub fn flush_tlb() {
    // SAFETY: service 0 reloads CR3.
    unsafe { service(0, 0) }
}

/// Halts in ring 0, as a snapshot needs; the host's next entry starts anew through `dispatch`.
pub fn halt_in_ring0() -> ! {
    loop {
        // SAFETY: service 1 rings the halt doorbell from ring 0 and does not return.
        unsafe { service(1, 0) }
    }
}

// What the processor has, found out once: asking leaves the VM, and a snapshot is used on its own kind of processor only.
static HAS_RDRAND: AtomicBool = AtomicBool::new(false);
/// Vector state to turn on; 0 without XSAVE.
static XCR0: AtomicU32 = AtomicU32::new(0);

/// Finds out what the processor has, at boot, and turns on the vector state that it and the kernel support.
pub fn set_up_processor() {
    let (_, _, features, _) = cpuid(1, 0);
    HAS_RDRAND.store(features & (1 << 30) != 0, Relaxed);
    if features & (1 << 26) != 0 {
        XCR0.store(cpuid(0xd, 0).0 & 0b111, Relaxed);
        // SAFETY: one processor; the flag is read by assembly only.
        unsafe { (&raw mut XSAVE_ENABLED).write_volatile(1) };
    }
    resume_processor();
}

/// Drops all cached translations and turns on the vector state, after boot and each restore: Hyperlight resets XCR0 to 1
/// and keeps CR4.OSXSAVE, and running so would corrupt vector registers silently.
pub fn resume_processor() {
    match XCR0.load(Relaxed) {
        0 => flush_tlb(),
        // SAFETY: service 2 sets CR4.OSXSAVE and XCR0 to a subset of what CPUID reports, and reloads CR3.
        wanted => unsafe { service(2, wanted) },
    }
}

/// CPUID: (eax, ebx, ecx, edx). Leaves the VM, which costs some 7 us where virtualisation is nested.
pub fn cpuid(leaf: u32, subleaf: u32) -> (u32, u32, u32, u32) {
    let r = core::arch::x86_64::__cpuid_count(leaf, subleaf);
    (r.eax, r.ebx, r.ecx, r.edx)
}

/// The time-stamp counter.
pub fn rdtsc() -> u64 {
    // SAFETY: CR4.TSD is clear, so ring 3 may read the counter.
    unsafe { core::arch::x86_64::_rdtsc() }
}

/// A hardware random number, or `None` where RDRAND is missing or dry.
pub fn rdrand() -> Option<u64> {
    if !HAS_RDRAND.load(Relaxed) {
        return None;
    }
    for _ in 0..10 {
        let (value, ok): (u64, u8);
        // SAFETY: CPUID reported RDRAND.
        unsafe {
            core::arch::asm!("rdrand {}", "setc {}", out(reg) value, out(reg_byte) ok, options(nomem, nostack))
        };
        if ok != 0 {
            return Some(value);
        }
    }
    None
}

/// Sets the base of FS, where glibc keeps thread-local storage.
pub fn set_fs_base(base: u64) {
    // SAFETY: CR4.FSGSBASE is set by the boot stub; the kernel itself uses no FS.
    unsafe { core::arch::asm!("wrfsbase {}", in(reg) base, options(nomem, nostack)) };
}

/// Reads the base of FS.
pub fn fs_base() -> u64 {
    let base;
    // SAFETY: as above.
    unsafe { core::arch::asm!("rdfsbase {}", out(reg) base, options(nomem, nostack)) };
    base
}

/// Reads the base of GS.
pub fn gs_base() -> u64 {
    let base;
    // SAFETY: as above.
    unsafe { core::arch::asm!("rdgsbase {}", out(reg) base, options(nomem, nostack)) };
    base
}

/// Sets the base of GS.
pub fn set_gs_base(base: u64) {
    // SAFETY: as for FS.
    unsafe { core::arch::asm!("wrgsbase {}", in(reg) base, options(nomem, nostack)) };
}

/// Completes the alias: all of scratch, writable, and the first GiB of guest-physical memory, where the snapshot lies,
/// read-only. `new_table` gives zeroed frames behind the page tables. The first GiB to be done is the one where these lie, whose
/// table exists, so that such frames can be reached wherever the page tables end.
pub fn complete_alias(mut new_table: impl FnMut() -> u64) {
    let start = state().scratch_start.get() & !(LARGE_PAGE - 1);
    let end = layout::SCRATCH_TOP_GPA as u64 + 1;
    let root_gib = state().root.get() / GIB;
    let other_gibs = (start / GIB..end.div_ceil(GIB)).filter(|&gib| gib != root_gib);
    for gib in [root_gib, 0].into_iter().chain(other_gibs) {
        let directory = if gib == root_gib { ALIAS_PD } else { link_alias(gib, new_table()) };
        for index in 0..512 {
            let gpa = gib * GIB + index * LARGE_PAGE;
            let bits = if gib == 0 {
                ALIAS_READ
            } else if gpa >= start && gpa < end {
                ALIAS_WRITE
            } else {
                continue;
            };
            // SAFETY: `directory` is a mapped table page of ours.
            unsafe { ((directory + index * 8) as *mut u64).write_volatile(gpa | bits) };
        }
    }
}

/// Puts a zeroed frame into the alias as the table of a GiB; returns its address there.
fn link_alias(gib: u64, table: u64) -> u64 {
    // SAFETY: ALIAS_PDPT is a mapped page of ours; `gib` is below 64, as no address has more than 36 bits.
    unsafe { ((ALIAS_PDPT + gib * 8) as *mut u64).write_volatile(table | 0x27) };
    ALIAS + table
}

/// Whether the alias maps the GiB of the snapshot in which a frame lies.
pub fn is_snapshot_aliased(gpa: u64) -> bool {
    // SAFETY: as in `link_alias`.
    gpa < GIB || unsafe { ((ALIAS_PDPT + gpa / GIB * 8) as *const u64).read_volatile() } != 0
}

/// Has the alias map the GiB of the snapshot in which a frame lies, read-only, with a zeroed frame for its table.
pub fn alias_snapshot(gpa: u64, table: u64) {
    let gib = gpa / GIB;
    let directory = link_alias(gib, table);
    for index in 0..512 {
        let entry = (gib * GIB + index * LARGE_PAGE) | ALIAS_READ;
        // SAFETY: `directory` is a frame of ours, which the alias maps.
        unsafe { ((directory + index * 8) as *mut u64).write_volatile(entry) };
    }
}

fn alias(gpa: u64) -> *mut u64 {
    assert!(is_scratch(gpa), "physical access outside scratch");
    (ALIAS + gpa) as *mut u64
}

/// Whether a guest-physical address lies in scratch, the writable memory of this VM.
pub fn is_scratch(gpa: u64) -> bool {
    gpa >= state().scratch_start.get() && gpa <= layout::SCRATCH_TOP_GPA as u64
}

/// Reads a quadword of scratch.
pub fn phys_read(gpa: u64) -> u64 {
    // SAFETY: inside scratch, which the alias maps.
    unsafe { alias(gpa).read_volatile() }
}

/// Writes a quadword of scratch.
pub fn phys_write(gpa: u64, value: u64) {
    // SAFETY: inside scratch, which the alias maps writable.
    unsafe { alias(gpa).write_volatile(value) }
}

/// Zeroes a frame.
pub fn zero_frame(gpa: u64) {
    // SAFETY: a whole frame of scratch.
    unsafe { core::ptr::write_bytes(alias(gpa), 0, 512) }
}

/// Copies a page of the snapshot to a page that was just mapped to a frame of ours.
///
/// The source is read through the alias and the target written where the program will use it: with nested
/// virtualisation each first touch of a page by an address costs a fault of the host, and this way has the fewest.
pub fn copy_snapshot_page(from_gpa: u64, page: u64) {
    assert!(is_snapshot_aliased(from_gpa), "snapshot beyond the alias");
    // SAFETY: the alias maps this GiB of the snapshot; `page` is present and writable (the caller mapped it) and, being
    // another frame, disjoint.
    unsafe { core::ptr::copy_nonoverlapping((ALIAS + from_gpa) as *const u64, page as *mut u64, 512) }
}

/// Copies bytes out of scratch.
pub fn phys_copy_out(gpa: u64, to: &mut [u8]) {
    assert!(to.is_empty() || is_scratch(gpa + to.len() as u64 - 1), "physical access outside scratch");
    // SAFETY: both ends inside scratch.
    unsafe { core::ptr::copy_nonoverlapping(alias(gpa).cast::<u8>(), to.as_mut_ptr(), to.len()) }
}

/// Copies bytes into scratch.
pub fn phys_copy_in(gpa: u64, from: &[u8]) {
    assert!(from.is_empty() || is_scratch(gpa + from.len() as u64 - 1), "physical access outside scratch");
    // SAFETY: both ends inside scratch.
    unsafe { core::ptr::copy_nonoverlapping(from.as_ptr(), alias(gpa).cast::<u8>(), from.len()) }
}

/// An aligned 16-bit atomic in scratch, as virtqueue flags need.
pub fn phys_atomic_u16(gpa: u64) -> Option<&'static core::sync::atomic::AtomicU16> {
    if !gpa.is_multiple_of(2) || !is_scratch(gpa) {
        return None;
    }
    // SAFETY: aligned, inside scratch, which stays mapped.
    Some(unsafe { &*alias(gpa).cast() })
}

/// Whether every byte of the mapped page is zero.
pub fn page_is_zero(page: u64) -> bool {
    // SAFETY: `page` is present and readable (the caller looked it up).
    unsafe { core::slice::from_raw_parts(page as *const u64, 512) }.iter().all(|&w| w == 0)
}

/// A read-only view of memory that stays mapped for the life of the VM (the image archive).
pub fn static_bytes(address: u64, len: usize) -> &'static [u8] {
    // SAFETY: the loader maps the archive once, read-only, and never unmaps it.
    unsafe { core::slice::from_raw_parts(address as *const u8, len) }
}

/// Reads one quadword of the metadata page at the top of scratch (`hyperlight_common::layout`).
pub fn metadata(offset: u64) -> u64 {
    let address = layout::SCRATCH_TOP_GVA as u64 + 1 - offset;
    // SAFETY: the host fills this page before every entry.
    unsafe { (address as *const u64).read_volatile() }
}

/// Reads the process environment block that the host passed at boot: (address, length) of the init data.
pub fn init_data(peb: u64) -> (u64, u64) {
    // SAFETY: the host maps the block read-only at the address it passed.
    let block = unsafe { (peb as *const hyperlight_common::mem::HyperlightPEB).read_unaligned() };
    (block.init_data.ptr, block.init_data.size)
}

/// Stores the registers of a faulting program in the state page for `redirect_ring3`.
pub fn store_redirect(regs: &crate::traps::Regs) {
    // SAFETY: the state page has room for 22 quadwords at this offset and nothing else uses them.
    unsafe { (STATE_REDIRECT as *mut crate::traps::Regs).write_volatile(*regs) }
}

/// Ends the VM with a message that needs no memory of ours: three bytes a write (hyperlight_common::outb).
pub fn abort(message: &str) -> ! {
    let send = |bytes: &[u8]| {
        for chunk in bytes.chunks(3) {
            let mut word = [chunk.len() as u8, 0, 0, 0];
            word[1..=chunk.len()].copy_from_slice(chunk);
            // SAFETY: the abort port takes any value.
            unsafe { doorbell(PORT_ABORT, u32::from_le_bytes(word)) };
        }
    };
    send(&[0]);
    send(message.as_bytes());
    loop {
        send(&[0xff]);
    }
}

/// Prints to the host's debug output, one exit a byte; for kernel development only.
pub fn debug_print(text: &str) {
    for &byte in text.as_bytes() {
        // SAFETY: the debug port takes any value.
        unsafe { doorbell(PORT_DEBUG, u32::from(byte)) };
    }
}

/// Error code of the last page fault (SDM vol. 3, 4.7), pushed below the frame on the interrupt stack.
pub fn fault_error() -> u64 {
    // SAFETY: the processor pushed the code at this fixed place in the state page.
    unsafe { ((STATE + 0xf00 - 48) as *const u64).read_volatile() }
}

/// Error and detail of a redirected fault.
pub fn redirect_detail() -> (u64, u64) {
    // SAFETY: `store_redirect` filled both quadwords of the state page.
    unsafe {
        (
            ((STATE_REDIRECT + 20 * 8) as *const u64).read_volatile(),
            ((STATE_REDIRECT + 21 * 8) as *const u64).read_volatile(),
        )
    }
}

/// Leaves the VM for good as far as this stack is concerned: the next entry starts on its own.
pub fn stop() -> ! {
    loop {
        // SAFETY: the halt port takes any value; the host's next entry sets the instruction pointer.
        unsafe { doorbell(108, 0) };
    }
}

/// Lets the host look at the queue to it; returns when it has answered.
pub fn ring_host() {
    // SAFETY: the notification port takes any value.
    unsafe { doorbell(109, 0) };
}

/// Overwrites the vector state that a system call will restore, with what a signal handler returned. State components
/// and header bits that the kernel does not use are cleared, so that the restoring instruction cannot fault.
pub fn load_saved_fpu(at: u64, area: &[u8; 2816]) {
    let mut area = *area;
    let components = u64::from_le_bytes([
        area[512], area[513], area[514], area[515], area[516], area[517], area[518], area[519],
    ]) & 0b111;
    area[512..576].fill(0);
    area[512..520].copy_from_slice(&components.to_le_bytes());
    area[26..28].fill(0); // reserved bits of MXCSR
    // SAFETY: `at` is the area that entry.s reserved below the register frame of the running system call.
    unsafe { core::ptr::copy_nonoverlapping(area.as_ptr(), at as *mut u8, area.len()) };
}

/// Tests run the file system as an ordinary program: nothing there may reach the hardware.
#[cfg(test)]
mod no_hardware {
    macro_rules! unreachable_assembly {
        ($($name:ident)*) => {$(
            #[unsafe(no_mangle)]
            extern "C" fn $name() {
                panic!(concat!("a test reached the assembly function ", stringify!($name)));
            }
        )*};
    }
    unreachable_assembly! { service doorbell turn_exit turn_resume boot_done redirect_ring3 switch_stack thread_start }
}
