//! Builds, checks and tests hypercell: `cargo xtask help` lists the commands.
//!
//! Guarantees that each command works on a new clone with only Rust, a C linker and Python, prints every command
//! it runs, and writes nothing outside the clone but the caches of cargo and pip.
//! Never holds rules of the product: it runs other tools and reads what they made.
//! Before: `.ci/run`, `build_backend/backend.py` or a developer. After: `guest`, `python`, `stages` and the checks.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command speaks to its terminal")]

mod docs;
mod fuzz;
mod guest;
mod header;
mod layers;
mod python;
mod ring0;
mod shell;
mod stages;

use std::process::ExitCode;

use shell::Outcome;

/// One command: its name, what it does, and the function that does it with the remaining arguments.
type Command = (&'static str, &'static str, fn(&[String]) -> Outcome);

const COMMANDS: &[Command] = &[
    (
        "demo",
        "install the wheel into target/venv and run examples/order_totals.py in a micro-VM",
        stages::demo,
    ),
    ("test", "all tests: Rust, guest kernel, guest Python, then pytest on the installed wheel", stages::test),
    ("lint", "formatting, lints, types, layers and generated pages; needs no hypervisor", stages::lint),
    ("ci", "what CI runs: lint, test, check-ring0, the demo, the benchmarks in brief", stages::ci),
    (
        "bench",
        "the benchmarks on the installed wheel; arguments go to benches/bench_python.py",
        stages::bench,
    ),
    (
        "packages",
        "the programs of tests/packages with pinned versions, natively and in the guest: docs/packages.md",
        stages::packages,
    ),
    (
        "cpython-tests",
        "CPython's own tests in the guest and natively; writes docs/cpython-tests.md",
        stages::cpython_tests,
    ),
    ("guest", "build the guest kernel into python/hypercell/_guest", guest::command),
    (
        "fuzz",
        "run a fuzz target: cargo xtask fuzz wire_decode [options of libFuzzer]; needs a C++ compiler",
        fuzz::command,
    ),
    ("wheel", "build the wheel into dist/", python::wheel_command),
    (
        "docs",
        "write docs/syscalls.md and the C header from their sources; --check only compares",
        docs::command,
    ),
    (
        "check-layers",
        "who may depend on whom, and which files may name hyperlight or open `unsafe`",
        layers::command,
    ),
    ("check-ring0", "privileged code is only the assembly stub, without SSE", ring0::command),
];

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let name = args.first().map_or("help", String::as_str);
    let Some((_, _, action)) = COMMANDS.iter().find(|(known, _, _)| *known == name) else {
        for (known, purpose, _) in COMMANDS {
            println!("cargo xtask {known:<13} {purpose}");
        }
        return if name == "help" { ExitCode::SUCCESS } else { ExitCode::from(2) };
    };
    match action(&args[1..]) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask {name}: {error}");
            ExitCode::FAILURE
        }
    }
}
