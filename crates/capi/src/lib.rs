//! The C interface: each function takes bytes, gives a number, and writes why to a buffer of the caller.
//!
//! It serves tests and fuzzers in other languages and is in no wheel. `cargo xtask docs` writes `include/hypercell.h` from
//! the signatures and the comments of this file.
//!
//! Guarantees: no memory changes its owner, no state is kept, no panic unwinds into the caller. A null pointer of length 0
//! is empty input; a null pointer of another length is [`HYPERCELL_BAD_ARGUMENT`]. Functions may be called on any
//! threads at once. Never: keeps a pointer after it returns.
//!
//! Before: cffi, in `hypercell.testing`, or C. After: `check`.
#![expect(unsafe_code, reason = "functions for C take raw pointers")]

pub mod check;

use std::ffi::c_char;
use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind};

use check::Verdict;

/// The bytes are what was asked for; the error is empty.
pub const HYPERCELL_OK: i32 = 0;
/// The bytes were refused; the error says why.
pub const HYPERCELL_REFUSED: i32 = 1;
/// A null pointer with a length, or a length above the address space; nothing was looked at.
pub const HYPERCELL_BAD_ARGUMENT: i32 = -1;
/// The check panicked, which is a defect of hypercell. Please report the bytes.
pub const HYPERCELL_PANIC: i32 = -2;

/// Returns the version of the wire.
#[unsafe(no_mangle)]
pub extern "C" fn hypercell_abi_version() -> u32 {
    u32::from(hypercell_abi::ABI_VERSION)
}

/// Checks that the bytes are exactly one value.
///
/// # Safety
///
/// See [`checked`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hypercell_value_check(
    bytes: *const u8,
    len: usize,
    error: *mut c_char,
    error_len: usize,
) -> i32 {
    // SAFETY: what the caller promises is what `checked` asks for.
    unsafe { checked([(bytes, len)], error, error_len, |[bytes]| check::value(bytes)) }
}

/// Checks that the bytes are exactly one map with text keys: inputs of a run or arguments of a call.
///
/// # Safety
///
/// See [`checked`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hypercell_named_values_check(
    bytes: *const u8,
    len: usize,
    error: *mut c_char,
    error_len: usize,
) -> i32 {
    // SAFETY: what the caller promises is what `checked` asks for.
    unsafe { checked([(bytes, len)], error, error_len, |[bytes]| check::named_values(bytes)) }
}

/// Checks that the bytes are exactly one frame that a guest may send: header and body.
///
/// # Safety
///
/// See [`checked`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hypercell_guest_frame_check(
    bytes: *const u8,
    len: usize,
    error: *mut c_char,
    error_len: usize,
) -> i32 {
    // SAFETY: what the caller promises is what `checked` asks for.
    unsafe { checked([(bytes, len)], error, error_len, |[bytes]| check::guest_frame(bytes)) }
}

/// Checks that the bytes are exactly one frame that the host may send: header and body.
///
/// # Safety
///
/// See [`checked`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hypercell_host_frame_check(
    bytes: *const u8,
    len: usize,
    error: *mut c_char,
    error_len: usize,
) -> i32 {
    // SAFETY: what the caller promises is what `checked` asks for.
    unsafe { checked([(bytes, len)], error, error_len, |[bytes]| check::host_frame(bytes)) }
}

/// Checks that the bytes are exactly one turn of a guest, which answers the host frame numbered `seq`.
///
/// # Safety
///
/// See [`checked`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hypercell_exit_turn_check(
    bytes: *const u8,
    len: usize,
    seq: u32,
    error: *mut c_char,
    error_len: usize,
) -> i32 {
    // SAFETY: what the caller promises is what `checked` asks for.
    unsafe { checked([(bytes, len)], error, error_len, |[bytes]| check::exit_turn(bytes, seq)) }
}

/// Checks that the bytes are exactly one turn of the host.
///
/// # Safety
///
/// See [`checked`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hypercell_enter_turn_check(
    bytes: *const u8,
    len: usize,
    error: *mut c_char,
    error_len: usize,
) -> i32 {
    // SAFETY: what the caller promises is what `checked` asks for.
    unsafe { checked([(bytes, len)], error, error_len, |[bytes]| check::enter_turn(bytes)) }
}

/// Checks that the bytes are an image archive in which every read succeeds.
///
/// # Safety
///
/// See [`checked`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hypercell_archive_check(
    bytes: *const u8,
    len: usize,
    error: *mut c_char,
    error_len: usize,
) -> i32 {
    // SAFETY: what the caller promises is what `checked` asks for.
    unsafe { checked([(bytes, len)], error, error_len, |[bytes]| check::archive(bytes)) }
}

/// Checks that a directory of the host can be mounted at this path of the guest. The path may be any bytes.
///
/// # Safety
///
/// See [`checked`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hypercell_mount_path_check(
    path: *const u8,
    len: usize,
    error: *mut c_char,
    error_len: usize,
) -> i32 {
    // SAFETY: what the caller promises is what `checked` asks for.
    unsafe { checked([(path, len)], error, error_len, |[path]| check::mount_path(path)) }
}

/// Checks that the rule of this pattern, with all methods, allows a request. No name is resolved.
///
/// # Safety
///
/// See [`checked`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hypercell_url_rule_check(
    pattern: *const u8,
    pattern_len: usize,
    method: *const u8,
    method_len: usize,
    url: *const u8,
    url_len: usize,
    error: *mut c_char,
    error_len: usize,
) -> i32 {
    let inputs = [(pattern, pattern_len), (method, method_len), (url, url_len)];
    let check = |[pattern, method, url]: [&[u8]; 3]| check::url_rule(pattern, method, url);
    // SAFETY: what the caller promises is what `checked` asks for.
    unsafe { checked(inputs, error, error_len, check) }
}

/// Makes slices of the inputs, runs a check, and writes why it refused.
///
/// # Safety
///
/// Each input that is not null has its length in readable bytes. `error` is null or has `error_len` writable bytes, which
/// overlap no input. Nobody writes to any of them meanwhile.
unsafe fn checked<const N: usize>(
    inputs: [(*const u8, usize); N],
    error: *mut c_char,
    error_len: usize,
    check: impl FnOnce([&[u8]; N]) -> Verdict,
) -> i32 {
    let is_bad =
        |&(bytes, len): &(*const u8, usize)| bytes.is_null() && len > 0 || isize::try_from(len).is_err();
    let (code, text) = if inputs.iter().any(is_bad) {
        (HYPERCELL_BAD_ARGUMENT, "an input is null or too long".to_owned())
    } else {
        let slices = inputs.map(|(bytes, len)| {
            if len == 0 {
                return &[][..];
            }
            // SAFETY: it is not null, its length is in range, and the caller promises that so many bytes can be read.
            unsafe { std::slice::from_raw_parts(bytes, len) }
        });
        match catch_unwind(AssertUnwindSafe(|| check(slices).map_err(|refusal| refusal.to_string()))) {
            Ok(Ok(())) => (HYPERCELL_OK, String::new()),
            Ok(Err(refusal)) => (HYPERCELL_REFUSED, refusal),
            Err(panic) => (HYPERCELL_PANIC, format!("panic: {}", text_of(&*panic))),
        }
    };
    if !error.is_null() && error_len > 0 {
        let kept = &text[..text.floor_char_boundary(error_len - 1)];
        // SAFETY: `kept` is shorter than `error_len`, and the caller promises so many bytes, apart from the inputs.
        unsafe { error.cast::<u8>().copy_from_nonoverlapping(kept.as_ptr(), kept.len()) };
        // SAFETY: as above, the length of `kept` is below `error_len`.
        let end = unsafe { error.add(kept.len()) };
        // SAFETY: `end` is within the buffer.
        unsafe { end.write(0) };
    }
    code
}

fn text_of(panic: &(dyn std::any::Any + Send)) -> &dyn Display {
    panic
        .downcast_ref::<String>()
        .map(|text| text as &dyn Display)
        .or_else(|| panic.downcast_ref::<&str>().map(|text| text as &dyn Display))
        .unwrap_or(&"of another type")
}

#[cfg(test)]
mod tests {
    use std::ffi::CStr;
    use std::ptr;

    use super::*;

    /// Runs a check on no input, and returns its code with what is in a buffer of `error_len` bytes.
    fn outcome(error_len: usize, check: impl FnOnce() -> Verdict) -> (i32, String) {
        let mut error = vec![0x55; error_len];
        // SAFETY: the only input is empty, and the buffer has its length.
        let code = unsafe {
            checked([(ptr::null(), 0)], error.as_mut_ptr().cast(), error_len, |[_]: [&[u8]; 1]| check())
        };
        let text = CStr::from_bytes_until_nul(&error).map(|text| text.to_str().unwrap().to_owned());
        (code, text.unwrap_or_default())
    }

    fn refusal(text: &str) -> Verdict {
        Err(check::Refusal::Request(text.to_owned()))
    }

    #[test]
    fn panic_becomes_a_code_and_its_text() {
        let (code, text) = outcome(64, || panic!("no {}", "luck"));
        assert_eq!((code, text.as_str()), (HYPERCELL_PANIC, "panic: no luck"));
    }

    #[test]
    fn text_is_cut_at_a_character_to_fit_with_its_nul() {
        assert_eq!(outcome(6, || refusal("abcé")), (HYPERCELL_REFUSED, "abcé".to_owned()));
        assert_eq!(outcome(5, || refusal("abcé")), (HYPERCELL_REFUSED, "abc".to_owned()));
        assert_eq!(outcome(1, || refusal("abcé")), (HYPERCELL_REFUSED, String::new()));
        assert_eq!(outcome(0, || refusal("abcé")), (HYPERCELL_REFUSED, String::new()));
    }

    #[test]
    fn null_is_empty_input_and_nothing_else() {
        // SAFETY: nothing is read of null pointers, and no text is wanted.
        let codes = [0, 1, usize::MAX]
            .map(|len| unsafe { hypercell_value_check(ptr::null(), len, ptr::null_mut(), 9) });
        assert_eq!(codes, [HYPERCELL_REFUSED, HYPERCELL_BAD_ARGUMENT, HYPERCELL_BAD_ARGUMENT]);
    }

    #[test]
    fn success_empties_the_error() {
        assert_eq!(outcome(8, || Ok(())), (HYPERCELL_OK, String::new()));
    }
}
