//! Writes the files of an image archive into a directory, to look at them or to try them with `chroot`.
//!
//! `cargo run --example unpack -- IMAGE DIRECTORY`

#![expect(clippy::print_stdout, reason = "a command tells what it did")]

use std::error::Error;
use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use hypercell_abi::archive::{Archive, EntryId, EntryKind, ROOT};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [image, directory] = arguments.as_slice() else {
        return Err("usage: unpack IMAGE DIRECTORY".into());
    };
    let bytes = fs::read(image)?;
    let archive = Archive::parse(&bytes)?;
    archive.check()?;
    unpack(&archive, ROOT, Path::new(directory))?;
    println!("{} entries in {} bytes", archive.entry_count(), bytes.len());
    Ok(())
}

fn unpack(archive: &Archive<'_>, dir: EntryId, to: &Path) -> Result<(), Box<dyn Error>> {
    fs::create_dir_all(to)?;
    for child in archive.children(dir)? {
        let child = archive.entry(child)?;
        let path = to.join(OsStr::from_bytes(child.name));
        match child.kind {
            EntryKind::Dir => unpack(archive, child.id, &path)?,
            EntryKind::Symlink => symlink(OsStr::from_bytes(archive.link_target(child.id)?), &path)?,
            EntryKind::File => {
                fs::write(&path, archive.data(child.id)?)?;
                fs::set_permissions(&path, Permissions::from_mode(child.mode))?;
            }
        }
    }
    Ok(())
}
