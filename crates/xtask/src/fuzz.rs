//! Builds a fuzz target with coverage, gives it its seeds, and runs it.
//!
//! Guarantees that stable Rust and a C++ compiler are enough: the passes that cargo-fuzz asks a nightly compiler for are
//! LLVM's own. The seeds are the golden files, so a new message is a new seed. Writes below `fuzz/` only: `target/`,
//! `corpus/` and, for a finding, `artifacts/`.
//! Before: `main`. After: `fuzz/`, docs/security-testing.md.

use std::fs;
use std::path::Path;

use crate::shell::{Outcome, cargo, cmd, root, run};

/// For a program of its own target, so that build scripts and macros stay as they are.
const TRIPLE: &str = "x86_64-unknown-linux-gnu";
/// What libFuzzer needs to see which branches an input takes and what it is compared with.
const COVERAGE: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1 --cfg fuzzing";
const GOLDEN: &str = "crates/abi/tests/golden";

/// A target: its name, its dictionary, and for each form of golden file the bytes to put in front of it.
type Target = (&'static str, &'static str, &'static [(&'static str, &'static [u8])]);

const TARGETS: &[Target] = &[
    ("wire_decode", "cbor", &[("exit", &[0]), ("enter", &[1]), ("frame", &[2]), ("frame", &[3])]),
    ("value_decode", "cbor", &[("value", &[])]),
    ("archive_decode", "archive_decode", &[("archive", &[])]),
    ("url_rule", "url_rule", &[]),
];

/// Runs `cargo xtask fuzz TARGET`; further arguments go to libFuzzer, which without them runs for a minute.
pub(crate) fn command(args: &[String]) -> Outcome {
    let names: Vec<&str> = TARGETS.iter().map(|(name, ..)| *name).collect();
    let usage = || format!("name a target: {}", names.join(", "));
    let (name, options) = args.split_first().ok_or_else(usage)?;
    let (name, dictionary, forms) = TARGETS.iter().find(|(known, ..)| known == name).ok_or_else(usage)?;
    let fuzz = root().join("fuzz");
    let corpus = fuzz.join("corpus").join(name);
    let artifacts = fuzz.join("artifacts").join(name);
    fs::create_dir_all(&corpus)?;
    fs::create_dir_all(&artifacts)?;
    write_seeds(&corpus, forms)?;
    if *name == "url_rule" {
        write_url_seeds(&corpus, &fs::read_to_string(fuzz.join("seeds/url_rule.txt"))?)?;
    }
    let mut build = cargo(&["build", "--locked", "--release", "--target", TRIPLE, "--bin", name]);
    if *name == "url_rule" {
        build.args(["--features", "gates"]);
    }
    // A directory of its own: another `CARGO_TARGET_DIR` would be looked for in another place below.
    build.current_dir(&fuzz).env("RUSTFLAGS", COVERAGE).env("CARGO_TARGET_DIR", fuzz.join("target"));
    run(&mut build)?;
    let mut fuzzer = cmd(fuzz.join("target").join(TRIPLE).join("release").join(name), [&corpus]);
    fuzzer.arg(format!("-dict={}", fuzz.join(format!("dictionaries/{dictionary}.dict")).display()));
    fuzzer.arg(format!("-artifact_prefix={}/", artifacts.display()));
    if options.is_empty() {
        fuzzer.args(["-max_total_time=60", "-print_final_stats=1"]);
    }
    run(fuzzer.args(options))
}

/// Writes each golden file that has one of `forms`, with the bytes that go in front of it.
fn write_seeds(corpus: &Path, forms: &[(&str, &[u8])]) -> Outcome {
    let golden = root().join(GOLDEN);
    for line in fs::read_to_string(golden.join("manifest.txt"))?.lines() {
        let mut words = line.split(' ');
        let (Some(name), Some(form)) = (words.next(), words.next()) else { continue };
        for (_, prefix) in forms.iter().filter(|(wanted, _)| *wanted == form) {
            let bytes = [prefix, &fs::read(golden.join(format!("{name}.bin")))?[..]].concat();
            let place = prefix.first().map_or_else(String::new, ToString::to_string);
            fs::write(corpus.join(format!("golden{place}-{name}")), bytes)?;
        }
    }
    Ok(())
}

/// Writes each line of pattern, method and URL as the target reads it.
fn write_url_seeds(corpus: &Path, lines: &str) -> Outcome {
    for (number, line) in lines.lines().enumerate() {
        fs::write(corpus.join(format!("seed-{number}")), line.replacen(' ', "\n", 2))?;
    }
    Ok(())
}
