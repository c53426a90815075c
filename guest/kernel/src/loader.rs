//! Starting a program: ELF segments, the dynamic loader, stack and auxiliary vector.
//!
//! Before: channel (the Boot frame). After: the program's first instruction.

use alloc::vec::Vec;

use elf::ElfBytes;
use elf::abi::{EM_X86_64, ET_DYN, PF_R, PF_W, PF_X, PT_INTERP, PT_LOAD, PT_PHDR};
use elf::endian::LittleEndian;
use elf::segment::ProgramHeader;
use linux_raw_sys::auxvec;

use crate::arch::{self, FpuArea, PAGE};
use crate::errno::Errno;
use crate::mm::{Backing, MM, Prot, STACK_BYTES, STACK_TOP};
use crate::traps::Regs;
use crate::{channel, task, thread, user, vfs};

/// Where a position-independent program goes, and the dynamic loader, which is smaller than the room it has.
const PROGRAM_BASE: u64 = STACK_TOP;
const LOADER_BASE: u64 = STACK_TOP - STACK_BYTES - 0x20_0000;
/// Below the stack, so that one that overflows faults: what Linux keeps free there (stack_guard_gap).
const STACK_GUARD_BYTES: u64 = 1 << 20;
const PROGRAM_HEADER_BYTES: u64 = 56;

struct Loaded {
    base: u64,
    entry: u64,
    headers_at: u64,
    header_count: u64,
    end: u64,
    interpreter: Option<Vec<u8>>,
}

/// Loads `argv[0]` and runs it; a file that cannot be loaded ends the VM with a report.
pub fn start(argv: &[&str], env: &[&str]) -> ! {
    vfs::set_program(argv, env);
    match load_all(argv, env) {
        Ok((entry, stack)) => {
            thread::start_first();
            let regs = Regs { rip: entry, rsp: stack, cs: 0x33, ss: 0x2b, rflags: 0x2, ..Regs::default() };
            arch::resume(&regs, &FpuArea::initial())
        }
        Err(errno) => {
            let name = argv.first().copied().unwrap_or("");
            channel::exited(127, 0, &alloc::format!("cannot start {name}: error {}", errno.0))
        }
    }
}

fn load_all(argv: &[&str], env: &[&str]) -> Result<(u64, u64), Errno> {
    let path = argv.first().ok_or(Errno::ENOENT)?;
    let program = load(path.as_bytes(), PROGRAM_BASE)?;
    MM.with(|mm| mm.set_brk_start(program.end));
    let (entry, loader_base) = match &program.interpreter {
        Some(path) => {
            let loader = load(path, LOADER_BASE)?;
            (loader.entry, loader.base)
        }
        None => (program.entry, 0),
    };
    let (rw, guard) = (Prot::READ | Prot::WRITE, STACK_TOP - STACK_BYTES - STACK_GUARD_BYTES);
    MM.with(|mm| mm.map(guard, STACK_GUARD_BYTES, true, Prot::empty(), Backing::Anonymous, false))?;
    MM.with(|mm| mm.map(STACK_TOP - STACK_BYTES, STACK_BYTES, true, rw, Backing::Stack, true))?;
    let stack = build_stack(argv, env, &program, loader_base)?;
    Ok((entry, stack))
}

fn load(path: &[u8], base: u64) -> Result<Loaded, Errno> {
    let file = vfs::image_file(path)?;
    let parsed = ElfBytes::<LittleEndian>::minimal_parse(file).map_err(|_| Errno::ENOEXEC)?;
    let header = &parsed.ehdr;
    if header.e_machine != EM_X86_64 {
        return Err(Errno::ENOEXEC);
    }
    let headers = parsed.segments().ok_or(Errno::ENOEXEC)?;
    let base = if header.e_type == ET_DYN { base } else { 0 };
    let mut loaded = Loaded {
        base,
        entry: base + header.e_entry,
        headers_at: 0,
        header_count: u64::from(header.e_phnum),
        end: 0,
        interpreter: None,
    };
    for h in headers.iter() {
        match h.p_type {
            PT_LOAD => {
                map_segment(file, &h, base)?;
                loaded.end = loaded.end.max(base + h.p_vaddr + h.p_memsz);
                if h.p_offset <= header.e_phoff
                    && header.e_phoff < h.p_offset + h.p_filesz
                    && loaded.headers_at == 0
                {
                    loaded.headers_at = base + h.p_vaddr + (header.e_phoff - h.p_offset);
                }
            }
            PT_PHDR => loaded.headers_at = base + h.p_vaddr,
            PT_INTERP => {
                let (from, len) = (h.p_offset as usize, h.p_filesz as usize);
                let name = from.checked_add(len).and_then(|end| file.get(from..end)).ok_or(Errno::ENOEXEC)?;
                loaded.interpreter = Some(name.iter().copied().take_while(|&b| b != 0).collect());
            }
            _ => {}
        }
    }
    Ok(loaded)
}

fn map_segment(file: &'static [u8], h: &ProgramHeader, base: u64) -> Result<(), Errno> {
    let mut prot = Prot::empty();
    prot.set(Prot::READ, h.p_flags & PF_R != 0);
    prot.set(Prot::WRITE, h.p_flags & PF_W != 0);
    prot.set(Prot::EXEC, h.p_flags & PF_X != 0);
    let start = base + h.p_vaddr;
    let page_start = start & !(PAGE - 1);
    let before = start - page_start;
    if h.p_offset % PAGE != before
        || h.p_offset.checked_add(h.p_filesz).is_none_or(|end| end > file.len() as u64)
    {
        return Err(Errno::ENOEXEC);
    }
    let file_end = start + h.p_filesz;
    let memory_end = (start + h.p_memsz).next_multiple_of(PAGE);
    let file_page_end = file_end.next_multiple_of(PAGE);
    if h.p_filesz > 0 {
        let from = file.as_ptr() as u64 + h.p_offset - before;
        let left = file.as_ptr() as u64 + file.len() as u64 - from;
        let backing = Backing::Image(from, left);
        MM.with(|mm| mm.map(page_start, file_page_end - page_start, true, prot, backing, true))?;
        if prot.contains(Prot::WRITE) && file_end < file_page_end {
            user::write_bytes(file_end, &alloc::vec![0; (file_page_end - file_end) as usize])?;
        }
    }
    let zero_start = if h.p_filesz > 0 { file_page_end } else { page_start };
    if memory_end > zero_start {
        MM.with(|mm| mm.map(zero_start, memory_end - zero_start, true, prot, Backing::Anonymous, true))?;
    }
    Ok(())
}

fn build_stack(argv: &[&str], env: &[&str], program: &Loaded, loader_base: u64) -> Result<u64, Errno> {
    let mut strings = STACK_TOP - 64;
    let mut push = |bytes: &[u8]| -> Result<u64, Errno> {
        strings -= bytes.len() as u64 + 1;
        user::write_bytes(strings, bytes)?;
        Ok(strings)
    };
    let mut random = [0; 16];
    channel::random(&mut random)?;
    let random_at = push(&random)?;
    let platform_at = push(b"x86_64")?;
    let name_at = push(argv[0].as_bytes())?;
    let args = argv.iter().map(|a| push(a.as_bytes())).collect::<Result<Vec<_>, _>>()?;
    let vars = env.iter().map(|a| push(a.as_bytes())).collect::<Result<Vec<_>, _>>()?;
    let aux = [
        (auxvec::AT_PHDR, program.headers_at),
        (auxvec::AT_PHENT, PROGRAM_HEADER_BYTES),
        (auxvec::AT_PHNUM, program.header_count),
        (auxvec::AT_PAGESZ, PAGE),
        (auxvec::AT_BASE, loader_base),
        (auxvec::AT_FLAGS, 0),
        (auxvec::AT_ENTRY, program.entry),
        (auxvec::AT_UID, 0),
        (auxvec::AT_EUID, 0),
        (auxvec::AT_GID, 0),
        (auxvec::AT_EGID, 0),
        (auxvec::AT_SECURE, 0),
        (auxvec::AT_RANDOM, random_at),
        (auxvec::AT_HWCAP, u64::from(arch::cpuid(1, 0).3)),
        (auxvec::AT_HWCAP2, 2), // FSGSBASE may be used by programs
        (auxvec::AT_CLKTCK, 100),
        (auxvec::AT_PLATFORM, platform_at),
        (auxvec::AT_EXECFN, name_at),
        (auxvec::AT_MINSIGSTKSZ, task::MIN_SIGNAL_STACK),
        (auxvec::AT_NULL, 0),
    ];
    let mut words = Vec::new();
    words.push(args.len() as u64);
    words.extend(&args);
    words.push(0);
    words.extend(&vars);
    words.push(0);
    for (key, value) in aux {
        words.extend([u64::from(key), value]);
    }
    let bytes: Vec<u8> = words.iter().flat_map(|w| w.to_le_bytes()).collect();
    let at = (strings - bytes.len() as u64) & !15;
    user::write_bytes(at, &bytes)?;
    Ok(at)
}
