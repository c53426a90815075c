//! The one place that builds the guest: the kernel, and the Python package that runs on it.
//!
//! Guarantees that `python/hypercell/_guest` holds exactly the kernel and the guest Python of this tree, and that
//! nothing is written when it already does.
//! Before: `python` (the wheel), `build_backend/backend.py`. After: cargo in the `guest` workspace.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::shell::{Outcome, cargo, files, root, run, target, write_if_changed};

const TARGET: &str = "x86_64-unknown-linux-gnu";

/// Runs `cargo xtask guest`.
pub(crate) fn command(_args: &[String]) -> Outcome {
    run(&mut guest_cargo("build", &["--release"]))?;
    let packed = root().join("python/hypercell/_guest");
    write_if_changed(&packed.join("hypercell-kernel"), &fs::read(kernel_elf())?)?;

    let source = root().join("guest/python/hypercell_guest");
    let mut wanted = vec![packed.join("hypercell-kernel")];
    for file in files(&source, &["py"])? {
        let copy = packed.join("hypercell_guest").join(file.strip_prefix(&source)?);
        write_if_changed(&copy, &fs::read(&file)?)?;
        wanted.push(copy);
    }
    for stale in files(&packed, &["py", "pyc"])?.iter().filter(|file| !wanted.contains(file)) {
        fs::remove_file(stale)?;
    }
    Ok(())
}

/// Returns where cargo puts the linked kernel.
pub(crate) fn kernel_elf() -> PathBuf {
    guest_target().join(TARGET).join("release/hypercell-kernel")
}

/// Prepares cargo to run `subcommand` in the guest's own workspace.
pub(crate) fn guest_cargo(subcommand: &str, args: &[&str]) -> Command {
    let mut command = cargo(&[subcommand, "--locked", "--target", TARGET, "--target-dir"]);
    command.arg(guest_target()).args(args).current_dir(root().join("guest"));
    command
}

fn guest_target() -> PathBuf {
    target().join("guest")
}
