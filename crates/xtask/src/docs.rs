//! Writes `docs/syscalls.md` from the system-call table of the guest kernel, and the header of the C interface.
//!
//! Guarantees that the page has a row for each row of the table, and that a row it cannot read is an error.
//! Before: `stages`. After: `guest/kernel/src/syscall/table.rs`, whose head describes the forms of a row, and `header`.

use std::fmt::Write as _;
use std::fs;

use crate::header;
use crate::shell::{Outcome, root, write_if_changed};

const TABLE: &str = "guest/kernel/src/syscall/table.rs";
const PAGE: &str = "docs/syscalls.md";
const HEAD: &str = "<!-- Written by `cargo xtask docs` from guest/kernel/src/syscall/table.rs. Do not edit. -->

# System calls

What the guest kernel answers to each system call of x86-64 Linux. **Full** calls behave as on Linux, as far as one
process in one VM can tell. **Partial** ones work with the difference that is named. **Answers** is what Linux would say
in this situation. **Refused** and **absent** calls fail with the error that is named, and the result of the run lists
them under its diagnostics. A number without a row answers `ENOSYS` and is listed too.

";

/// Runs `cargo xtask docs`, or only compares with `--check`.
pub(crate) fn command(args: &[String]) -> Outcome {
    let is_check = args.iter().any(|arg| arg == "--check");
    write_or_compare(is_check, PAGE, TABLE, page)?;
    write_or_compare(is_check, header::HEADER, header::SOURCE, header::header)
}

fn write_or_compare(is_check: bool, to: &str, from: &str, make: fn(&str) -> Outcome<String>) -> Outcome {
    let made = make(&fs::read_to_string(root().join(from))?)?;
    if !is_check {
        return write_if_changed(&root().join(to), made.as_bytes());
    }
    if fs::read_to_string(root().join(to)).is_ok_and(|old| old == made) {
        return Ok(());
    }
    Err(format!("{to} differs from {from}: run `cargo xtask docs`").into())
}

fn page(table: &str) -> Outcome<String> {
    let rows = table.lines().map(str::trim).skip_while(|line| !line.starts_with("pub static TABLE"));
    let rows: Vec<Row<'_>> =
        rows.skip(1).take_while(|line| *line != "];").map(Row::parse).collect::<Outcome<_>>()?;
    let mut text = String::from(HEAD);
    for support in ["full", "partial", "answers", "refused", "absent"] {
        let count = rows.iter().filter(|row| row.support == support).count();
        writeln!(text, "- {support}: {count}")?;
    }
    text.push_str("\n| Number | Call | Support | What differs, or why |\n| --- | --- | --- | --- |\n");
    for Row { number, name, support, why, errno } in rows {
        let errno = errno.map_or_else(String::new, |errno| format!(" `{errno}`"));
        writeln!(text, "| {number} | `{name}` | {support}{errno} | {why} |")?;
    }
    Ok(text)
}

/// What a reader of the page wants to know of a row.
#[derive(Debug, PartialEq, Eq)]
struct Row<'table> {
    number: u16,
    name: &'table str,
    support: &'table str,
    errno: Option<&'table str>,
    why: &'table str,
}

impl<'table> Row<'table> {
    fn parse(line: &'table str) -> Outcome<Self> {
        let row = Self::parse_fields(line).ok_or_else(|| format!("{TABLE}: not a row: {line}"))?;
        if row.why.contains(['|', '\\']) {
            Err(format!("{TABLE}: | or \\ in a reason: {line}").into())
        } else {
            Ok(row)
        }
    }

    fn parse_fields(line: &'table str) -> Option<Self> {
        let (form, fields) = line.strip_suffix("),")?.split_once('(')?;
        let (number, fields) = fields.split_once(", \"")?;
        let (name, fields) = fields.split_once("\", ")?;
        let (fields, why) = match fields.strip_suffix('"') {
            Some(fields) => fields.split_once(", \"")?,
            None => (fields, ""),
        };
        let (support, errno) = match form {
            "full" | "partial" => (form, None),
            "returns" => ("partial", None),
            "answers" | "refused" => (form, Some(fields.split_once(", ")?.1)),
            "absent" => (form, Some("ENOSYS")),
            _ => return None,
        };
        Some(Self { number: number.parse().ok()?, name, support, errno, why })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_form_of_row_is_read() {
        let row =
            |line| Row::parse(line).map(|row| (row.number, row.name, row.support, row.errno, row.why)).ok();
        assert_eq!(row(r#"full(0, "read", 3, io::sys_read),"#), Some((0, "read", "full", None, "")));
        assert_eq!(
            row(r#"partial(8, "lseek", 3, io::sys_lseek, "no holes, ever"),"#),
            Some((8, "lseek", "partial", None, "no holes, ever"))
        );
        assert_eq!(
            row(r#"returns(24, "sched_yield", 0, 0, "one thread"),"#),
            Some((24, "sched_yield", "partial", None, "one thread"))
        );
        assert_eq!(
            row(r#"refused(41, "socket", 3, EACCES, "no network"),"#),
            Some((41, "socket", "refused", Some("EACCES"), "no network"))
        );
        assert_eq!(
            row(r#"absent(37, "alarm", 1, "no timers"),"#),
            Some((37, "alarm", "absent", Some("ENOSYS"), "no timers"))
        );
    }

    #[test]
    fn unknown_form_is_an_error() {
        assert!(Row::parse(r#"sometimes(0, "read", 3, io::sys_read),"#).is_err());
    }
}
