//! Pseudo-terminals (pty(7)): two ends, and between them the line discipline of termios(3).
//!
//! What it is: what is written to the master is what somebody types, what is written to the slave is what a program shows.
//! Guarantees: the bytes that wait in a terminal are bounded. Never: raises a signal, since no terminal controls the
//! program: what would be one is taken out of the input all the same.
//!
//! Before: file, syscall/fs/terminal.rs. After: space.

use alloc::collections::VecDeque;
use alloc::rc::{Rc, Weak};
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};

use linux_raw_sys::general as linux;

use super::file::Source;
use super::outside;
use super::space::{Share, Space};
use crate::errno::Errno;
use crate::user::UserBuffers;

/// Most bytes that wait to be read by the program, lines counting one more each (Linux: N_TTY_BUF_SIZE).
const INPUT_BYTES: usize = 4096;
/// Most bytes that wait to be read at the master.
const OUTPUT_BYTES: usize = 8192;
/// What a terminal may take of memory.
const TERMINAL_BYTES: u64 = 128 * 1024;
/// Most terminals at once.
const MAX_TERMINALS: usize = 64;
/// VTIME counts in tenths of a second.
const VTIME_NS: u64 = 100_000_000;
/// Bytes above this and the one below 0x20 are shown as `^X`.
const DELETE: u8 = 0x7f;

/// How the terminal treats its bytes; a program sets it.
pub type Settings = linux::termios;

/// What Linux sets for a new terminal (tty_std_termios): lines, echo, 38400 baud.
const START: Settings = Settings {
    c_iflag: linux::ICRNL | linux::IXON,
    c_oflag: linux::OPOST | linux::ONLCR,
    c_cflag: linux::B38400 | linux::CS8 | linux::CREAD,
    c_lflag: linux::ISIG
        | linux::ICANON
        | linux::ECHO
        | linux::ECHOE
        | linux::ECHOK
        | linux::ECHOCTL
        | linux::ECHOKE
        | linux::IEXTEN,
    c_line: 0,
    c_cc: [3, 28, 127, 21, 4, 0, 1, 0, 17, 19, 26, 0, 18, 15, 23, 22, 0, 0, 0],
};

/// Which queue of a terminal to empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Queue {
    /// What was typed.
    Input,
    /// What was shown.
    Output,
    /// Both.
    Both,
}

/// What was typed and not read yet.
#[derive(Debug, Default)]
struct Input {
    /// What may be read: lines, of which an empty one is an end of file.
    ready: VecDeque<Vec<u8>>,
    /// A line that is not complete.
    line: Vec<u8>,
}

impl Input {
    fn ready_bytes(&self) -> usize {
        self.ready.iter().map(Vec::len).sum()
    }

    fn used(&self) -> usize {
        self.ready_bytes() + self.ready.len() + self.line.len()
    }

    fn complete(&mut self) {
        self.ready.push_back(core::mem::take(&mut self.line));
    }
}

/// A terminal.
#[derive(Debug)]
pub struct Terminal {
    number: u32,
    settings: Cell<Settings>,
    size: Cell<linux::winsize>,
    input: RefCell<Input>,
    output: RefCell<VecDeque<u8>>,
    /// Nothing leaves the slave meanwhile.
    is_stopped: Cell<bool>,
    /// The slave cannot be opened yet (unlockpt(3)).
    is_locked: Cell<bool>,
    has_master: Cell<bool>,
    slaves: Cell<u32>,
    had_slave: Cell<bool>,
    changes: Cell<u64>,
    _share: Share,
}

impl Terminal {
    fn has(&self, flag: u32) -> bool {
        self.settings.get().c_lflag & flag != 0
    }

    /// Whether a byte is one of the special ones; 0 is none.
    fn is_special(&self, byte: u8, index: u32) -> bool {
        byte != 0 && self.settings.get().c_cc.get(index as usize) == Some(&byte)
    }

    fn special(&self, index: u32) -> u8 {
        self.settings.get().c_cc.get(index as usize).copied().unwrap_or(0)
    }

    fn changed(&self) {
        self.changes.set(self.changes.get() + 1);
        outside::files_changed();
    }

    /// Takes a byte that was typed.
    fn receive(&self, byte: u8) {
        let Some(byte) = self.mapped(byte) else { return };
        if self.settings.get().c_iflag & linux::IXON != 0 && self.flow_controlled(byte) {
            return;
        }
        let signals = [linux::VINTR, linux::VQUIT, linux::VSUSP];
        if self.has(linux::ISIG) && signals.into_iter().any(|index| self.is_special(byte, index)) {
            if !self.has(linux::NOFLSH) {
                self.flush(Queue::Both);
            }
            return self.echo(byte);
        }
        if self.has(linux::ICANON) {
            return self.edit(byte);
        }
        let mut input = self.input.borrow_mut();
        if input.used() < INPUT_BYTES {
            match input.ready.back_mut() {
                Some(last) => last.push(byte),
                None => input.ready.push_back(alloc::vec![byte]),
            }
        }
        drop(input);
        self.echo(byte);
    }

    /// What the input flags make of a byte.
    fn mapped(&self, byte: u8) -> Option<u8> {
        let flags = self.settings.get().c_iflag;
        let byte = if flags & linux::ISTRIP != 0 { byte & 0x7f } else { byte };
        match byte {
            b'\r' if flags & linux::IGNCR != 0 => None,
            b'\r' if flags & linux::ICRNL != 0 => Some(b'\n'),
            b'\n' if flags & linux::INLCR != 0 => Some(b'\r'),
            byte => Some(byte),
        }
    }

    fn flow_controlled(&self, byte: u8) -> bool {
        let stops = self.is_special(byte, linux::VSTOP);
        let starts = self.is_special(byte, linux::VSTART);
        if stops || starts {
            self.is_stopped.set(stops);
        }
        stops || starts
    }

    /// Takes a byte into the line that is being typed.
    fn edit(&self, byte: u8) {
        if self.is_special(byte, linux::VERASE) {
            if self.input.borrow_mut().line.pop().is_some() {
                self.echo_erased(1, byte);
            }
        } else if self.is_special(byte, linux::VKILL) {
            let erased = core::mem::take(&mut self.input.borrow_mut().line).len();
            self.echo_killed(erased, byte);
        } else if self.is_special(byte, linux::VEOF) {
            self.input.borrow_mut().complete();
        } else {
            let ends =
                byte == b'\n' || self.is_special(byte, linux::VEOL) || self.is_special(byte, linux::VEOL2);
            let mut input = self.input.borrow_mut();
            // Of a line that is too long its end is kept, as on Linux.
            if !ends && input.used() + 2 >= INPUT_BYTES {
                return;
            }
            input.line.push(byte);
            if ends {
                input.complete();
            }
            drop(input);
            self.echo(byte);
        }
    }

    fn echo(&self, byte: u8) {
        let line_ends = byte == b'\n' && self.has(linux::ICANON) && self.has(linux::ECHONL);
        if !self.has(linux::ECHO) && !line_ends {
            return;
        }
        let is_control = byte < b' ' || byte == DELETE;
        if self.has(linux::ECHOCTL) && is_control && !matches!(byte, b'\n' | b'\t') {
            self.show(b'^');
            self.show(byte ^ 0x40);
        } else {
            self.show(byte);
        }
    }

    fn echo_erased(&self, count: usize, byte: u8) {
        match (self.has(linux::ECHO), self.has(linux::ECHOE)) {
            (false, _) => {}
            (true, false) => self.echo(byte),
            (true, true) => (0..count).for_each(|_| b"\x08 \x08".iter().for_each(|&shown| self.show(shown))),
        }
    }

    fn echo_killed(&self, count: usize, byte: u8) {
        if self.has(linux::ECHOKE) && self.has(linux::ECHOE) {
            return self.echo_erased(count, byte);
        }
        self.echo(byte);
        if self.has(linux::ECHO) && self.has(linux::ECHOK) {
            self.show(b'\n');
        }
    }

    /// Brings a byte to the master, as the output flags have it; one for which there is no room is lost.
    fn show(&self, byte: u8) {
        let flags = self.settings.get().c_oflag;
        let flags = if flags & linux::OPOST == 0 { 0 } else { flags };
        let mut output = self.output.borrow_mut();
        if output.len() + 2 > OUTPUT_BYTES {
            return;
        }
        match byte {
            b'\n' if flags & linux::ONLCR != 0 => output.extend(b"\r\n"),
            b'\r' if flags & linux::OCRNL != 0 => output.push_back(b'\n'),
            byte => output.push_back(byte),
        }
    }

    /// Most bytes that can be shown now: each may become two.
    fn output_room(&self) -> usize {
        if self.is_stopped.get() { 0 } else { (OUTPUT_BYTES - self.output.borrow().len()) / 2 }
    }

    /// Most bytes that can be typed now. While no line is complete, what does not fit is dropped, so that one can be.
    fn input_room(&self) -> usize {
        let input = self.input.borrow();
        match self.has(linux::ICANON) && input.ready.is_empty() {
            true => INPUT_BYTES,
            false => INPUT_BYTES.saturating_sub(input.used() + 1),
        }
    }

    /// Bytes that must be there before a program reads them one by one.
    fn least(&self) -> usize {
        usize::from(self.special(linux::VMIN)).max(1)
    }

    fn has_input(&self) -> bool {
        let input = self.input.borrow();
        match self.has(linux::ICANON) {
            true => !input.ready.is_empty(),
            false => input.ready_bytes() >= self.least(),
        }
    }

    fn read_line(&self, to: &mut UserBuffers) -> Result<Option<usize>, Errno> {
        let mut input = self.input.borrow_mut();
        let Some(line) = input.ready.front_mut() else { return Ok(None) };
        let done = to.put(line)?;
        line.drain(..done);
        if line.is_empty() {
            input.ready.pop_front();
        }
        Ok(Some(done))
    }

    fn read_bytes(&self, to: &mut UserBuffers) -> Result<Option<usize>, Errno> {
        let mut input = self.input.borrow_mut();
        if input.ready_bytes() < self.least().min(to.left()) {
            return Ok(None);
        }
        let mut done = 0;
        while let Some(piece) = input.ready.front_mut() {
            let n = if to.left() == 0 { 0 } else { to.put(piece)? };
            piece.drain(..n);
            done += n;
            if !piece.is_empty() {
                break;
            }
            input.ready.pop_front();
        }
        Ok(Some(done))
    }

    /// How the terminal treats its bytes.
    pub fn settings(&self) -> Settings {
        self.settings.get()
    }

    /// Changes that. What was typed of a line can be read once lines do not count any more.
    pub fn set_settings(&self, settings: Settings) {
        let was_canonical = self.has(linux::ICANON);
        self.settings.set(settings);
        let mut input = self.input.borrow_mut();
        if was_canonical && !self.has(linux::ICANON) && !input.line.is_empty() {
            input.complete();
        }
        drop(input);
        if settings.c_iflag & linux::IXON == 0 {
            self.is_stopped.set(false);
        }
        self.changed();
    }

    /// Rows, columns and pixels.
    pub fn size(&self) -> linux::winsize {
        self.size.get()
    }

    /// Changes them; nobody is told, since no terminal controls the program.
    pub fn set_size(&self, size: linux::winsize) {
        self.size.set(size);
    }

    /// Empties queues.
    pub fn flush(&self, queue: Queue) {
        if queue != Queue::Output {
            self.input.take();
        }
        if queue != Queue::Input {
            self.output.borrow_mut().clear();
        }
        self.changed();
    }

    /// Holds back what the slave writes, or lets it go on.
    pub fn stop(&self, stops: bool) {
        self.is_stopped.set(stops);
        self.changed();
    }

    /// Tells whoever is at the master to stop or to go on, by the byte that means it.
    pub fn send_flow(&self, stops: bool) {
        let byte = self.special(if stops { linux::VSTOP } else { linux::VSTART });
        if byte != 0 {
            self.show(byte);
            self.changed();
        }
    }

    /// Its number below /dev/pts.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// Whether the slave cannot be opened.
    pub fn is_locked(&self) -> bool {
        self.is_locked.get()
    }

    /// Lets the slave be opened, or not.
    pub fn set_locked(&self, locked: bool) {
        self.is_locked.set(locked);
    }
}

/// Which end of a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Where somebody types and looks.
    Master,
    /// What a program has as its terminal.
    Slave,
}

/// One open end of a terminal; it closes when dropped.
#[derive(Debug)]
pub struct TerminalEnd {
    terminal: Rc<Terminal>,
    end: End,
}

impl TerminalEnd {
    fn open(terminal: &Rc<Terminal>, end: End) -> Self {
        match end {
            End::Master => terminal.has_master.set(true),
            End::Slave => {
                terminal.slaves.set(terminal.slaves.get() + 1);
                terminal.had_slave.set(true);
            }
        }
        terminal.changed();
        Self { terminal: terminal.clone(), end }
    }

    /// Which end it is.
    pub fn end(&self) -> End {
        self.end
    }

    /// The terminal.
    pub fn terminal(&self) -> &Rc<Terminal> {
        &self.terminal
    }

    /// Count of changes so far.
    pub fn changes(&self) -> u64 {
        self.terminal.changes.get()
    }

    /// Bytes that can be read at once.
    pub fn waiting(&self) -> usize {
        match self.end {
            End::Master => self.terminal.output.borrow().len(),
            End::Slave => self.terminal.input.borrow().ready_bytes(),
        }
    }

    /// Whether it is a slave whose master was closed: nothing can be asked of it any more.
    pub fn is_hung_up(&self) -> bool {
        self.end == End::Slave && self.is_alone()
    }

    fn is_alone(&self) -> bool {
        match self.end {
            End::Master => self.terminal.slaves.get() == 0,
            End::Slave => !self.terminal.has_master.get(),
        }
    }

    /// How long a read waits for its first byte, in nanoseconds; `None` is until there is one (VMIN and VTIME).
    pub fn patience(&self) -> Option<u64> {
        let t = &self.terminal;
        let at_once = self.end == End::Slave && !t.has(linux::ICANON) && t.special(linux::VMIN) == 0;
        at_once.then(|| u64::from(t.special(linux::VTIME)) * VTIME_NS)
    }

    /// Moves bytes to the program. `None` means that a reader would have to wait.
    ///
    /// # Errors
    ///
    /// `EIO` at a master whose slave was closed, `EFAULT`.
    pub fn read(&self, to: &mut UserBuffers) -> Result<Option<usize>, Errno> {
        let t = &self.terminal;
        if to.left() == 0 {
            return Ok(Some(0));
        }
        let done = match self.end {
            End::Slave if self.is_alone() => return Ok(Some(0)),
            End::Slave if t.has(linux::ICANON) => t.read_line(to)?,
            End::Slave => t.read_bytes(to)?,
            End::Master => {
                let mut output = t.output.borrow_mut();
                if output.is_empty() {
                    return if self.is_alone() && t.had_slave.get() { Err(Errno::EIO) } else { Ok(None) };
                }
                let done = to.put(output.make_contiguous())?;
                output.drain(..done);
                Some(done)
            }
        };
        if done.is_some() {
            t.changed();
        }
        Ok(done)
    }

    /// Moves bytes from the program. `None` means that a writer would have to wait.
    ///
    /// # Errors
    ///
    /// `EIO` where the other end is closed, `EFAULT`.
    pub fn write(&self, from: &mut dyn Source) -> Result<Option<usize>, Errno> {
        let t = &self.terminal;
        if self.is_alone() {
            return Err(Errno::EIO);
        }
        let room = if self.end == End::Master { t.input_room() } else { t.output_room() };
        if room == 0 && from.left() > 0 {
            return Ok(None);
        }
        let mut piece = [0; 256];
        let len = piece.len().min(room).min(from.left());
        let done = from.take(&mut piece[..len])?;
        for &byte in &piece[..done] {
            if self.end == End::Master { t.receive(byte) } else { t.show(byte) }
        }
        t.changed();
        Ok(Some(done))
    }

    /// Readiness in poll(2)'s bits.
    pub fn ready(&self) -> u32 {
        let t = &self.terminal;
        let (has_input, room) = match self.end {
            End::Master => (!t.output.borrow().is_empty(), t.input_room()),
            End::Slave => (t.has_input(), t.output_room()),
        };
        let is_gone = self.is_alone() && (self.end == End::Slave || t.had_slave.get());
        let input = if has_input || is_gone { linux::POLLIN | linux::POLLRDNORM } else { 0 };
        let output = if room > 0 || is_gone { linux::POLLOUT | linux::POLLWRNORM } else { 0 };
        input | output | if is_gone { linux::POLLHUP } else { 0 }
    }
}

impl Drop for TerminalEnd {
    fn drop(&mut self) {
        match self.end {
            End::Master => self.terminal.has_master.set(false),
            End::Slave => self.terminal.slaves.set(self.terminal.slaves.get().saturating_sub(1)),
        }
        self.terminal.changed();
    }
}

/// The terminals whose master is open, by number.
#[derive(Debug, Default)]
pub struct Terminals {
    list: RefCell<Vec<Weak<Terminal>>>,
}

impl Terminals {
    /// Makes a terminal and opens its master.
    ///
    /// # Errors
    ///
    /// `ENOSPC` where there are too many, or memory is used up.
    pub fn make(&self, space: &Rc<Space>) -> Result<TerminalEnd, Errno> {
        let share = Share::of(space, TERMINAL_BYTES)?;
        let mut list = self.list.borrow_mut();
        let index = list.iter().position(|weak| weak.strong_count() == 0).unwrap_or(list.len());
        if index >= MAX_TERMINALS {
            return Err(Errno::ENOSPC);
        }
        let terminal = Rc::new(Terminal {
            number: index as u32,
            settings: Cell::new(START),
            size: Cell::new(linux::winsize { ws_row: 0, ws_col: 0, ws_xpixel: 0, ws_ypixel: 0 }),
            input: RefCell::default(),
            output: RefCell::default(),
            is_stopped: Cell::new(false),
            is_locked: Cell::new(true),
            has_master: Cell::new(false),
            slaves: Cell::new(0),
            had_slave: Cell::new(false),
            changes: Cell::new(0),
            _share: share,
        });
        match list.get_mut(index) {
            Some(slot) => *slot = Rc::downgrade(&terminal),
            None => list.push(Rc::downgrade(&terminal)),
        }
        Ok(TerminalEnd::open(&terminal, End::Master))
    }

    /// Numbers of those whose master is open.
    pub fn numbers(&self) -> Vec<u32> {
        let list = self.list.borrow();
        list.iter()
            .filter_map(Weak::upgrade)
            .filter(|one| one.has_master.get())
            .map(|one| one.number)
            .collect()
    }

    /// Opens the slave of a terminal.
    ///
    /// # Errors
    ///
    /// `ENOENT` where there is none, `EIO` where it is locked.
    pub fn open_slave(&self, number: u32) -> Result<TerminalEnd, Errno> {
        let list = self.list.borrow();
        let terminal = list.get(number as usize).and_then(Weak::upgrade).filter(|one| one.has_master.get());
        let terminal = terminal.ok_or(Errno::ENOENT)?;
        if terminal.is_locked() {
            return Err(Errno::EIO);
        }
        Ok(TerminalEnd::open(&terminal, End::Slave))
    }
}
