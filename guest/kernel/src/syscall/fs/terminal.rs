//! Control of pseudo-terminals: settings, size, queues, and the way from the master to its slave (ioctl_tty(2)).
//!
//! Before: descriptor. After: vfs::terminal.

use linux_raw_sys::{general as linux, ioctl};

use crate::errno::{Errno, SysResult};
use crate::user::UserPtr;
use crate::vfs::terminal::{End, Queue, Settings, Terminal, TerminalEnd};
use crate::vfs::{self, Node, Object, OpenFile, Place};

/// The rate that a terminal shows, in baud; it has no meaning.
const BAUD: u32 = 38_400;

/// Answers an ioctl that terminals know.
///
/// # Errors
///
/// `ENOTTY` for anything else, and for what only the terminal that controls a program knows, which there is not; `EIO`
/// after the master was closed.
pub fn control(end: &TerminalEnd, request: u32, argument: u64) -> SysResult {
    if end.is_hung_up() {
        return Err(Errno::EIO);
    }
    let terminal = end.terminal();
    match request {
        ioctl::TCGETS => UserPtr::new(argument).write(terminal.settings()).map(|()| 0),
        ioctl::TCGETS2 => UserPtr::new(argument).write(with_rates(terminal.settings())).map(|()| 0),
        ioctl::TCSETS | ioctl::TCSETSW | ioctl::TCSETSF => {
            let settings = UserPtr::<Settings>::new(argument).read()?;
            set(terminal, settings, request == ioctl::TCSETSF)
        }
        ioctl::TCSETS2 | ioctl::TCSETSW2 | ioctl::TCSETSF2 => {
            let settings = without_rates(UserPtr::<linux::termios2>::new(argument).read()?);
            set(terminal, settings, request == ioctl::TCSETSF2)
        }
        ioctl::TIOCGWINSZ => UserPtr::new(argument).write(terminal.size()).map(|()| 0),
        ioctl::TIOCSWINSZ => {
            terminal.set_size(UserPtr::<linux::winsize>::new(argument).read()?);
            Ok(0)
        }
        ioctl::TCFLSH => flush(end, argument as u32),
        ioctl::TCXONC => control_flow(terminal, argument as u32),
        // Nothing is on a wire: breaks go nowhere, and what was written has arrived.
        ioctl::TCSBRK | ioctl::TCSBRKP => Ok(0),
        ioctl::TIOCOUTQ => UserPtr::<i32>::new(argument).write(0).map(|()| 0),
        ioctl::TIOCGETD => UserPtr::<i32>::new(argument).write(0).map(|()| 0),
        ioctl::TIOCSCTTY | ioctl::TIOCSTI => Err(Errno::EPERM),
        _ if end.end() == End::Master => control_master(terminal, request, argument),
        _ => Err(Errno::ENOTTY),
    }
}

fn control_master(terminal: &Terminal, request: u32, argument: u64) -> SysResult {
    match request {
        ioctl::TIOCGPTN => UserPtr::<u32>::new(argument).write(terminal.number()).map(|()| 0),
        ioctl::TIOCGPTLCK => UserPtr::<i32>::new(argument).write(terminal.is_locked().into()).map(|()| 0),
        ioctl::TIOCSPTLCK => {
            terminal.set_locked(UserPtr::<i32>::new(argument).read()? != 0);
            Ok(0)
        }
        ioctl::TIOCGPTPEER => {
            let flags = argument as u32;
            vfs::with(|vfs| {
                let slave = vfs.terminals.open_slave(terminal.number())?;
                let place = Place::of(Node::Terminal(terminal.number()));
                let file = OpenFile::at(place, Object::Terminal(slave), flags);
                vfs.fds.add(file, flags & linux::O_CLOEXEC != 0, 0)
            })
        }
        _ => Err(Errno::ENOTTY),
    }
}

fn set(terminal: &Terminal, settings: Settings, flushes: bool) -> SysResult {
    if flushes {
        terminal.flush(Queue::Input);
    }
    terminal.set_settings(settings);
    Ok(0)
}

/// tcflush(3): of a slave its input is what was typed, of a master what was shown.
fn flush(end: &TerminalEnd, selector: u32) -> SysResult {
    let queue = match (selector, end.end()) {
        (linux::TCIOFLUSH, _) => Queue::Both,
        (linux::TCIFLUSH, End::Slave) | (linux::TCOFLUSH, End::Master) => Queue::Input,
        (linux::TCOFLUSH, End::Slave) | (linux::TCIFLUSH, End::Master) => Queue::Output,
        _ => return Err(Errno::EINVAL),
    };
    end.terminal().flush(queue);
    Ok(0)
}

/// tcflow(3).
fn control_flow(terminal: &Terminal, action: u32) -> SysResult {
    match action {
        linux::TCOOFF => terminal.stop(true),
        linux::TCOON => terminal.stop(false),
        linux::TCIOFF => terminal.send_flow(true),
        linux::TCION => terminal.send_flow(false),
        _ => return Err(Errno::EINVAL),
    }
    Ok(0)
}

fn with_rates(settings: Settings) -> linux::termios2 {
    let Settings { c_iflag, c_oflag, c_cflag, c_lflag, c_line, c_cc } = settings;
    linux::termios2 { c_iflag, c_oflag, c_cflag, c_lflag, c_line, c_cc, c_ispeed: BAUD, c_ospeed: BAUD }
}

fn without_rates(settings: linux::termios2) -> Settings {
    let linux::termios2 { c_iflag, c_oflag, c_cflag, c_lflag, c_line, c_cc, .. } = settings;
    Settings { c_iflag, c_oflag, c_cflag, c_lflag, c_line, c_cc }
}
