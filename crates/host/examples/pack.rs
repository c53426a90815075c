//! Packs the guest file system of an interpreter into an archive file.
//!
//! `cargo run --example pack -- PYTHON GUEST_DIR OUT.img [PACKAGE...]`

#![expect(clippy::print_stdout, reason = "a command tells what it did")]

use std::path::Path;
use std::time::Instant;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [python, guest_dir, output, packages @ ..] = arguments.as_slice() else {
        return Err("usage: pack PYTHON GUEST_DIR OUT.img [PACKAGE...]".into());
    };
    let start = Instant::now();
    let archive = hypercell_host::image::pack_archive(Path::new(python), Path::new(guest_dir), packages)?;
    std::fs::write(output, &archive)?;
    println!("{} bytes in {:.2} s", archive.len(), start.elapsed().as_secs_f64());
    Ok(())
}
