//! Standard output and standard error of a run, kept up to a limit.
//!
//! Guarantees: both streams together never hold more bytes than the limit; what came before it is kept whole.
//! Never: looks at the bytes, but to show them as text.
//!
//! Before: `dispatch`. After: the report of the run.

use hypercell_abi::message::OutputStream;

use crate::error::{LimitError, LimitKind};
use crate::gate::Budget;

/// The output so far.
#[derive(Debug, Clone)]
pub(crate) struct OutputCapture {
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    budget: Budget,
}

impl OutputCapture {
    /// Starts with nothing, and room for `max_bytes`.
    pub(crate) fn new(max_bytes: u64) -> Self {
        Self { stdout: Vec::new(), stderr: Vec::new(), budget: Budget::new(LimitKind::Output, max_bytes) }
    }

    /// Returns what of this fits.
    pub(crate) fn fitting<'a>(&self, data: &'a [u8]) -> &'a [u8] {
        let room = usize::try_from(self.budget.left()).unwrap_or(usize::MAX);
        data.get(..room).unwrap_or(data)
    }

    /// Appends what the guest wrote. Input is guest-controlled.
    ///
    /// # Errors
    ///
    /// [`LimitError`] if not all of it fits; what fits is kept.
    pub(crate) fn write(&mut self, stream: OutputStream, data: &[u8]) -> Result<(), LimitError> {
        let kept = self.fitting(data);
        match stream {
            OutputStream::Stdout => self.stdout.extend_from_slice(kept),
            OutputStream::Stderr => self.stderr.extend_from_slice(kept),
        }
        self.budget.charge(data.len())
    }

    /// Returns how much both streams hold.
    pub(crate) fn len_bytes(&self) -> usize {
        self.stdout.len() + self.stderr.len()
    }

    /// Returns what a stream holds.
    pub(crate) fn bytes(&self, stream: OutputStream) -> &[u8] {
        match stream {
            OutputStream::Stdout => &self.stdout,
            OutputStream::Stderr => &self.stderr,
        }
    }

    /// Returns a stream as text. Bytes that are not UTF-8 become U+FFFD; a character that the limit cut is left out.
    pub(crate) fn text(&self, stream: OutputStream) -> String {
        let bytes = self.bytes(stream);
        let whole = if self.budget.is_exceeded() { without_cut_character(bytes) } else { bytes };
        String::from_utf8_lossy(whole).into_owned()
    }
}

fn without_cut_character(bytes: &[u8]) -> &[u8] {
    match std::str::from_utf8(bytes) {
        // No length means that the text ends within a character.
        Err(error) if error.error_len().is_none() => &bytes[..error.valid_up_to()],
        _ => bytes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_up_to_the_limit_is_kept_and_more_is_an_error() {
        let mut output = OutputCapture::new(4);
        assert_eq!(output.write(OutputStream::Stdout, b"ab"), Ok(()));
        assert_eq!(output.write(OutputStream::Stderr, b"cd"), Ok(()));
        let error = output.write(OutputStream::Stdout, b"e").expect_err("no room");
        assert_eq!((error.used, error.maximum), (5, 4));
        assert_eq!(output.text(OutputStream::Stdout), "ab");
        assert_eq!(output.text(OutputStream::Stderr), "cd");
    }

    #[test]
    fn character_that_the_limit_cuts_is_left_out() {
        let mut output = OutputCapture::new(3);
        output.write(OutputStream::Stdout, "a\u{20ac}".as_bytes()).expect_err("no room");
        assert_eq!(output.text(OutputStream::Stdout), "a");
    }

    #[test]
    fn bytes_that_are_no_text_are_shown_as_such() {
        let mut output = OutputCapture::new(9);
        output.write(OutputStream::Stdout, b"a\xffb\xe2").expect("room");
        assert_eq!(output.text(OutputStream::Stdout), "a\u{fffd}b\u{fffd}");
    }
}
