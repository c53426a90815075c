//! Assembles the assembly files and passes the linker script; the kernel proper is linked without a C runtime.

fn main() {
    println!("cargo:rerun-if-changed=link.ld");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/link.ld");
    // A kernel build is the only one in release; `cargo test` links an ordinary program.
    if std::env::var("PROFILE").as_deref() == Ok("release") {
        println!("cargo:rerun-if-changed=src/ring0/boot.s");
        println!("cargo:rerun-if-changed=src/entry.s");
        println!("cargo:rerun-if-changed=src/libc.s");
        cc::Build::new()
            .file("src/ring0/boot.s")
            .file("src/entry.s")
            .file("src/libc.s")
            .compile("hypercell_entry");
        for arg in ["-nostartfiles", "-nostdlib", "-static", "-no-pie", "-Wl,--build-id=none"] {
            println!("cargo:rustc-link-arg-bins={arg}");
        }
        println!("cargo:rustc-link-arg-bins=-Wl,-T,{script}");
        println!("cargo:rustc-link-arg-bins=-Wl,-z,max-page-size=4096");
    }
}
