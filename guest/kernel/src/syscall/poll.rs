//! Waiting for files: poll, select, epoll.
//!
//! Guarantees: what is ready is reported at once. Otherwise other threads run, who may make something ready, or the host waits
//! until the time is over; a wait without a time that nothing can end answers `EDEADLK`.
//!
//! Before: table. After: vfs::event, vfs::file.

use alloc::rc::Rc;
use alloc::vec::Vec;

use linux_raw_sys::general as linux;

use super::signal::with_mask;
use crate::errno::{Args, Errno, SysResult};
use crate::thread::Woken;
use crate::user::{self, UserPtr};
use crate::vfs::event::{Change, Epoll};
use crate::vfs::{self, MAX_DESCRIPTORS, Object, OpenFile, outside};

/// How long to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wait {
    /// This many nanoseconds.
    For(u64),
    /// Until something happens.
    Forever,
}

impl Wait {
    fn milliseconds(value: i32) -> Self {
        u64::try_from(value).map_or(Self::Forever, |ms| Self::For(ms * 1_000_000))
    }

    fn seconds(seconds: i64, nanos: i64) -> Result<Self, Errno> {
        let seconds = u64::try_from(seconds).map_err(|_| Errno::EINVAL)?;
        let nanos = u64::try_from(nanos).ok().filter(|&n| n < 1_000_000_000).ok_or(Errno::EINVAL)?;
        Ok(Self::For(seconds.saturating_mul(1_000_000_000).saturating_add(nanos)))
    }

    fn timespec(at: u64) -> Result<Self, Errno> {
        let pointer = UserPtr::<linux::timespec>::new(at);
        if pointer.is_null() {
            return Ok(Self::Forever);
        }
        let time = pointer.read()?;
        Self::seconds(time.tv_sec, time.tv_nsec)
    }

    fn timeval(at: u64) -> Result<Self, Errno> {
        let pointer = UserPtr::<linux::timeval>::new(at);
        if pointer.is_null() {
            return Ok(Self::Forever);
        }
        let time = pointer.read()?;
        // select(2) takes a second or more in the microseconds, unlike poll's relatives.
        let micros = u64::try_from(time.tv_usec).map_err(|_| Errno::EINVAL)?;
        let seconds = u64::try_from(time.tv_sec).map_err(|_| Errno::EINVAL)?;
        Ok(Self::For(seconds.saturating_mul(1_000_000_000).saturating_add(micros.saturating_mul(1000))))
    }

    /// Asks `ready` until it reports something or the time is over.
    fn until(self, mut ready: impl FnMut() -> SysResult) -> SysResult {
        let count = ready()?;
        if count > 0 || self == Self::For(0) {
            return Ok(count);
        }
        let deadline = match self {
            Self::For(ns) => Some(outside::monotonic_ns().saturating_add(ns).min(u64::MAX - 1)),
            Self::Forever => None,
        };
        loop {
            let woken = outside::wait_for_files(deadline);
            let count = ready()?;
            match woken {
                _ if count > 0 => return Ok(count),
                Woken::Event => {}
                Woken::TimedOut => return Ok(0),
                Woken::Signal => return Err(Errno::EINTR),
                Woken::Deadlock => return Err(Errno::EDEADLK),
            }
        }
    }
}

/// Readiness of a descriptor; a closed one is POLLNVAL.
fn ready(fd: i32) -> u32 {
    vfs::file(fd).map_or(linux::POLLNVAL, |file| file.ready())
}

fn poll(at: u64, count: u64, wait: Wait) -> SysResult {
    if count > vfs::most_descriptors() as u64 {
        return Err(Errno::EINVAL);
    }
    let array = UserPtr::<linux::pollfd>::new(at);
    let mut entries = Vec::with_capacity(count as usize);
    for index in 0..count as usize {
        entries.push(array.element(index)?.read()?);
    }
    let always = linux::POLLERR | linux::POLLHUP | linux::POLLNVAL;
    let found = wait.until(|| {
        let mut found = 0;
        for entry in &mut entries {
            let wanted = u32::from(entry.events as u16) | always;
            entry.revents = if entry.fd < 0 { 0 } else { (ready(entry.fd) & wanted) as i16 };
            found += u64::from(entry.revents != 0);
        }
        Ok(found)
    })?;
    for (index, entry) in entries.into_iter().enumerate() {
        array.element(index)?.write(entry)?;
    }
    Ok(found)
}

/// poll(2).
pub fn sys_poll(args: &Args) -> SysResult {
    poll(args.0[0], args.0[1], Wait::milliseconds(args.int(2)))
}

/// ppoll(2). The time that was left is not written back, which callers of the C library do not see.
pub fn sys_ppoll(args: &Args) -> SysResult {
    let wait = Wait::timespec(args.0[2])?;
    with_mask(args.0[3], args.0[4], || poll(args.0[0], args.0[1], wait))
}

/// A set of descriptors as select(2) passes it.
struct Set {
    at: u64,
    bits: Vec<u8>,
}

impl Set {
    fn read(at: u64, count: usize) -> Result<Self, Errno> {
        // Sets are arrays of 64-bit words.
        let mut bits = alloc::vec![0; if at == 0 { 0 } else { count.div_ceil(64) * 8 }];
        user::read_bytes(at, &mut bits)?;
        Ok(Self { at, bits })
    }

    fn has(&self, fd: usize) -> bool {
        self.bits.get(fd / 8).is_some_and(|byte| byte & 1 << (fd % 8) != 0)
    }

    /// Writes the descriptors back that are also in `ready`.
    fn write(&self, ready: &[bool]) -> SysResult {
        let mut bits = alloc::vec![0u8; self.bits.len()];
        let mut count = 0;
        for fd in (0..ready.len()).filter(|&fd| ready[fd] && self.has(fd)) {
            bits[fd / 8] |= 1 << (fd % 8);
            count += 1;
        }
        user::write_bytes(self.at, &bits)?;
        Ok(count)
    }
}

fn select(args: &Args, wait: Wait) -> SysResult {
    let count = usize::try_from(args.int(0)).map_err(|_| Errno::EINVAL)?.min(MAX_DESCRIPTORS);
    let inputs = Set::read(args.0[1], count)?;
    let outputs = Set::read(args.0[2], count)?;
    let exceptions = Set::read(args.0[3], count)?;
    let mut readable = alloc::vec![false; count];
    let mut writable = alloc::vec![false; count];
    let none = alloc::vec![false; count];
    wait.until(|| {
        let mut found = 0;
        for fd in 0..count {
            if !inputs.has(fd) && !outputs.has(fd) && !exceptions.has(fd) {
                continue;
            }
            let bits = vfs::file(fd as i32)?.ready();
            readable[fd] = bits & (linux::POLLIN | linux::POLLHUP | linux::POLLERR) != 0;
            writable[fd] = bits & (linux::POLLOUT | linux::POLLERR) != 0;
            found += u64::from(inputs.has(fd) && readable[fd]) + u64::from(outputs.has(fd) && writable[fd]);
        }
        Ok(found)
    })?;
    Ok(inputs.write(&readable)? + outputs.write(&writable)? + exceptions.write(&none)?)
}

/// select(2).
pub fn sys_select(args: &Args) -> SysResult {
    select(args, Wait::timeval(args.0[4])?)
}

/// pselect6(2). Its last argument points to the mask of signals and the size of that.
pub fn sys_pselect6(args: &Args) -> SysResult {
    let wait = Wait::timespec(args.0[4])?;
    let pair = UserPtr::<[u64; 2]>::new(args.0[5]);
    let [mask, size] = if pair.is_null() { [0; 2] } else { pair.read()? };
    with_mask(mask, size, || select(args, wait))
}

fn make_epoll(flags: u32) -> SysResult {
    if flags & !linux::EPOLL_CLOEXEC != 0 {
        return Err(Errno::EINVAL);
    }
    vfs::with(|vfs| {
        let epoll = Epoll::new(&vfs.space)?;
        let file = OpenFile::anonymous(Object::Epoll(epoll), "eventpoll", linux::O_RDWR);
        vfs.fds.add(file, flags & linux::EPOLL_CLOEXEC != 0, 0)
    })
}

/// epoll_create(2).
pub fn sys_epoll_create(args: &Args) -> SysResult {
    if args.int(0) <= 0 { Err(Errno::EINVAL) } else { make_epoll(0) }
}

/// epoll_create1(2).
pub fn sys_epoll_create1(args: &Args) -> SysResult {
    make_epoll(args.uint(0))
}

fn epoll(file: &Rc<OpenFile>) -> Result<&Epoll, Errno> {
    match &file.object {
        Object::Epoll(epoll) => Ok(epoll),
        _ => Err(Errno::EINVAL),
    }
}

/// epoll_ctl(2).
pub fn sys_epoll_ctl(args: &Args) -> SysResult {
    let instance = vfs::file(args.int(0))?;
    let watched = vfs::file(args.int(2))?;
    let event = || UserPtr::<linux::epoll_event>::new(args.0[3]).read();
    let change = match args.uint(1) {
        linux::EPOLL_CTL_ADD => event().map(|e| Change::Add(e.events, e.data))?,
        linux::EPOLL_CTL_MOD => event().map(|e| Change::Modify(e.events, e.data))?,
        linux::EPOLL_CTL_DEL => Change::Remove,
        _ => return Err(Errno::EINVAL),
    };
    epoll(&instance)?.change(args.int(2), &watched, change)
}

fn epoll_wait(args: &Args, wait: Wait) -> SysResult {
    let instance = vfs::file(args.int(0))?;
    let instance = epoll(&instance)?;
    let max = usize::try_from(args.int(2)).ok().filter(|&max| max > 0).ok_or(Errno::EINVAL)?;
    let array = UserPtr::<linux::epoll_event>::new(args.0[1]);
    wait.until(|| {
        let mut index = 0;
        let count = instance.collect(max, &mut |events, data| {
            array.element(index)?.write(linux::epoll_event { events, data })?;
            index += 1;
            Ok(())
        })?;
        Ok(count as u64)
    })
}

/// epoll_wait(2).
pub fn sys_epoll_wait(args: &Args) -> SysResult {
    epoll_wait(args, Wait::milliseconds(args.int(3)))
}

/// epoll_pwait(2).
pub fn sys_epoll_pwait(args: &Args) -> SysResult {
    with_mask(args.0[4], args.0[5], || sys_epoll_wait(args))
}

/// epoll_pwait2(2).
pub fn sys_epoll_pwait2(args: &Args) -> SysResult {
    let wait = Wait::timespec(args.0[3])?;
    with_mask(args.0[4], args.0[5], || epoll_wait(args, wait))
}
