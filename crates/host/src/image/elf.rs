//! Reads from an ELF file what the dynamic loader would read: loader, needed libraries, search paths.
//!
//! Guarantees: a file that is accepted is a 64-bit little-endian x86-64 executable or shared object.
//! Never: looks at anything but headers and the dynamic section.
//!
//! Before: `discover`, `libraries`. After: goblin.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use goblin::elf::Elf;
use goblin::elf::header::{ELFMAG, EM_X86_64, ET_DYN, ET_EXEC, SELFMAG};
use goblin::elf::program_header::PT_NULL;

use super::error::ImageError;

/// The part of an ELF file that decides what else has to be loaded.
#[derive(Clone, Debug)]
pub(crate) struct ElfFile {
    pub(crate) path: PathBuf,
    /// PT_INTERP, for executables.
    pub(crate) loader: Option<String>,
    pub(crate) needed: Vec<String>,
    /// DT_RPATH, split; empty where there is a DT_RUNPATH, which switches it off.
    pub(crate) rpath: Vec<String>,
    pub(crate) runpath: Vec<String>,
}

impl ElfFile {
    /// Reads the file.
    ///
    /// # Errors
    ///
    /// [`ImageError::Read`], or [`ImageError::Elf`] for anything but an x86-64 executable or shared object.
    pub(crate) fn read(path: &Path) -> Result<ElfFile, ImageError> {
        let refuse = |detail: String| ImageError::Elf { path: path.to_path_buf(), detail };
        let bytes = fs::read(path).map_err(ImageError::read(path))?;
        let elf = Elf::parse(&bytes).map_err(|error| refuse(error.to_string()))?;
        let header = elf.header;
        if !elf.is_64 || !elf.little_endian || header.e_machine != EM_X86_64 {
            let bits = if elf.is_64 { 64 } else { 32 };
            return Err(refuse(format!("it is a {bits}-bit file for machine number {}", header.e_machine)));
        }
        if header.e_type != ET_DYN && header.e_type != ET_EXEC {
            return Err(refuse(format!(
                "its type is {}, neither executable nor shared object",
                header.e_type
            )));
        }
        let runpath = split(&elf.runpaths);
        let rpath = if runpath.is_empty() { split(&elf.rpaths) } else { Vec::new() };
        Ok(ElfFile {
            path: path.to_path_buf(),
            loader: elf.interpreter.map(str::to_owned),
            needed: elf.libraries.iter().map(|name| (*name).to_owned()).collect(),
            rpath,
            runpath,
        })
    }

    /// Cuts off what follows the last segment (debug sections, symbol tables, section headers).
    ///
    /// The dynamic loader reads segments only, so the file loads as before; unstripped interpreters lose three
    /// quarters of their size. Bytes that are not an ELF file stay as they are.
    pub(crate) fn keep_loadable_part(bytes: &mut Vec<u8>) {
        const SECTION_TABLE: std::ops::Range<usize> = 0x28..0x30; // e_shoff
        const SECTION_COUNTS: std::ops::Range<usize> = 0x3c..0x40; // e_shnum, e_shstrndx
        let end = match Elf::parse(bytes) {
            Ok(elf) if elf.is_64 && !elf.program_headers.is_empty() => {
                elf.program_headers
                    .iter()
                    .filter(|header| header.p_type != PT_NULL)
                    .map(|header| header.p_offset.saturating_add(header.p_filesz))
                    .chain([elf.header.e_phoff
                        + u64::from(elf.header.e_phnum) * u64::from(elf.header.e_phentsize)])
                    .max()
            }
            _ => None,
        };
        let Some(end) = end.and_then(|end| usize::try_from(end).ok()) else { return };
        if end < SECTION_COUNTS.end || end >= bytes.len() {
            return;
        }
        bytes.truncate(end);
        bytes[SECTION_TABLE].fill(0);
        bytes[SECTION_COUNTS].fill(0);
    }
}

/// Returns whether a file starts as an ELF file does.
pub(crate) fn is_elf(path: &Path) -> bool {
    let mut start = [0; SELFMAG];
    fs::File::open(path).and_then(|mut file| file.read_exact(&mut start)).is_ok() && start == *ELFMAG
}

fn split(lists: &[&str]) -> Vec<String> {
    lists.iter().flat_map(|list| list.split(':')).filter(|dir| !dir.is_empty()).map(str::to_owned).collect()
}
