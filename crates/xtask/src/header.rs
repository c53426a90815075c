//! Writes the C header from the signatures and comments of `crates/capi/src/lib.rs`.
//!
//! cbindgen would do it too, under a licence that `deny.toml` does not allow. Guarantees that each `hypercell_` function and
//! constant of that file is in the header with its comment, and that a signature which this cannot say in C is an error.
//! Before: `docs`. After: the source.

use std::fmt::Write as _;

use crate::shell::Outcome;

/// Where the functions are.
pub(crate) const SOURCE: &str = "crates/capi/src/lib.rs";
/// What is written.
pub(crate) const HEADER: &str = "crates/capi/include/hypercell.h";
const HEAD: &str = "/* Written by `cargo xtask docs` from crates/capi/src/lib.rs. Do not edit.
 *
 * Checks of hypercell's wire and gates, for tests and fuzzers. Nothing here is stable.
 *
 * Each check returns one of the codes below and writes why to `error`: UTF-8, ended by a zero byte, cut to fit into
 * `error_len` bytes. `error` may be null. No memory changes its owner and nothing is kept. A null pointer of length 0 is empty
 * input. Functions may be called on any threads at once.
 */
#ifndef HYPERCELL_H
#define HYPERCELL_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern \"C\" {
#endif
";
const TAIL: &str = "
#ifdef __cplusplus
}
#endif

#endif
";
const CODE: &str = "pub const HYPERCELL_";

/// Returns the header of this source.
///
/// # Errors
/// A constant or a function in a form that is not known here.
pub(crate) fn header(source: &str) -> Outcome<String> {
    let mut text = String::from(HEAD);
    let mut comment: Vec<&str> = Vec::new();
    let mut lines = source.lines();
    while let Some(line) = lines.next() {
        if let Some(words) = line.strip_prefix("///") {
            comment.push(words.trim_start());
        } else if line.starts_with(CODE) {
            let (name, value) = constant(line).ok_or_else(|| format!("{SOURCE}: not a code: {line}"))?;
            write!(text, "\n{}#define {name} {value}\n", documented(&comment))?;
        } else if line.contains("extern \"C\" fn ") {
            let mut signature = line.to_owned();
            while !signature.ends_with('{') {
                signature += lines.next().ok_or("a signature does not end")?.trim();
            }
            let declared = declaration(&signature)
                .ok_or_else(|| format!("{SOURCE}: a signature that C cannot say: {signature}"))?;
            write!(text, "\n{}{declared}\n", documented(&comment))?;
        }
        if !line.starts_with("///") && !line.starts_with("#[") {
            comment.clear();
        }
    }
    text.push_str(TAIL);
    Ok(text)
}

/// Returns a comment of C of what stands before the first heading.
fn documented(comment: &[&str]) -> String {
    let words: Vec<&str> = comment.iter().copied().take_while(|line| !line.starts_with('#')).collect();
    format!("/* {} */\n", words.join(" ").trim())
}

fn constant(line: &str) -> Option<(&str, &str)> {
    let (name, value) = line.strip_prefix("pub const ")?.strip_suffix(';')?.split_once(": i32 = ")?;
    value.parse::<i32>().ok()?;
    Some((name, value))
}

fn declaration(signature: &str) -> Option<String> {
    let (_, signature) = signature.split_once("extern \"C\" fn ")?;
    let (name, rest) = signature.split_once('(')?;
    let (parameters, result) = rest.split_once(") -> ")?;
    let result = c_type(result.strip_suffix(" {")?)?;
    let mut shown = Vec::new();
    for parameter in parameters.split(',').map(str::trim).filter(|parameter| !parameter.is_empty()) {
        let (name, of) = parameter.split_once(": ")?;
        let of = c_type(of)?;
        let space = if of.ends_with('*') { "" } else { " " };
        shown.push(format!("{of}{space}{name}"));
    }
    let shown = if shown.is_empty() { "void".to_owned() } else { shown.join(", ") };
    Some(format!("{result} {name}({shown});"))
}

fn c_type(rust: &str) -> Option<&'static str> {
    Some(match rust {
        "*const u8" => "const uint8_t *",
        "*mut c_char" => "char *",
        "usize" => "size_t",
        "u32" => "uint32_t",
        "i32" => "int32_t",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn function_and_code_become_c_with_their_comments() {
        let source = "/// Not that.\npub const HYPERCELL_BAD: i32 = -1;\n\n/// Looks at\n/// bytes.\n///\n/// # Safety\n\
            #[unsafe(no_mangle)]\npub unsafe extern \"C\" fn f(\n    bytes: *const u8,\n    len: usize,\n) -> i32 {\n";
        let text = header(source).unwrap();
        assert!(text.contains("\n/* Not that. */\n#define HYPERCELL_BAD -1\n"), "{text}");
        assert!(
            text.contains("\n/* Looks at bytes. */\nint32_t f(const uint8_t *bytes, size_t len);\n"),
            "{text}"
        );
    }

    #[test]
    fn type_that_c_does_not_have_is_an_error() {
        let error = header("pub extern \"C\" fn f(text: &str) -> i32 {").unwrap_err();
        assert_eq!(
            error.to_string(),
            "crates/capi/src/lib.rs: a signature that C cannot say: pub extern \"C\" fn f(text: &str) -> i32 {"
        );
    }
}
