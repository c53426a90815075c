//! The address space of the program: areas, demand paging, and what of it counts.
//!
//! Guarantees: what a program may touch is decided by its areas alone; what counts (account.rs) never exceeds the limit of
//! the run: a call that asks for more answers ENOMEM, a touch of memory promised before ends the run.
//! Never: touches program memory while an area map is borrowed.
//!
//! Before: paging, frames. After: syscall/mem.rs, loader, traps.

mod account;
mod fault;
mod report;

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use bitflags::bitflags;

use crate::arch::{self, PAGE, is_scratch};
use crate::cell::KernelCell;
use crate::errno::Errno;
use crate::{archive, frames, heap, paging};

use account::Account;
pub use account::Charge;
pub use fault::{Fault, fill_page, handle_fault};
pub use report::{Mapping, mappings, proc_maps, rss_bytes, total_bytes, uncommitted_bytes};

/// Lowest address that a program may map.
pub const USER_START: u64 = 0x1_0000;
/// Kernel image and heap: never mapped for a program.
const KERNEL_HOLE: core::ops::Range<u64> = arch::KERNEL_START..heap::HEAP_END;
/// The range that kernel-chosen addresses come from, top down.
const MMAP_RANGE: core::ops::Range<u64> = 0x10_0000_0000..STACK_TOP;
/// End of what a program may map.
pub const USER_END: u64 = 0x7fff_ffff_f000;
/// Top of the stack of the program. What is mapped lies below it, the program and its heap above.
///
/// Each table that maps little is a page that every VM pays. So all lies in the 512 GiB of the kernel, what a Python needs
/// in one GiB of them, and the last pages of the stack in the 2 MiB of the program's first ones.
pub const STACK_TOP: u64 = 0x7f_6004_0000;
/// Bytes of the stack of the program: the usual 8 MiB of Linux.
pub const STACK_BYTES: u64 = 8 << 20;
/// Scratch that programs never get: transport buffers, page tables of the image, copies of the interpreter's pages.
const SCRATCH_RESERVE: u64 = 24 << 20;
/// Most areas: Linux's own default, which bounds what the kernel keeps about them.
pub const MAX_AREAS: usize = 65_530;

bitflags! {
    /// What a program may do with an area.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Prot: u8 {
        /// Read.
        const READ = 1;
        /// Write.
        const WRITE = 2;
        /// Execute.
        const EXEC = 4;
    }
}

/// What stands behind an area.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backing {
    /// Zeroes.
    Anonymous,
    /// Zeroes of a stack, of which most is never touched: it never counts whole.
    Stack,
    /// File contents in the archive: address of the byte that the area's start shows, and bytes left in the file.
    Image(u64, u64),
}

/// A range of the address space with one protection and one backing.
#[derive(Clone, Copy, Debug)]
pub struct Area {
    /// End address, exclusive.
    pub end: u64,
    /// Allowed accesses.
    pub prot: Prot,
    /// Contents.
    pub backing: Backing,
    /// When its pages count.
    pub charge: Charge,
}

impl Area {
    /// Whether it counts by the pages that are present. Those of files that cannot be written are the image's.
    fn counts_pages(&self) -> bool {
        self.charge != Charge::Mapped && !matches!(self.backing, Backing::Image(..))
    }
}

/// The areas of the program, by start address.
#[derive(Debug)]
pub struct AddressSpace {
    areas: BTreeMap<u64, Area>,
    brk_start: u64,
    brk: u64,
    account: Account,
    /// Pages that counted when touched, as a snapshot carries them; the VM's own count is in its state page, which a fault
    /// handler can write.
    touched_pages: u64,
    stale_translations: bool,
}

/// The one address space.
pub static MM: KernelCell<AddressSpace> = KernelCell::new(AddressSpace {
    areas: BTreeMap::new(),
    brk_start: 0,
    brk: 0,
    account: Account::new(),
    touched_pages: 0,
    stale_translations: false,
});

fn page_up(value: u64) -> Option<u64> {
    value.checked_next_multiple_of(PAGE)
}

impl Backing {
    fn advanced(self, by: u64) -> Self {
        match self {
            Self::Anonymous | Self::Stack => self,
            Self::Image(at, left) => Self::Image(at + by, left.saturating_sub(by)),
        }
    }
}

impl AddressSpace {
    /// The area around an address.
    fn find(&self, address: u64) -> Option<(u64, &Area)> {
        let (start, area) = self.areas.range(..=address).next_back()?;
        (address < area.end).then_some((*start, area))
    }

    /// Whether every byte of a range allows the access.
    pub fn allows(&self, start: u64, len: u64, prot: Prot) -> bool {
        let Some(end) = start.checked_add(len) else { return false };
        let mut at = start;
        while at < end {
            match self.find(at) {
                Some((_, area)) if area.prot.contains(prot) => at = area.end,
                _ => return false,
            }
        }
        true
    }

    fn is_free(&self, start: u64, end: u64) -> bool {
        start >= USER_START
            && end <= USER_END
            && (end <= KERNEL_HOLE.start || start >= KERNEL_HOLE.end)
            && self.find(start).is_none()
            && self.areas.range(start..end).next().is_none()
    }

    /// Whether nothing is mapped in a range.
    pub fn is_unused(&self, start: u64, len: u64) -> bool {
        start.checked_add(len).is_some_and(|end| self.is_free(start & !(PAGE - 1), end))
    }

    /// The highest free range of kernel-chosen addresses.
    fn pick(&self, len: u64) -> Option<u64> {
        let mut end = MMAP_RANGE.end;
        for (start, area) in self.areas.range(..MMAP_RANGE.end).rev() {
            if end >= area.end && end - area.end >= len {
                break;
            }
            end = end.min(*start);
            if end < MMAP_RANGE.start {
                return None;
            }
        }
        end.checked_sub(len).filter(|&start| start >= MMAP_RANGE.start)
    }

    fn charge(&mut self, charge: Charge, bytes: u64) -> Result<(), Errno> {
        self.account.charge(charge, bytes, uncharged_bytes())
    }

    /// Refuses what would make more areas than the kernel keeps: a change of a range splits two and adds one.
    fn check_area_count(&self) -> Result<(), Errno> {
        if self.areas.len() + 3 > MAX_AREAS { Err(Errno::ENOMEM) } else { Ok(()) }
    }

    /// Splits areas so that none straddles `at`.
    fn split(&mut self, at: u64) {
        if let Some((start, area)) = self.find(at).map(|(s, a)| (s, *a))
            && start < at
        {
            self.areas.insert(at, Area { backing: area.backing.advanced(at - start), ..area });
            if let Some(first) = self.areas.get_mut(&start) {
                first.end = at;
            }
        }
    }

    /// Drops what is mapped in a page-aligned range.
    fn remove(&mut self, start: u64, end: u64) {
        self.split(start);
        self.split(end);
        while let Some((&at, area)) = self.areas.range(start..end).next() {
            let area = *area;
            self.areas.remove(&at);
            self.account.release(area.charge, area.end - at);
            self.release_pages(&area, at, area.end);
        }
    }

    /// Unmaps the pages of a part of an area and returns their frames.
    fn release_pages(&mut self, area: &Area, start: u64, end: u64) {
        let mut released = 0;
        paging::for_each(start, end, |_, entry| {
            if is_scratch(paging::frame_of(entry)) {
                frames::free(paging::frame_of(entry));
            }
            released += 1;
            Some(0)
        });
        if area.counts_pages() {
            count_touched(-released);
        }
        self.stale_translations |= released != 0;
    }

    /// Flushes translations that point to returned frames. Called before new memory is mapped and handed out.
    fn flush_stale(&mut self) {
        if core::mem::take(&mut self.stale_translations) {
            arch::flush_tlb();
        }
    }

    /// Maps a page-aligned range; `fixed` replaces what is there. Where the program may write it, `reserved` asks for
    /// memory that counts: MAP_NORESERVE goes without.
    ///
    /// # Errors
    ///
    /// `ENOMEM` where the limit of the run or the address space does not allow it.
    pub fn map(
        &mut self,
        hint: u64,
        len: u64,
        fixed: bool,
        prot: Prot,
        backing: Backing,
        reserved: bool,
    ) -> Result<u64, Errno> {
        let len = page_up(len).filter(|&l| l > 0).ok_or(Errno::ENOMEM)?;
        self.check_area_count()?;
        let charge = match backing {
            _ if !reserved || !prot.contains(Prot::WRITE) => Charge::Touched,
            Backing::Stack => Charge::Touched,
            Backing::Image(..) => Charge::Mapped,
            Backing::Anonymous => self.account.kind_of(len),
        };
        let start = if fixed {
            let end = hint.checked_add(len).ok_or(Errno::ENOMEM)?;
            let outside = end > USER_END || (hint < KERNEL_HOLE.end && end > KERNEL_HOLE.start);
            if hint < USER_START || outside {
                return Err(Errno::ENOMEM);
            }
            self.charge(charge, len)?;
            self.remove(hint, end);
            hint
        } else {
            let hinted = hint & !(PAGE - 1);
            let at = match hinted.checked_add(len) {
                Some(end) if hinted != 0 && self.is_free(hinted, end) => hinted,
                _ => self.pick(len).ok_or(Errno::ENOMEM)?,
            };
            self.charge(charge, len)?;
            at
        };
        self.flush_stale();
        self.areas.insert(start, Area { end: start + len, prot, backing, charge });
        if let Backing::Image(at, left) = backing {
            self.map_image(start, start + len, at, left, prot)?;
        }
        Ok(start)
    }

    /// Maps file contents at once: the pages exist already, a fault each would cost more than the entries.
    fn map_image(&mut self, start: u64, end: u64, source: u64, left: u64, prot: Prot) -> Result<(), Errno> {
        let mut offset = 0;
        while start + offset < end && offset < left {
            let frame = archive::frame(source + offset);
            if frame != 0 {
                paging::map(start + offset, frame, protection_bits(prot) & !paging::WRITE)
                    .map_err(|_| Errno::ENOMEM)?;
            }
            offset += PAGE;
        }
        Ok(())
    }

    /// Unmaps a range.
    pub fn unmap(&mut self, start: u64, len: u64) -> Result<(), Errno> {
        let len = page_up(len).ok_or(Errno::EINVAL)?;
        let end = start.checked_add(len).ok_or(Errno::EINVAL)?;
        if !start.is_multiple_of(PAGE) || len == 0 || end > USER_END {
            return Err(Errno::EINVAL);
        }
        if self.find(start).is_some_and(|(first, area)| first < start && end < area.end) {
            self.check_area_count()?;
        }
        self.remove(start, end);
        Ok(())
    }

    /// Changes the protection of a range.
    pub fn protect(&mut self, start: u64, len: u64, prot: Prot) -> Result<(), Errno> {
        let len = page_up(len).ok_or(Errno::ENOMEM)?;
        let end = start.checked_add(len).ok_or(Errno::ENOMEM)?;
        if !start.is_multiple_of(PAGE) {
            return Err(Errno::EINVAL);
        }
        if !self.allows(start, len, Prot::empty()) {
            return Err(Errno::ENOMEM);
        }
        self.check_area_count()?;
        self.split(start);
        self.split(end);
        if prot.contains(Prot::WRITE) {
            self.charge_newly_writable(start, end)?;
        }
        for (_, area) in self.areas.range_mut(start..end) {
            area.prot = prot;
        }
        let mut narrowed = false;
        paging::for_each(start, end, |_, entry| {
            // Writable only where the frame is ours; a fault copies the rest. No access: closed to ring 3.
            let own = is_scratch(paging::frame_of(entry));
            let mut bits = protection_bits(prot);
            if !own {
                bits &= !paging::WRITE;
            }
            if prot.is_empty() {
                bits &= !paging::USER;
            }
            let new = entry & !(paging::WRITE | paging::USER | paging::NO_EXECUTE) | bits;
            narrowed |= new != entry
                && (entry & !new & (paging::WRITE | paging::USER) != 0
                    || new & !entry & paging::NO_EXECUTE != 0);
            (new != entry).then_some(new)
        });
        if narrowed {
            arch::flush_tlb();
        }
        Ok(())
    }

    /// Counts areas of a range that become writable for the first time, each as if it was mapped now; stacks and what was
    /// mapped writable without a promise go on counting by touched pages.
    fn charge_newly_writable(&mut self, start: u64, end: u64) -> Result<(), Errno> {
        let is_new = |area: &Area| {
            area.charge == Charge::Touched
                && !area.prot.contains(Prot::WRITE)
                && area.backing != Backing::Stack
        };
        let newly: Vec<(u64, Area)> =
            self.areas.range(start..end).filter(|(_, a)| is_new(a)).map(|(s, a)| (*s, *a)).collect();
        for (at, area) in newly {
            let bytes = area.end - at;
            let charge = match area.backing {
                Backing::Image(..) => Charge::Mapped,
                _ => self.account.kind_of(bytes),
            };
            self.recharge(at, &area, charge)?;
        }
        Ok(())
    }

    /// Has an area count in another way.
    fn recharge(&mut self, start: u64, area: &Area, charge: Charge) -> Result<(), Errno> {
        let present = if area.counts_pages() { paging::count(start, area.end) } else { 0 };
        count_touched(-present);
        if let Err(error) = self.charge(charge, area.end - start) {
            count_touched(present);
            return Err(error);
        }
        self.account.release(area.charge, area.end - start);
        let after = Area { charge, ..*area };
        if after.counts_pages() {
            count_touched(present);
        }
        self.areas.insert(start, after);
        Ok(())
    }

    /// Drops the contents of anonymous pages (MADV_DONTNEED); file pages come back from the file.
    pub fn discard(&mut self, start: u64, len: u64) -> Result<(), Errno> {
        let len = page_up(len).ok_or(Errno::EINVAL)?;
        let end = start.checked_add(len).ok_or(Errno::EINVAL)?;
        if !start.is_multiple_of(PAGE) {
            return Err(Errno::EINVAL);
        }
        if !self.allows(start, len, Prot::empty()) {
            return Err(Errno::ENOMEM);
        }
        let parts: Vec<(u64, Area)> =
            self.areas.range(..end).rev().take_while(|(_, a)| a.end > start).map(|(s, a)| (*s, *a)).collect();
        for (at, area) in &parts {
            self.release_pages(area, start.max(*at), end.min(area.end));
        }
        self.flush_stale();
        for (at, area) in parts {
            if let Backing::Image(source, left) = area.backing {
                let from = at.max(start);
                self.map_image(
                    from,
                    area.end.min(end),
                    source + (from - at),
                    left.saturating_sub(from - at),
                    area.prot,
                )?;
            }
        }
        Ok(())
    }

    /// Moves or resizes a mapping (mremap).
    pub fn remap(&mut self, old: u64, old_len: u64, new_len: u64, may_move: bool) -> Result<u64, Errno> {
        let old_len = page_up(old_len).ok_or(Errno::EINVAL)?;
        let new_len = page_up(new_len).filter(|&l| l > 0).ok_or(Errno::EINVAL)?;
        if !old.is_multiple_of(PAGE) || old_len == 0 {
            return Err(Errno::EINVAL);
        }
        let old_end = old.checked_add(old_len).ok_or(Errno::EINVAL)?;
        match self.find(old) {
            Some((_, area)) if old_end <= area.end => {}
            _ => return Err(Errno::EFAULT),
        }
        self.check_area_count()?;
        if new_len <= old_len {
            self.remove(old + new_len, old_end);
            return Ok(old);
        }
        self.split(old);
        self.split(old_end);
        self.grow(old, old_end, new_len, may_move)
    }

    /// Makes an area larger, here or elsewhere. A buffer that grows is soon full, so one that was promised counts whole
    /// from then on.
    fn grow(&mut self, old: u64, old_end: u64, new_len: u64, may_move: bool) -> Result<u64, Errno> {
        let added = new_len - (old_end - old);
        let grow_end = old.checked_add(new_len).ok_or(Errno::ENOMEM)?;
        let target = if self.is_free(old_end, grow_end) {
            old
        } else if may_move {
            self.pick(new_len).ok_or(Errno::ENOMEM)?
        } else {
            return Err(Errno::ENOMEM);
        };
        let area = *self.areas.get(&old).ok_or(Errno::EFAULT)?;
        if area.charge == Charge::Promised {
            self.recharge(old, &area, Charge::Mapped)?;
        }
        let area = *self.areas.get(&old).ok_or(Errno::EFAULT)?;
        self.charge(area.charge, added)?;
        self.flush_stale();
        self.areas.remove(&old);
        self.areas.insert(target, Area { end: target + new_len, ..area });
        if target != old {
            let mut moved = Ok(());
            paging::for_each(old, old_end, |at, entry| {
                let bits = entry & (paging::WRITE | paging::NO_EXECUTE);
                moved = moved.and(paging::map(target + (at - old), paging::frame_of(entry), bits));
                Some(0)
            });
            self.stale_translations = true;
            moved.map_err(|_| Errno::ENOMEM)?;
        }
        Ok(target)
    }

    /// Sets where the heap of the program begins.
    pub fn set_brk_start(&mut self, address: u64) {
        self.brk_start = address.next_multiple_of(PAGE);
        self.brk = self.brk_start;
    }

    /// brk(2): moves the end of the heap, or leaves it and returns it as it is.
    pub fn set_brk(&mut self, wanted: u64) -> u64 {
        let (Some(old_end), Some(new_end)) = (page_up(self.brk), page_up(wanted)) else { return self.brk };
        if wanted < self.brk_start {
            return self.brk;
        }
        if new_end > old_end {
            if !self.is_free(old_end, new_end) || self.charge(Charge::Mapped, new_end - old_end).is_err() {
                return self.brk;
            }
            self.flush_stale();
            let joined = self
                .areas
                .range(..old_end)
                .next_back()
                .filter(|(s, a)| a.end == old_end && **s >= self.brk_start)
                .map(|(s, _)| *s);
            match joined.and_then(|s| self.areas.get_mut(&s)) {
                Some(area) => area.end = new_end,
                None => {
                    let prot = Prot::READ | Prot::WRITE;
                    self.areas.insert(
                        old_end,
                        Area { end: new_end, prot, backing: Backing::Anonymous, charge: Charge::Mapped },
                    );
                }
            }
        } else if new_end < old_end {
            self.remove(new_end, old_end);
        }
        self.brk = wanted;
        self.brk
    }

    /// Sets the most bytes of the program and the kernel heap that may count. Scratch bounds it in any case, less what
    /// page tables and the transport take.
    pub fn set_limit(&mut self, bytes: u64) {
        let scratch = arch::metadata(hyperlight_common::layout::SCRATCH_TOP_SIZE_OFFSET);
        self.account.set_limit(bytes.min(scratch.saturating_sub(SCRATCH_RESERVE + scratch / 128)));
    }
}

/// Bytes that count and are not of areas that count whole.
fn uncharged_bytes() -> u64 {
    arch::state().touched_pages.get() * PAGE + heap::bytes()
}

/// Adds to the pages that count since they were touched.
fn count_touched(pages: i64) {
    let touched = &arch::state().touched_pages;
    touched.set(touched.get().saturating_add_signed(pages));
}

/// Goes on with the count of touched pages that a snapshot carries, in a new VM.
pub fn resume_account() {
    arch::state().touched_pages.set(MM.peek(|mm| mm.touched_pages));
}

fn protection_bits(prot: Prot) -> u64 {
    let write = if prot.contains(Prot::WRITE) { paging::WRITE } else { 0 };
    let execute = if prot.contains(Prot::EXEC) { 0 } else { paging::NO_EXECUTE };
    write | execute | paging::USER
}

/// Whether an address is the kernel's own: its image or its heap.
pub fn is_kernel(address: u64) -> bool {
    KERNEL_HOLE.contains(&address)
}

/// Whether a program may read (or write) a range: the check behind every user pointer.
pub fn access_ok(address: u64, len: u64, write: bool) -> bool {
    MM.peek(|mm| mm.allows(address, len, if write { Prot::WRITE } else { Prot::READ }))
}

/// Makes the address space ready for a snapshot: drops pages that hold only zeroes, and keeps the count of the others.
pub fn prepare_checkpoint() {
    MM.with(|mm| {
        for (start, area) in &mm.areas {
            if !matches!(area.backing, Backing::Image(..)) && area.prot.contains(Prot::READ) {
                drop_zero_pages(*start, area);
            }
        }
        mm.touched_pages = arch::state().touched_pages.get();
    });
    arch::flush_tlb();
}

fn drop_zero_pages(start: u64, area: &Area) {
    paging::for_each(start, area.end, |at, entry| {
        let gpa = paging::frame_of(entry);
        if !is_scratch(gpa) || !arch::page_is_zero(at) {
            return None;
        }
        frames::free(gpa);
        if area.counts_pages() {
            count_touched(-1);
        }
        Some(0)
    });
}
