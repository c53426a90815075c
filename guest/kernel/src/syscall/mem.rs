//! Memory: brk, mmap and their relatives.
//!
//! Guarantees: a call that would pass the memory limit of the run answers ENOMEM, so that Python raises MemoryError.
//! A shared writable mapping of a file in /tmp is a private copy that msync and munmap write back: with one process
//! nobody can see the difference in between, other than by reading the file.
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

struct SharedMapping {
    start: u64,
    len: u64,
    file: FileRef,
    offset: u64,
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
    let counted = flags & linux::MAP_NORESERVE == 0;
    if flags & linux::MAP_ANONYMOUS != 0 {
        return MM.with(|mm| mm.map(hint, len, fixed, protection, Backing::Anonymous, counted));
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
    let mut buffer = vec![0; 64 * 1024];
    let mut done = 0;
    while done < len {
        let want = buffer.len().min((len - done) as usize);
        let n = file.pread(offset + done, &mut buffer[..want]);
        if n == 0 {
            break;
        }
        user::write_bytes(start + done, &buffer[..n])?;
        done += n as u64;
    }
    if prot != filling {
        MM.with(|mm| mm.protect(start, len, prot))?;
    }
    if shared && prot.contains(Prot::WRITE) {
        SHARED.with(|list| list.push(SharedMapping { start, len, file, offset }));
    }
    Ok(start)
}

/// Writes shared mappings that overlap a range back to their files; forgets those that `drop` unmaps.
fn write_back(start: u64, len: u64, drop: bool) {
    let end = start.saturating_add(len);
    let overlapping: Vec<(u64, u64, FileRef, u64)> = SHARED.with(|list| {
        let found = list.iter().filter(|m| m.start < end && start < m.start + m.len);
        let found = found.map(|m| (m.start, m.len, m.file.clone(), m.offset)).collect();
        if drop {
            list.retain(|m| !(start <= m.start && m.start + m.len <= end));
        }
        found
    });
    let mut buffer = vec![0; 64 * 1024];
    for (at, len, file, offset) in overlapping {
        let size = file.size().saturating_sub(offset).min(len);
        let mut done = 0;
        while done < size {
            let n = buffer.len().min((size - done) as usize);
            if user::read_bytes(at + done, &mut buffer[..n]).is_err() {
                break;
            }
            file.pwrite(offset + done, &buffer[..n]);
            done += n as u64;
        }
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
    write_back(args.0[0], args.0[1], false);
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
