//! `docs/abi.md` and this crate say the same: headings, messages, keys and numbers are compared, in order.

mod common;

use std::collections::BTreeSet;

use hypercell_abi::FrameKind;
use minicbor::Decoder;

const DOC: &str = include_str!("../../../docs/abi.md");
const LIB: &str = include_str!("../src/lib.rs");
const TRIPWIRES: &str = include_str!("../src/tripwires.rs");

/// Returns the text under a heading of two hashes, up to the next one.
fn section(heading: &str) -> &'static str {
    let start = DOC.find(&format!("\n## {heading}\n")).unwrap_or_else(|| panic!("no heading {heading}"));
    let text = &DOC[start + 1..];
    &text[..text[1..].find("\n## ").map_or(text.len(), |end| end + 1)]
}

/// Returns the cells of each row of the tables in a text whose first cell is code.
fn rows(text: &str) -> Vec<Vec<&str>> {
    text.lines()
        .filter(|line| line.starts_with("| `") && !line.starts_with("| `op` | Keys"))
        .map(|line| line.trim_matches('|').split('|').map(|cell| cell.trim().trim_matches('`')).collect())
        .collect()
}

/// Returns names and numbers of the tripwires under a module.
fn tripwires(module: &str) -> Vec<(String, String)> {
    TRIPWIRES
        .lines()
        .filter_map(|line| line.trim().strip_prefix(module)?.strip_suffix(';')?.split_once(" = "))
        .map(|(name, number)| (name.to_owned(), number.replace('_', "")))
        .collect()
}

#[test]
fn headings_follow_the_table_of_contents() {
    let contents: Vec<&str> = LIB
        .lines()
        .filter_map(|line| line.strip_prefix("//! ")?.split_once(". "))
        .filter(|(number, _)| number.chars().all(|digit| digit.is_ascii_digit()))
        .filter_map(|(_, rest)| rest.split_once(':'))
        .map(|(heading, _)| heading)
        .collect();
    let headings: Vec<&str> = DOC.lines().filter_map(|line| line.strip_prefix("## ")).collect();
    assert_eq!(headings, contents);
}

#[test]
fn each_message_has_its_heading_with_its_code_in_order() {
    let headings: Vec<&str> =
        section("Messages").lines().filter_map(|line| line.strip_prefix("### ")).collect();
    let kinds: Vec<String> =
        FrameKind::ALL.iter().map(|kind| format!("{} ({:#06x})", kind.name(), kind.code())).collect();
    assert_eq!(headings, kinds);
}

#[test]
fn each_message_lists_exactly_the_keys_it_is_sent_with() {
    let messages = section("Messages").split("\n### ").skip(1);
    for (kind, text) in FrameKind::ALL.iter().zip(messages) {
        let listed: BTreeSet<&str> = rows(text).iter().map(|row| row[0]).collect();
        let frames: Vec<Vec<u8>> = common::sample_frames()
            .into_iter()
            .map(|(_, bytes)| bytes)
            .filter(|bytes| bytes[6..8] == kind.code().to_le_bytes())
            .collect();
        let mut sent = BTreeSet::new();
        for frame in &frames {
            let mut body = Decoder::new(&frame[16..]);
            for _ in 0..body.map().unwrap().unwrap() {
                sent.insert(body.str().unwrap());
                body.skip().unwrap();
            }
        }
        assert_eq!(listed, sent, "{}", kind.name());
    }
}

#[test]
fn each_limit_stands_with_its_number() {
    let listed: Vec<(String, String)> =
        rows(section("Sizes")).iter().map(|row| (row[0].to_owned(), row[1].replace(' ', ""))).collect();
    assert_eq!(listed, tripwires("limits::"));
}

#[test]
fn each_tag_stands_with_its_number() {
    let listed: Vec<(String, String)> =
        rows(section("Values")).iter().map(|row| (row[0].to_owned(), row[1].to_owned())).collect();
    let tags: Vec<(String, String)> =
        tripwires("value::").into_iter().filter(|(name, _)| name.starts_with("TAG_")).collect();
    assert_eq!(listed, tags);
}

#[test]
fn the_version_stands_with_its_number() {
    let (_, version) = &tripwires("version::")[0];
    assert!(section("Version").contains(&format!("`ABI_VERSION` is {version}.")));
}
