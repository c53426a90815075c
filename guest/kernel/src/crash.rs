//! What is told of a program that a signal ends: registers, what they point to, the stack, the mappings.
//!
//! Guarantees: a report is bounded, whatever the program mapped, and far below the limit of the frame that carries it.
//! Never: trusts a pointer; all of this is read as the program's own memory is.
//!
//! Before: task. After: mm, vfs (names of mapped files), channel.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write;

use crate::mm::{self, Mapping};
use crate::traps::Regs;
use crate::{arch, thread, user, vfs};

/// Bytes of a report from which on no more mappings are listed: about 700 of them.
const MAX_BYTES: usize = 48 * 1024;
/// Words of the stack in a report, and in a line of it.
const STACK_WORDS: u64 = 32;
const WORDS_IN_LINE: u64 = 4;
const WORD: u64 = 8;

/// Writes all there is to say, below a first line. `address` is what the fault touched, if it was one.
pub fn report(first_line: &str, regs: &Regs, address: Option<u64>) -> String {
    let map = Map::new();
    let mut text = String::from(first_line);
    // Writing to a String fails only where memory is out, which aborts by itself.
    let _ = write!(text, "\nthread {} of {}", thread::current_tid(), thread::count());
    write_registers(&mut text, regs);
    if let Some(address) = address {
        map.write_place(&mut text, "address", address);
    }
    map.write_place(&mut text, "rip", regs.rip);
    map.write_place(&mut text, "rsp", regs.rsp);
    write_stack(&mut text, regs.rsp);
    map.write_all(&mut text);
    text
}

fn write_registers(text: &mut String, regs: &Regs) {
    let rows = [
        [("rip", regs.rip), ("rsp", regs.rsp), ("rbp", regs.rbp), ("rflags", regs.rflags)],
        [("rax", regs.rax), ("rbx", regs.rbx), ("rcx", regs.rcx), ("rdx", regs.rdx)],
        [("rsi", regs.rsi), ("rdi", regs.rdi), ("r8", regs.r8), ("r9", regs.r9)],
        [("r10", regs.r10), ("r11", regs.r11), ("r12", regs.r12), ("r13", regs.r13)],
        [("r14", regs.r14), ("r15", regs.r15), ("fs", arch::fs_base()), ("cs", regs.cs)],
    ];
    for row in rows {
        let _ = writeln!(text);
        for (name, value) in row {
            let _ = write!(text, "{name:<6} {value:#018x}  ");
        }
        text.truncate(text.trim_end().len());
    }
}

fn write_stack(text: &mut String, rsp: u64) {
    let _ = write!(text, "\nstack:");
    for i in 0..STACK_WORDS {
        let at = rsp.wrapping_add(i * WORD);
        let mut word = [0; 8];
        if user::read_bytes(at, &mut word).is_err() {
            return;
        }
        if i % WORDS_IN_LINE == 0 {
            let _ = write!(text, "\n  {at:012x}:");
        }
        let _ = write!(text, " {:016x}", u64::from_le_bytes(word));
    }
}

/// The address space, with the files that are mapped.
struct Map(Vec<(Mapping, Option<vfs::ImagePlace>)>);

impl Map {
    fn new() -> Self {
        let mappings = mm::mappings();
        let shown: Vec<Option<u64>> = mappings.iter().map(|mapping| mapping.image).collect();
        let files = vfs::files_at(&shown);
        Self(mappings.into_iter().zip(files).collect())
    }

    fn write_place(&self, text: &mut String, what: &str, address: u64) {
        let _ = write!(text, "\n{what} in ");
        match self.0.iter().find(|(mapping, _)| (mapping.start..mapping.end).contains(&address)) {
            Some((mapping, file)) => write_mapping(text, mapping, *file, address - mapping.start),
            None if mm::is_kernel(address) => text.push_str("the kernel"),
            None => text.push_str("no mapping"),
        }
    }

    fn write_all(&self, text: &mut String) {
        let _ = write!(text, "\nmappings:");
        for (i, (mapping, file)) in self.0.iter().enumerate() {
            if text.len() > MAX_BYTES {
                let _ = write!(text, "\n  and {} more", self.0.len() - i);
                return;
            }
            let _ = write!(text, "\n  ");
            write_mapping(text, mapping, *file, 0);
        }
    }
}

/// Writes a mapping and what it shows so many bytes from its start.
fn write_mapping(text: &mut String, mapping: &Mapping, file: Option<vfs::ImagePlace>, offset: u64) {
    let _ = write!(text, "{mapping}");
    if let Some((name, start)) = file {
        let _ = write!(text, " {}+{:#x}", String::from_utf8_lossy(name), start + offset);
    } else if !mapping.name.is_empty() {
        let _ = write!(text, " {}", mapping.name);
    }
}
