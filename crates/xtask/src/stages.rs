//! The commands that put the others in order: `demo`, `lint`, `test`, `bench`, `packages` and `ci`.
//!
//! Guarantees that `ci` needs nothing installed but Rust, a C linker and Python, and that it fails where there is no
//! hypervisor: tests that cannot run are no proof.
//! Before: `main`. After: `guest`, `python`, `layers`, `docs`, `ring0`.
#![expect(clippy::print_stderr, reason = "CI says which stage it is in and how long each took")]

use std::fs;
use std::time::Instant;

use crate::guest::guest_cargo;
use crate::python::{Venv, wheel};
use crate::shell::{Outcome, cargo, root, run, target};
use crate::{docs, layers, ring0};

/// Exact, because formatters and checkers differ between releases.
const LINT_TOOLS: &[&str] =
    &["mypy==2.4.1", "ruff==0.17.5", "pydantic>=2.7", "hypothesis>=6.100", "packaging>=23"];
/// Its stub is compared with the installed module, by the mypy that `lint` uses.
const STUB_TOOLS: &str = LINT_TOOLS[0];
/// Crates whose tests are ordinary programs. `hypercell-python` is tested through the wheel.
const TESTED_CRATES: &[&str] =
    &["--package=hypercell-abi", "--package=hypercell-capi", "--package=hypercell-host", "--package=xtask"];

/// Runs `cargo xtask demo`.
pub(crate) fn demo(_args: &[String]) -> Outcome {
    let wheel = wheel()?;
    let venv = Venv::open("venv", &[])?;
    venv.install(&wheel, None)?;
    run(&mut venv.python(["examples/order_totals.py"]))
}

/// Runs `cargo xtask lint`, which is stage A of `ci`.
pub(crate) fn lint(_args: &[String]) -> Outcome {
    run(&mut cargo(&["fmt", "--check"]))?;
    run(cargo(&["fmt", "--check"]).current_dir(root().join("guest")))?;
    let tools = Venv::open("venv-lint", LINT_TOOLS)?;
    run(&mut tools.python(["-m", "ruff", "format", "--check", "."]))?;
    run(&mut tools.python(["-m", "ruff", "check", "."]))?;
    run(&mut tools.python(["-m", "mypy"]))?;
    if cargo(&["deny", "--version"]).output()?.status.success() {
        run(&mut cargo(&["deny", "--locked", "check", "licenses", "bans", "sources"]))?;
    } else {
        eprintln!("cargo-deny is not installed: licences of dependencies were not checked");
    }
    layers::command(&[])?;
    docs::command(&["--check".to_owned()])?;
    run(&mut cargo(&["clippy", "--locked", "--workspace", "--all-targets", "--", "--deny=warnings"]))?;
    // The kernel is linked only in release: a debug build of it is the test program.
    run(&mut guest_cargo("clippy", &["--release", "--", "--deny=warnings"]))
}

/// Runs `cargo xtask test`; further arguments go to the last pytest, as in `cargo xtask test -k tools`.
pub(crate) fn test(args: &[String]) -> Outcome {
    rust_tests()?;
    python_tests(args)
}

/// Runs `cargo xtask bench` with the arguments of the benchmark program.
pub(crate) fn bench(args: &[String]) -> Outcome {
    let wheel = wheel()?;
    let venv = Venv::open("venv", &[])?;
    venv.install(&wheel, None)?;
    run(venv.python(["benches/bench_python.py"]).args(args))
}

/// Runs `cargo xtask packages`: the programs of tests/packages with the versions that are pinned there, without arguments
/// all of them, whose figures it writes into docs/packages.md.
pub(crate) fn packages(args: &[String]) -> Outcome {
    let wheel = wheel()?;
    let pinned = fs::read_to_string(root().join("tests/packages/requirements.txt"))?;
    let pinned: Vec<&str> = pinned.lines().filter(|line| !line.starts_with('#')).collect();
    let venv = Venv::open("venv-packages", &pinned)?;
    venv.install(&wheel, None)?;
    let args = if args.is_empty() { &["--write".to_owned()] } else { args };
    run(venv.python(["benches/packages.py"]).args(args))
}

/// Runs `cargo xtask cpython-tests`; arguments are modules of CPython's test package, all unless some are named.
pub(crate) fn cpython_tests(args: &[String]) -> Outcome {
    let wheel = wheel()?;
    let venv = Venv::open("venv-test", &[STUB_TOOLS])?;
    venv.install(&wheel, Some("test"))?;
    run(venv.python(["tests/cpython/run.py"]).args(args))
}

/// Runs `cargo xtask ci`. The tests come last, so that a log ends with their outcome.
pub(crate) fn ci(_args: &[String]) -> Outcome {
    let start = Instant::now();
    let stage = |name: &str, action: &dyn Fn() -> Outcome| {
        eprintln!("stage {name}, after {:.0} s", start.elapsed().as_secs_f64());
        action()
    };
    stage("A: lint", &|| lint(&[]))?;
    stage("B: tests without a hypervisor", &rust_tests)?;
    stage("C: ring 0", &|| ring0::command(&[]))?;
    stage("C: demo", &|| demo(&[]))?;
    stage("D: benchmarks in brief", &|| bench(&["--quick".to_owned()]))?;
    stage("C: tests in micro-VMs", &|| python_tests(&["--durations=10".to_owned()]))
}

fn rust_tests() -> Outcome {
    run(cargo(&["test", "--locked"]).args(TESTED_CRATES))?;
    run(&mut guest_cargo("test", &[]))
}

fn python_tests(args: &[String]) -> Outcome {
    let wheel = wheel()?;
    let venv = Venv::open("venv-test", &[STUB_TOOLS])?;
    venv.install(&wheel, Some("test,test-integrations"))?;
    run(&mut venv.python(["-m", "mypy.stubtest", "hypercell._native"]))?;
    run(&mut venv.python(["-m", "pytest", "--override-ini=pythonpath=guest/python", "guest/python"]))?;
    run(&mut cargo(&["build", "--locked", "--package=hypercell-capi"]))?;
    let mut pytest = venv.python(["-m", "pytest"]);
    pytest.env("HYPERCELL_TEST_CAPI", target().join("debug/libhypercell_capi.so"));
    pytest.env("HYPERCELL_TEST_REQUIRE_EXTRAS", "1");
    if std::env::var_os("CI").is_some() {
        pytest.env("HYPERCELL_TEST_REQUIRE_KVM", "1");
    }
    run(pytest.args(args))
}
