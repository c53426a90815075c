//! What the processor can do, as text for digests.
//!
//! A snapshot holds choices that libraries made for the processor they started on (glibc's and numpy's dispatch), so
//! it must not start on one with fewer features.
//!
//! Guarantees: the same text for as long as the machine's processor and microcode stay the same.
//! Never: includes what changes from moment to moment (the clock frequency).
//!
//! Before: `digest`, `fingerprint`. After: /proc/cpuinfo.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;

/// The first processor's block is 1.5 to 4 KiB; a machine with many processors has megabytes of them.
const READ_BYTES: u64 = 8 << 10;
/// Features listed to who has another processor.
const MAX_LISTED_FEATURES: usize = 8;
const KEYS: [&str; 5] = ["vendor_id", "cpu family", "model", "stepping", "flags"];

/// Returns maker, model and feature flags of the first processor; empty where the system does not tell.
pub(crate) fn features() -> String {
    let mut bytes = Vec::new();
    if let Ok(file) = File::open("/proc/cpuinfo") {
        // A short read gives another text at worst, and so another image.
        let _ = file.take(READ_BYTES).read_to_end(&mut bytes);
    }
    features_of(&String::from_utf8_lossy(&bytes))
}

/// Says what one processor has and the other has not.
pub(crate) fn difference(then: &str, now: &str) -> String {
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<BTreeSet<_>>();
    let (then, now) = (words(then), words(now));
    let list = |words: Vec<&String>| {
        let text = words.iter().take(MAX_LISTED_FEATURES).map(|word| word.as_str()).collect::<Vec<_>>();
        if text.is_empty() { "nothing".to_owned() } else { text.join(" ") }
    };
    let (lost, new) = (list(then.difference(&now).collect()), list(now.difference(&then).collect()));
    format!("that one has {lost} which this one has not, and this one {new}")
}

fn features_of(cpuinfo: &str) -> String {
    let mut text = String::new();
    for line in cpuinfo.lines().take_while(|line| !line.is_empty()) {
        let Some((key, value)) = line.split_once(':') else { continue };
        if KEYS.contains(&key.trim()) {
            text.push_str(value.trim());
            text.push('\n');
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_first_processor_and_only_what_stays_the_same_counts() {
        let cpuinfo = "vendor_id\t: X\ncpu MHz\t\t: 1\nflags\t\t: a b\n\nvendor_id\t: Y\n";
        assert_eq!(features_of(cpuinfo), "X\na b\n");
    }
}
