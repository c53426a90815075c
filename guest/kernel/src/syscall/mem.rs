//! Memory: brk, mmap and their relatives.
//!
//! Guarantees: a call that asks for more than is left of the memory limit of the run answers ENOMEM, so that Python raises
//! MemoryError.
//! A shared writable mapping of a file in memory or of the host is a copy; msync, munmap and the end of the run write the
//! pages back that changed. With one process nobody in the guest sees the difference in between, other than by reading the
//! file.
//!
//! Before: table. After: mm, vfs.

use alloc::vec;
use alloc::vec::Vec;

use linux_raw_sys::general as linux;

use crate::arch::PAGE;
use crate::cell::KernelCell;
use crate::errno::{Args, Errno, SysResult};
use crate::mm::{Backing, MM, Prot};
use crate::user;
use crate::vfs::{self, FileRef, MapSource};

/// Bytes that a mapping is filled with at a time.
const BUFFER_BYTES: usize = 64 * 1024;

struct SharedMapping {
    start: u64,
    len: u64,
    file: FileRef,
    offset: u64,
    /// A sum of each page as the file has it, to tell which ones the program changed.
    sums: Vec<u64>,
}

static SHARED: KernelCell<Vec<SharedMapping>> = KernelCell::new(Vec::new());

fn prot_of(bits: u64) -> Prot {
    let mut prot = Prot::empty();
    prot.set(Prot::READ, bits & u64::from(linux::PROT_READ | linux::PROT_WRITE | linux::PROT_EXEC) != 0);
    prot.set(Prot::WRITE, bits & u64::from(linux::PROT_WRITE) != 0);
    prot.set(Prot::EXEC, bits & u64::from(linux::PROT_EXEC) != 0);
    prot
}

/// brk(2).
pub fn sys_brk(args: &Args) -> SysResult {
    Ok(MM.with(|mm| mm.set_brk(args.0[0])))
}

/// mmap(2).
pub fn sys_mmap(args: &Args) -> SysResult {
    let [hint, len, prot, flags, fd, offset] = args.0;
    let flags = flags as u32;
    if len == 0 || offset % PAGE != 0 {
        return Err(Errno::EINVAL);
    }
    let fixed = flags & linux::MAP_FIXED != 0;
    if fixed && hint % PAGE != 0 {
        return Err(Errno::EINVAL);
    }
    if flags & linux::MAP_FIXED_NOREPLACE != 0 && !MM.with(|mm| mm.is_unused(hint, len)) {
        return Err(Errno::EEXIST);
    }
    let fixed = fixed || flags & linux::MAP_FIXED_NOREPLACE != 0;
    let protection = prot_of(prot);
    let reserved = flags & linux::MAP_NORESERVE == 0;
    if flags & linux::MAP_ANONYMOUS != 0 {
        let backing = if flags & linux::MAP_STACK != 0 { Backing::Stack } else { Backing::Anonymous };
        return MM.with(|mm| mm.map(hint, len, fixed, protection, backing, reserved));
    }
    let shared =
        flags & linux::MAP_TYPE == linux::MAP_SHARED || flags & linux::MAP_TYPE == linux::MAP_SHARED_VALIDATE;
    match vfs::map_source(fd as i32, shared && protection.contains(Prot::WRITE))? {
        MapSource::Image(contents) => {
            let backing = match contents.get(offset as usize..) {
                Some(rest) if !rest.is_empty() => Backing::Image(rest.as_ptr() as u64, rest.len() as u64),
                _ => Backing::Image(0, 0),
            };
            MM.with(|mm| mm.map(hint, len, fixed, protection, backing, true))
        }
        MapSource::Memory(file) => map_memory_file(hint, len, fixed, protection, shared, file, offset),
    }
}

fn map_memory_file(
    hint: u64,
    len: u64,
    fixed: bool,
    prot: Prot,
    shared: bool,
    file: FileRef,
    offset: u64,
) -> SysResult {
    let filling = Prot::READ | Prot::WRITE;
    let start = MM.with(|mm| mm.map(hint, len, fixed, filling, Backing::Anonymous, true))?;
    let is_written_back = shared && prot.contains(Prot::WRITE);
    let mut sums = Vec::new();
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut done = 0;
    while done < len {
        let want = buffer.len().min((len - done) as usize);
        let n = file.pread(offset + done, &mut buffer[..want]);
        if n == 0 {
            break;
        }
        user::write_bytes(start + done, &buffer[..n])?;
        if is_written_back {
            buffer[n..].fill(0);
            sums.extend(buffer[..n.next_multiple_of(PAGE as usize)].chunks(PAGE as usize).map(sum));
        }
        done += n as u64;
    }
    if prot != filling {
        MM.with(|mm| mm.protect(start, len, prot))?;
    }
    if is_written_back {
        SHARED.with(|list| list.push(SharedMapping { start, len, file, offset, sums }));
    }
    Ok(start)
}

/// A sum of a page that changes with it.
fn sum(page: &[u8]) -> u64 {
    page.chunks_exact(8).fold(0xcbf2_9ce4_8422_2325, |sum: u64, word| {
        let word = u64::from_le_bytes(word.try_into().unwrap_or_default());
        (sum ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29)
    })
}

impl SharedMapping {
    /// Writes the pages that changed since the last time to the file.
    fn write_back(&mut self, buffer: &mut [u8]) {
        let size = self.file.size().saturating_sub(self.offset).min(self.len);
        let mut done = 0;
        while done < size {
            let n = PAGE.min(size - done) as usize;
            buffer[n..].fill(0);
            if user::read_bytes(self.start + done, &mut buffer[..n]).is_err() {
                break;
            }
            let now = sum(buffer);
            let page = (done / PAGE) as usize;
            if page >= self.sums.len() {
                // The file has grown since it was mapped: what the mapping shows there was zeroes.
                self.sums.resize(page + 1, sum(&[0; PAGE as usize]));
            }
            if self.sums[page] != now {
                self.file.pwrite(self.offset + done, &buffer[..n]);
                self.sums[page] = now;
            }
            done += n as u64;
        }
    }
}

/// Writes shared mappings that overlap a range back to their files; forgets those that `drop` unmaps.
fn write_back(start: u64, len: u64, drop: bool) {
    let end = start.saturating_add(len);
    // The list is not borrowed while files are written: that may ask the host.
    let mut list = SHARED.with(core::mem::take);
    let mut buffer = vec![0; PAGE as usize];
    for mapping in list.iter_mut().filter(|m| m.start < end && start < m.start + m.len) {
        mapping.write_back(&mut buffer);
    }
    if drop {
        list.retain(|m| !(start <= m.start && m.start + m.len <= end));
    }
    SHARED.with(|now| *now = list);
}

/// Writes all shared mappings back to their files.
pub fn write_back_all() {
    if !SHARED.with(|list| list.is_empty()) {
        write_back(0, u64::MAX, false);
    }
}

/// munmap(2).
pub fn sys_munmap(args: &Args) -> SysResult {
    let [start, len, ..] = args.0;
    if !SHARED.with(|list| list.is_empty()) {
        write_back(start, len, true);
    }
    MM.with(|mm| mm.unmap(start, len)).map(|()| 0)
}

/// mprotect(2).
pub fn sys_mprotect(args: &Args) -> SysResult {
    MM.with(|mm| mm.protect(args.0[0], args.0[1], prot_of(args.0[2]))).map(|()| 0)
}

/// mremap(2).
pub fn sys_mremap(args: &Args) -> SysResult {
    let [old, old_len, new_len, flags, ..] = args.0;
    if flags & !u64::from(linux::MREMAP_MAYMOVE) != 0 {
        return Err(Errno::EINVAL);
    }
    MM.with(|mm| mm.remap(old, old_len, new_len, flags & u64::from(linux::MREMAP_MAYMOVE) != 0))
}

/// madvise(2): MADV_DONTNEED and MADV_FREE drop contents, the rest is advice.
pub fn sys_madvise(args: &Args) -> SysResult {
    let [start, len, advice, ..] = args.0;
    match advice as u32 {
        linux::MADV_DONTNEED => MM.with(|mm| mm.discard(start, len)).map(|()| 0),
        linux::MADV_NORMAL
        | linux::MADV_RANDOM
        | linux::MADV_SEQUENTIAL
        | linux::MADV_WILLNEED
        | linux::MADV_FREE
        | linux::MADV_HUGEPAGE
        | linux::MADV_NOHUGEPAGE
        | linux::MADV_DONTFORK
        | linux::MADV_DOFORK
        | linux::MADV_DONTDUMP
        | linux::MADV_DODUMP
        | linux::MADV_COLD
        | linux::MADV_PAGEOUT
        | linux::MADV_POPULATE_READ
        | linux::MADV_POPULATE_WRITE => Ok(0),
        _ => Err(Errno::EINVAL),
    }
}

/// msync(2).
pub fn sys_msync(args: &Args) -> SysResult {
    let [start, len, ..] = args.0;
    if start % PAGE != 0 {
        return Err(Errno::EINVAL);
    }
    write_back(start, len, false);
    Ok(0)
}

/// mincore(2): everything that is mapped is resident.
pub fn sys_mincore(args: &Args) -> SysResult {
    let [start, len, vector, ..] = args.0;
    if start % PAGE != 0 {
        return Err(Errno::EINVAL);
    }
    if !MM.with(|mm| mm.allows(start, len, Prot::empty())) {
        return Err(Errno::ENOMEM);
    }
    user::write_bytes(vector, &vec![1; len.div_ceil(PAGE).min(1 << 20) as usize]).map(|()| 0)
}

/// mlock(2), munlock(2), mlockall(2), munlockall(2), mlock2(2): memory is never paged out.
pub fn sys_mlock(_: &Args) -> SysResult {
    Ok(0)
}

/// mbind(2), set_mempolicy(2): one node.
pub fn sys_mbind(_: &Args) -> SysResult {
    Ok(0)
}
