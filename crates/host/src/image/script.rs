//! Runs one of this folder's Python scripts in an interpreter and returns its answer.
//!
//! Guarantees: an answer is one line behind a marker, so whatever else site hooks print is ignored; output is
//! read up to a limit, and the interpreter is killed when its time is up.
//! Never: runs a script in anything but isolated mode (`-I`): no user site, no `PYTHON*` variables.
//!
//! Before: `discover`, `packages`, `bytecode`. After: the interpreter.

use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;

use super::error::ImageError;

/// First word of the answer's line.
const MARKER: &str = "hypercell-answer";
/// An answer lists the files of a package closure at most; the largest seen has 2 MiB.
const MAX_ANSWER_BYTES: u64 = 64 << 20;
/// What is kept of the standard error of an interpreter that fails.
const MAX_STDERR_BYTES: u64 = 64 << 10;

/// Which start-up code of the interpreter runs before the script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SiteImport {
    /// Site directories and their `.pth` files, as in an ordinary start.
    Yes,
    /// None (`-S`).
    No,
}

/// One run of a script.
#[derive(Debug)]
pub(crate) struct Script<'a> {
    pub(crate) python: &'a Path,
    pub(crate) text: &'a str,
    pub(crate) site: SiteImport,
    pub(crate) args: &'a [String],
    pub(crate) input: Vec<u8>,
    pub(crate) timeout: Duration,
}

impl Script<'_> {
    /// Runs the script and decodes its answer.
    ///
    /// # Errors
    ///
    /// [`ImageError::InterpreterStart`] where the file cannot be run, [`ImageError::InterpreterAnswer`] where it
    /// fails, takes too long, or answers something else.
    pub(crate) fn run<T: DeserializeOwned>(self) -> Result<T, ImageError> {
        let deadline = Instant::now() + self.timeout;
        let refuse =
            |detail: String| ImageError::InterpreterAnswer { python: self.python.to_path_buf(), detail };
        let mut command = Command::new(self.python);
        command.arg("-I");
        if self.site == SiteImport::No {
            command.arg("-S");
        }
        command.args(["-c", self.text, MARKER]).args(self.args).current_dir("/");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command
            .spawn()
            .map_err(|source| ImageError::InterpreterStart { python: self.python.to_path_buf(), source })?;

        let input = self.input;
        if let Some(mut pipe) = child.stdin.take() {
            // An interpreter that does not read its input fails by its answer, not here.
            thread::spawn(move || drop(pipe.write_all(&input)));
        }
        let stdout = read_up_to(child.stdout.take(), MAX_ANSWER_BYTES);
        let stderr = read_up_to(child.stderr.take(), MAX_STDERR_BYTES);
        let Ok(answer) = stdout.recv_timeout(deadline.saturating_duration_since(Instant::now())) else {
            stop(&mut child);
            return Err(refuse(format!("no answer within {:?}", self.timeout)));
        };
        let Some(status) = wait(&mut child, deadline) else {
            stop(&mut child);
            return Err(refuse(format!("it did not end within {:?}", self.timeout)));
        };
        if !status.success() {
            let text = stderr.recv_timeout(Duration::from_secs(1)).unwrap_or_default();
            return Err(refuse(format!("{status}: {}", tail(&text))));
        }
        let text = String::from_utf8_lossy(&answer);
        let line = text
            .lines()
            .rev()
            .find_map(|line| line.strip_prefix(MARKER))
            .ok_or_else(|| refuse(format!("no answer in {} bytes of output", answer.len())))?;
        serde_json::from_str(line).map_err(|error| refuse(format!("unreadable answer: {error}")))
    }
}

/// Reads a pipe on its own thread, so that neither a full pipe nor a silent program blocks the caller.
fn read_up_to<R: Read + Send + 'static>(pipe: Option<R>, max_bytes: u64) -> mpsc::Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel();
    if let Some(pipe) = pipe {
        thread::spawn(move || {
            let mut bytes = Vec::new();
            // What was read before an error is judged by the caller like a short answer.
            let _ = pipe.take(max_bytes).read_to_end(&mut bytes);
            let _ = sender.send(bytes);
        });
    }
    receiver
}

fn wait(child: &mut Child, deadline: Instant) -> Option<std::process::ExitStatus> {
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Some(status),
            Ok(None) if Instant::now() < deadline => thread::sleep(Duration::from_millis(1)),
            _ => return None,
        }
    }
}

fn stop(child: &mut Child) {
    // It has ended by itself if this fails.
    let _ = child.kill();
    let _ = child.wait();
}

/// Returns the last line of a traceback, which names the exception.
fn tail(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let line = text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("no message");
    line.chars().take(500).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use tempfile::TempDir;

    use super::*;

    /// Makes a program that behaves as the shell text says, and asks it.
    fn ask(shell: &str) -> Result<Vec<u32>, ImageError> {
        let dir = TempDir::new().expect("temporary directory");
        let python = dir.path().join("python");
        fs::write(&python, format!("#!/bin/sh\n{shell}\n")).expect("writable");
        fs::set_permissions(&python, fs::Permissions::from_mode(0o755)).expect("own file");
        Script {
            python: &python,
            text: "",
            site: SiteImport::Yes,
            args: &[],
            input: vec![b'x'; 1 << 20],
            timeout: Duration::from_millis(500),
        }
        .run()
    }

    fn refusal(shell: &str) -> String {
        match ask(shell) {
            Err(ImageError::InterpreterAnswer { detail, .. }) => detail,
            other => panic!("not refused: {other:?}"),
        }
    }

    #[test]
    fn the_answer_is_found_among_other_output_and_unread_input_is_no_error() {
        assert_eq!(ask("echo hello; echo 'hypercell-answer [1, 2]'; echo bye").expect("answered"), [1, 2]);
    }

    #[test]
    fn a_program_that_fails_is_quoted() {
        assert_eq!(refusal("echo 'one\ntwo' >&2; exit 3"), "exit status: 3: two");
    }

    #[test]
    fn a_program_that_says_nothing_or_something_else_is_refused() {
        assert_eq!(refusal("echo hello"), "no answer in 6 bytes of output");
        assert!(refusal("echo 'hypercell-answer {'").starts_with("unreadable answer: "));
    }

    #[test]
    fn a_program_that_never_ends_is_stopped() {
        assert_eq!(refusal("exec sleep 60"), "no answer within 500ms");
        assert_eq!(refusal("exec >&-; exec sleep 60"), "it did not end within 500ms");
    }

    #[test]
    fn a_program_that_writes_without_end_is_stopped() {
        // Either its time is up, or the pipe is closed behind the longest answer.
        let detail = refusal("exec cat /dev/zero");
        assert!(
            ["no answer within 500ms", "signal: 13 (SIGPIPE): no message"].contains(&&*detail),
            "{detail}"
        );
    }
}
