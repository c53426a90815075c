//! Lays a foreign ELF out anew: one segment with all of its own, and a stub in front of its entry point.
//!
//! The hypervisor's library runs a guest's start to its end before anybody can interrupt it, and loads what a file says.
//! So the library gets a file of our making: its start only says that it is done, and its calls enter the foreign code. A
//! guest that hangs from its first instruction on hangs in a call, which the watchdog ends.
//!
//! Guarantees: what was laid out has one segment, of the size that was checked, in the lower half of the address space,
//! clear of what the library maps there. Never: follows a number of the file before it was compared with a limit.
//!
//! Before: `raw_guest`. After: `vm`.

use goblin::container::{Container, Ctx, Endian};
use goblin::elf::Elf;
use goblin::elf::header::{EM_X86_64, ET_EXEC};
use goblin::elf::program_header::{PF_R, PF_W, PF_X, PT_DYNAMIC, PT_INTERP, PT_LOAD, ProgramHeader};

use crate::vm::Start;

const PAGE_BYTES: u64 = 4096;
/// The library puts code from here on in guest-physical memory, then a page for itself and the heap, and maps all where it is.
const LIBRARY_BASE: u64 = 0x4000;
const LIBRARY_PAGES: u64 = 16;
/// End of the lower half of the address space.
const ADDRESS_END: u64 = 1 << 47;
const ELF_HEADER_BYTES: u16 = 64;
const PROGRAM_HEADER_BYTES: u16 = 56;
/// Where the one segment begins in the file.
const DATA_OFFSET: usize = 4096;

/// Why an ELF cannot be a guest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "fields are named after the words of the message")]
pub enum ElfError {
    /// No ELF, or a cut one.
    #[error("it cannot be read as an ELF: {detail}")]
    Unreadable { detail: String },
    /// For another machine, or no executable.
    #[error("it is not a 64-bit executable for x86-64: type {kind}, machine {machine}")]
    OtherKind { kind: u16, machine: u16 },
    /// It wants a loader.
    #[error("it is not static, it has a {header}; link it with -static -no-pie")]
    NotStatic { header: &'static str },
    /// Nothing to load.
    #[error("it has no segment to load")]
    NoSegment,
    /// A segment that the file does not hold.
    #[error(
        "segment {index} has {file_bytes} bytes from {offset:#x} on, for {memory_bytes} bytes, in a file of {len_bytes}"
    )]
    SegmentOutside { index: usize, offset: u64, file_bytes: u64, memory_bytes: u64, len_bytes: usize },
    /// A segment where none can be.
    #[error(
        "segment {index} is at {address:#x} with {memory_bytes} bytes, which is not from {min:#x} to {max:#x}"
    )]
    Address { index: usize, address: u64, memory_bytes: u64, min: u64, max: u64 },
    /// Two segments in one place.
    #[error("two segments overlap at {address:#x}")]
    Overlap { address: u64 },
    /// From its first to its last byte it is too long.
    #[error("it spans {span_bytes} bytes, which exceeds {max_bytes}, the limit for memory")]
    TooLong { span_bytes: u64, max_bytes: u64 },
    /// It starts where it has no code.
    #[error("its entry point {entry:#x} is in no executable segment")]
    Entry { entry: u64 },
}

/// Checks an ELF and returns the one that takes its place. The stub does what `start` says.
///
/// # Errors
///
/// The first thing that makes it unfit.
pub(super) fn lay_out(bytes: &[u8], max_bytes: u64, start: &Start) -> Result<Vec<u8>, ElfError> {
    let unreadable = |error: goblin::error::Error| ElfError::Unreadable { detail: error.to_string() };
    let header = Elf::parse_header(bytes).map_err(unreadable)?;
    let is_64 =
        header.container().is_ok_and(Container::is_big) && header.endianness().is_ok_and(|e| e.is_little());
    if !is_64 || header.e_type != ET_EXEC || header.e_machine != EM_X86_64 {
        return Err(ElfError::OtherKind { kind: header.e_type, machine: header.e_machine });
    }
    let (offset, count) = (usize::try_from(header.e_phoff).unwrap_or(usize::MAX), header.e_phnum.into());
    let ctx = Ctx::new(Container::Big, Endian::Little);
    let headers = match offset.checked_add(usize::from(header.e_phnum) * ProgramHeader::size(ctx)) {
        Some(end) if end <= bytes.len() => {
            ProgramHeader::parse(bytes, offset, count, ctx).map_err(unreadable)?
        }
        _ => {
            return Err(ElfError::Unreadable {
                detail: format!("{count} program headers from {offset:#x} on"),
            });
        }
    };
    for (kind, header) in [(PT_INTERP, "PT_INTERP"), (PT_DYNAMIC, "PT_DYNAMIC")] {
        if headers.iter().any(|found| found.p_type == kind) {
            return Err(ElfError::NotStatic { header });
        }
    }
    let segments = segments(&headers, bytes)?;
    let (Some(first), Some(last)) = (segments.first(), segments.last()) else {
        return Err(ElfError::NoSegment);
    };
    let base = first.start - first.start % PAGE_BYTES;
    // Both ends were checked against the end of the address space.
    let stub = last.end.next_multiple_of(PAGE_BYTES);
    let span_bytes = stub - base;
    if span_bytes > max_bytes {
        return Err(ElfError::TooLong { span_bytes, max_bytes });
    }
    let min = LIBRARY_BASE + span_bytes + LIBRARY_PAGES * PAGE_BYTES;
    if base < min {
        let (index, address, memory_bytes) = (first.index, first.start, first.end - first.start);
        return Err(ElfError::Address { index, address, memory_bytes, min, max: ADDRESS_END });
    }
    let entry = header.e_entry;
    if !segments.iter().any(|one| one.is_executable && (one.start..one.end).contains(&entry)) {
        return Err(ElfError::Entry { entry });
    }
    let mut memory = vec![0; usize::try_from(span_bytes).unwrap_or_default()];
    for segment in &segments {
        let at = usize::try_from(segment.start - base).unwrap_or(usize::MAX);
        if let Some(place) = memory.get_mut(at..).and_then(|rest| rest.get_mut(..segment.data.len())) {
            place.copy_from_slice(segment.data);
        }
    }
    memory.extend(code_of_stub(stub, start, entry));
    Ok(file_of(&memory, base, stub))
}

struct Segment<'a> {
    index: usize,
    start: u64,
    end: u64,
    data: &'a [u8],
    is_executable: bool,
}

/// Returns the segments that are not empty, by address.
fn segments<'a>(headers: &[ProgramHeader], bytes: &'a [u8]) -> Result<Vec<Segment<'a>>, ElfError> {
    let mut segments = Vec::new();
    for (index, header) in headers.iter().enumerate() {
        let ProgramHeader { p_offset, p_filesz, p_memsz, p_vaddr, .. } = *header;
        if header.p_type != PT_LOAD || p_memsz == 0 {
            continue;
        }
        let data = usize::try_from(p_offset)
            .ok()
            .and_then(|from| bytes.get(from..))
            .and_then(|rest| rest.get(..usize::try_from(p_filesz).ok()?));
        let (Some(data), true) = (data, p_filesz <= p_memsz) else {
            let (offset, file_bytes, memory_bytes) = (p_offset, p_filesz, p_memsz);
            return Err(ElfError::SegmentOutside {
                index,
                offset,
                file_bytes,
                memory_bytes,
                len_bytes: bytes.len(),
            });
        };
        let end = p_vaddr.checked_add(p_memsz).filter(|end| *end <= ADDRESS_END - PAGE_BYTES);
        let Some(end) = end else {
            let (address, memory_bytes) = (p_vaddr, p_memsz);
            return Err(ElfError::Address {
                index,
                address,
                memory_bytes,
                min: LIBRARY_BASE,
                max: ADDRESS_END,
            });
        };
        let is_executable = header.p_flags & PF_X != 0;
        segments.push(Segment { index, start: p_vaddr, end, data, is_executable });
    }
    segments.sort_by_key(|segment| segment.start);
    let overlap = segments.iter().zip(segments.iter().skip(1)).find(|(one, two)| two.start < one.end);
    match overlap {
        Some((_, two)) => Err(ElfError::Overlap { address: two.start }),
        None => Ok(segments),
    }
}

/// Assembles the stub for address `at`.
///
/// The start keeps its four arguments on the stack, writes what the library waits for, and halts with the address of the
/// second half, where calls then begin, on the same stack. Those get the arguments of the start.
fn code_of_stub(at: u64, start: &Start, entry: u64) -> Vec<u8> {
    const START_BYTES: u8 = 62;
    const CALL_BYTES: u8 = 36;
    /// From behind the instruction that finds the descriptors to where they are.
    const TO_DESCRIPTORS: u8 = START_BYTES + CALL_BYTES - 25;
    let call = at + u64::from(START_BYTES);
    let len_bytes = u32::try_from(start.descriptors.len()).unwrap_or_default();
    let parts: &[&[u8]] = &[
        &[0x51, 0x52, 0x56, 0x57], // push rcx; push rdx; push rsi; push rdi
        &[0x48, 0x83, 0xec, 0x08], // sub rsp, 8: the library wants a multiple of 16
        &[0x48, 0xbf],
        &start.ring.to_le_bytes(),                    // mov rdi, ring
        &[0x48, 0x8d, 0x35, TO_DESCRIPTORS, 0, 0, 0], // lea rsi, [rip + descriptors]
        &[0xb9],
        &len_bytes.to_le_bytes(), // mov ecx, bytes of the descriptors
        &[0xf3, 0xa4],            // rep movsb
        &[0x48, 0xb8],
        &start.mailbox.to_le_bytes(),    // mov rax, mailbox
        &[0x48, 0xc7, 0x00, 1, 0, 0, 0], // mov qword ptr [rax], 1
        &[0x48, 0xb8],
        &call.to_le_bytes(), // mov rax, call
        &[0xe6, 108],        // out 108, al: the library's halt
        &[0xf4],             // hlt
        // call:
        &[0x48, 0x8b, 0x7c, 0x24, 0x08], // mov rdi, [rsp + 8]
        &[0x48, 0x8b, 0x74, 0x24, 0x10], // mov rsi, [rsp + 16]
        &[0x48, 0x8b, 0x54, 0x24, 0x18], // mov rdx, [rsp + 24]
        &[0x48, 0x8b, 0x4c, 0x24, 0x20], // mov rcx, [rsp + 32]
        &[0x48, 0x83, 0xec, 0x08],       // sub rsp, 8: as behind a call
        &[0x48, 0xb8],
        &entry.to_le_bytes(), // mov rax, entry
        &[0xff, 0xe0],        // jmp rax
        &start.descriptors,
    ];
    parts.concat()
}

/// Writes an ELF of one segment that is all of `memory`, from `base` on.
fn file_of(memory: &[u8], base: u64, entry: u64) -> Vec<u8> {
    let len_bytes = u64::try_from(memory.len()).unwrap_or(u64::MAX);
    let mut file = Vec::with_capacity(memory.len() + DATA_OFFSET);
    file.extend(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0");
    file.extend([ET_EXEC, EM_X86_64].map(u16::to_le_bytes).concat());
    file.extend(1_u32.to_le_bytes());
    file.extend([entry, u64::from(ELF_HEADER_BYTES), 0].map(u64::to_le_bytes).concat());
    file.extend(0_u32.to_le_bytes());
    file.extend([ELF_HEADER_BYTES, PROGRAM_HEADER_BYTES, 1, 64, 0, 0].map(u16::to_le_bytes).concat());
    file.extend([PT_LOAD, PF_R | PF_W | PF_X].map(u32::to_le_bytes).concat());
    file.extend([PAGE_BYTES, base, base, len_bytes, len_bytes, PAGE_BYTES].map(u64::to_le_bytes).concat());
    file.resize(DATA_OFFSET, 0);
    file.extend(memory);
    file
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stub_has_its_second_half_and_its_descriptors_where_it_says() {
        let start = Start { ring: 1, descriptors: b"descriptors".to_vec(), mailbox: 2 };
        let code = code_of_stub(0x1000, &start, 0x4242);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert_eq!(text(&code[98..]), "descriptors");
        // The address that the start halts with is that of the first instruction behind its `hlt`.
        assert_eq!(code[61], 0xf4);
        assert_eq!(code[51..59], (0x1000_u64 + 62).to_le_bytes());
        // `lea` ends at 25.
        assert_eq!(25 + usize::from(code[21]), 98);
    }
}
