//! Program memory: the only way for the kernel to read or write it.
//!
//! What it is: an address from a program is a claim. `UserPtr` and `UserSlice` hold the claim; reading or writing is a
//! second step that asks the memory map first. Guarantees: a bad address is `EFAULT`, never a fault of the kernel; no
//! Rust reference to program memory is ever formed, bytes are copied. Never: call this while the memory map is borrowed,
//! since the copy may page-fault.
//!
//! Before: syscall, vfs, task. After: mm.

#![expect(unsafe_code, reason = "the one module that dereferences addresses of the program")]

use alloc::vec::Vec;
use core::marker::PhantomData;

use linux_raw_sys::general as linux;

use crate::errno::Errno;
#[cfg(not(test))]
use crate::mm::access_ok;
#[cfg(test)]
use testing::access_ok;

/// Longest path with its final NUL (limits.h), the bound of every string a program passes.
pub const PATH_MAX: usize = 4096;
const PAGE: u64 = 4096;

fn check(address: u64, len: usize, write: bool) -> Result<(), Errno> {
    if len != 0 && (address == 0 || !access_ok(address, len as u64, write)) {
        return Err(Errno::EFAULT);
    }
    Ok(())
}

/// Copies bytes of the program.
///
/// # Errors
///
/// `EFAULT` where the program itself could not read them.
pub fn read_bytes(address: u64, to: &mut [u8]) -> Result<(), Errno> {
    check(address, to.len(), false)?;
    // SAFETY: 1. the range is mapped and readable (`check`). 2. `to` is kernel memory, which the memory map never hands
    // to a program, so the ranges do not overlap. 3. One processor: nobody writes meanwhile.
    unsafe { core::ptr::copy_nonoverlapping(address as *const u8, to.as_mut_ptr(), to.len()) };
    Ok(())
}

/// Copies bytes to the program.
///
/// # Errors
///
/// `EFAULT` where the program itself could not write them.
pub fn write_bytes(address: u64, from: &[u8]) -> Result<(), Errno> {
    check(address, from.len(), true)?;
    // SAFETY: 1. the range is mapped and writable (`check`). 2. The kernel holds no reference into program memory, and
    // the read-only image is never writable, so the ranges do not overlap. 3. One processor: nobody reads meanwhile.
    unsafe { core::ptr::copy_nonoverlapping(from.as_ptr(), address as *mut u8, from.len()) };
    Ok(())
}

/// Copies a NUL-terminated string, without the NUL.
///
/// # Errors
///
/// `EFAULT` for a bad address, `ENAMETOOLONG` where no NUL comes within `max` bytes.
pub fn read_cstr(address: u64, max: usize) -> Result<Vec<u8>, Errno> {
    let mut bytes = Vec::new();
    let mut at = address;
    // Pages are the grain of access, so a piece up to the page's end needs one question.
    let mut piece = [0; 256];
    while bytes.len() < max {
        let in_page = (PAGE - at % PAGE) as usize;
        let n = piece.len().min(in_page).min(max - bytes.len());
        read_bytes(at, &mut piece[..n])?;
        if let Some(end) = piece[..n].iter().position(|&b| b == 0) {
            bytes.extend_from_slice(&piece[..end]);
            return Ok(bytes);
        }
        bytes.extend_from_slice(&piece[..n]);
        at = at.checked_add(n as u64).ok_or(Errno::EFAULT)?;
    }
    Err(Errno::ENAMETOOLONG)
}

/// Copies a NUL-terminated string to show it: its first `max` bytes, if it is longer; `None` for a bad address.
pub fn read_text(address: u64, max: usize) -> Option<Vec<u8>> {
    match read_cstr(address, max) {
        Ok(text) => Some(text),
        Err(Errno::ENAMETOOLONG) => {
            let mut text = alloc::vec![0; max];
            read_bytes(address, &mut text).ok()?;
            Some(text)
        }
        Err(_) => None,
    }
}

/// Copies a path.
///
/// # Errors
///
/// As [`read_cstr`] with [`PATH_MAX`].
pub fn read_path(address: u64) -> Result<Vec<u8>, Errno> {
    read_cstr(address, PATH_MAX)
}

/// Types of which every bit pattern is a value, so that a program may have written them.
///
/// # Safety
///
/// The type has no invalid bit pattern and holds no reference.
pub unsafe trait Plain: Copy + 'static {}

macro_rules! plain {
    ($($type:ty)*) => {
        $(
            // SAFETY: integers and C structures of integers and raw pointers.
            unsafe impl Plain for $type {}
        )*
    };
}

plain! {
    u8 u16 u32 u64 i32 i64 [i32; 2] [u32; 2] [u64; 2] [u64; 3] [i64; 2] [u8; 16]
    linux::termios linux::termios2 linux::winsize
    linux::stat linux::statx linux::statfs linux::timespec linux::timeval linux::iovec linux::pollfd linux::epoll_event
    linux::flock linux::open_how linux_raw_sys::net::msghdr
}

/// A claim of the program that a `T` lies at an address. Holding one proves nothing; alignment is not asked for.
#[derive(Clone, Copy, Debug)]
pub struct UserPtr<T> {
    address: u64,
    kind: PhantomData<T>,
}

impl<T: Plain> UserPtr<T> {
    /// Takes the claim.
    pub fn new(address: u64) -> Self {
        Self { address, kind: PhantomData }
    }

    /// Whether the program passed no pointer at all.
    pub fn is_null(self) -> bool {
        self.address == 0
    }

    /// The claim about the `index`-th element of an array.
    ///
    /// # Errors
    ///
    /// `EFAULT` past the end of the address space.
    pub fn element(self, index: usize) -> Result<Self, Errno> {
        let offset = (size_of::<T>() as u64).checked_mul(index as u64).ok_or(Errno::EFAULT)?;
        Ok(Self::new(self.address.checked_add(offset).ok_or(Errno::EFAULT)?))
    }

    /// Copies the value from the program.
    ///
    /// # Errors
    ///
    /// `EFAULT`.
    pub fn read(self) -> Result<T, Errno> {
        check(self.address, size_of::<T>(), false)?;
        // SAFETY: the range is mapped and readable (`check`), and any bytes are a `T` (`Plain`).
        Ok(unsafe { core::ptr::read_unaligned(self.address as *const T) })
    }

    /// Copies a value to the program.
    ///
    /// # Errors
    ///
    /// `EFAULT`.
    pub fn write(self, value: T) -> Result<(), Errno> {
        check(self.address, size_of::<T>(), true)?;
        // SAFETY: the range is mapped and writable (`check`), and the kernel holds no reference into it.
        unsafe { core::ptr::write_unaligned(self.address as *mut T, value) };
        Ok(())
    }
}

/// A claim of the program about a range of bytes: its end does not pass the end of the address space, no more is proven.
#[derive(Clone, Copy, Debug, Default)]
pub struct UserSlice {
    address: u64,
    len: usize,
}

impl UserSlice {
    /// Takes the claim.
    ///
    /// # Errors
    ///
    /// `EFAULT` where the range wraps around.
    pub fn new(address: u64, len: u64) -> Result<Self, Errno> {
        address.checked_add(len).ok_or(Errno::EFAULT)?;
        Ok(Self { address, len: usize::try_from(len).map_err(|_| Errno::EFAULT)? })
    }

    /// Claimed length in bytes.
    pub fn len(self) -> usize {
        self.len
    }

    /// Whether nothing is claimed.
    pub fn is_empty(self) -> bool {
        self.len == 0
    }

    /// The first `len` bytes of the claim, or all where it is shorter.
    pub fn first(self, len: usize) -> Self {
        Self { address: self.address, len: self.len.min(len) }
    }

    /// The claim without its first `len` bytes.
    fn rest(self, len: usize) -> Self {
        let n = len.min(self.len);
        Self { address: self.address + n as u64, len: self.len - n }
    }

    /// Writes the first bytes of the range.
    ///
    /// # Errors
    ///
    /// `EFAULT`, also where `from` is longer than the claim.
    pub fn write(self, from: &[u8]) -> Result<(), Errno> {
        if from.len() > self.len {
            return Err(Errno::EFAULT);
        }
        write_bytes(self.address, from)
    }
}

/// The buffers of one read or write call, used up from front to back.
#[derive(Debug, Default)]
pub struct UserBuffers {
    current: UserSlice,
    /// Buffers after the current one, last first.
    later: Vec<UserSlice>,
    left: usize,
}

/// Most buffers of one call (IOV_MAX).
const IOV_MAX: u64 = 1024;
/// Most bytes of one call: Linux' MAX_RW_COUNT, see read(2).
pub const MAX_RW_BYTES: usize = 0x7fff_f000;

impl UserBuffers {
    /// One buffer; more bytes than one call moves are left out.
    ///
    /// # Errors
    ///
    /// `EFAULT` where the range wraps around.
    pub fn one(address: u64, len: u64) -> Result<Self, Errno> {
        if i64::try_from(len).is_err() {
            return Err(Errno::EFAULT);
        }
        let current = UserSlice::new(address, len.min(MAX_RW_BYTES as u64))?;
        Ok(Self { current, later: Vec::new(), left: current.len })
    }

    /// The buffers of an iovec array.
    ///
    /// # Errors
    ///
    /// `EINVAL` for too many buffers or a total that overflows, `EFAULT` for a bad array.
    pub fn many(address: u64, count: u64) -> Result<Self, Errno> {
        if count > IOV_MAX {
            return Err(Errno::EINVAL);
        }
        let array = UserPtr::<linux::iovec>::new(address);
        let mut later = Vec::with_capacity(count as usize);
        let mut left = 0usize;
        for index in 0..count as usize {
            let entry = array.element(index)?.read()?;
            if i64::try_from(entry.iov_len).is_err() {
                return Err(Errno::EINVAL);
            }
            let slice = UserSlice::new(entry.iov_base as u64, entry.iov_len)?.first(MAX_RW_BYTES - left);
            left += slice.len;
            later.push(slice);
        }
        later.reverse();
        Ok(Self { current: UserSlice::default(), later, left })
    }

    /// Bytes that are left.
    pub fn left(&self) -> usize {
        self.left
    }

    /// The front buffer that has bytes left, cut to `max` bytes.
    fn front(&mut self, max: usize) -> UserSlice {
        while self.current.is_empty() {
            match self.later.pop() {
                Some(next) => self.current = next,
                None => break,
            }
        }
        self.current.first(max)
    }

    fn advance(&mut self, by: usize) {
        self.current = self.current.rest(by);
        self.left = self.left.saturating_sub(by);
    }

    /// Writes bytes to the program and says how many fit.
    ///
    /// # Errors
    ///
    /// `EFAULT` where the first byte already fails; a failure later shows as fewer bytes.
    pub fn put(&mut self, from: &[u8]) -> Result<usize, Errno> {
        let mut done = 0;
        while done < from.len() {
            let slice = self.front(from.len() - done);
            if slice.is_empty() {
                break;
            }
            if let Err(error) = slice.write(&from[done..done + slice.len]) {
                return if done > 0 { Ok(done) } else { Err(error) };
            }
            self.advance(slice.len);
            done += slice.len;
        }
        Ok(done)
    }

    /// Reads bytes of the program and says how many there were.
    ///
    /// # Errors
    ///
    /// `EFAULT` where the first byte already fails; a failure later shows as fewer bytes.
    pub fn take(&mut self, to: &mut [u8]) -> Result<usize, Errno> {
        let mut done = 0;
        while done < to.len() {
            let slice = self.front(to.len() - done);
            if slice.is_empty() {
                break;
            }
            if let Err(error) = read_bytes(slice.address, &mut to[done..done + slice.len]) {
                return if done > 0 { Ok(done) } else { Err(error) };
            }
            self.advance(slice.len);
            done += slice.len;
        }
        Ok(done)
    }
}

#[cfg(test)]
pub mod testing {
    //! Program memory for tests that run as an ordinary process: page-aligned buffers with their own access rights.

    use std::cell::RefCell;
    use std::ops::Range;

    thread_local! {
        static RANGES: RefCell<Vec<(Range<u64>, bool)>> = const { RefCell::new(Vec::new()) };
    }

    /// Stands in for `mm::access_ok`.
    pub fn access_ok(address: u64, len: u64, write: bool) -> bool {
        let Some(end) = address.checked_add(len) else { return false };
        RANGES.with_borrow(|ranges| {
            ranges
                .iter()
                .any(|(range, writable)| range.start <= address && end <= range.end && (*writable || !write))
        })
    }

    #[repr(align(4096))]
    #[derive(Clone)]
    struct Page([u8; 4096]);

    /// A buffer that the kernel sees as memory of the program.
    #[derive(Debug)]
    pub struct Memory {
        pages: Vec<Page>,
    }

    impl std::fmt::Debug for Page {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            write!(f, "Page({:02x?}..)", &self.0[..8])
        }
    }

    impl Memory {
        /// Zeroed, writable memory.
        pub fn new(len: usize) -> Self {
            Self::with_access(len, true)
        }

        /// Memory that the program may only read.
        pub fn read_only(len: usize) -> Self {
            Self::with_access(len, false)
        }

        fn with_access(len: usize, writable: bool) -> Self {
            let memory = Self { pages: vec![Page([0; 4096]); len.div_ceil(4096).max(1)] };
            let start = memory.address();
            RANGES.with_borrow_mut(|r| r.push((start..start + memory.pages.len() as u64 * 4096, writable)));
            memory
        }

        /// Memory that holds these bytes and a NUL.
        pub fn of(bytes: &[u8]) -> Self {
            let mut memory = Self::new(bytes.len() + 1);
            memory.set(0, bytes);
            memory
        }

        /// Address of the first byte.
        pub fn address(&self) -> u64 {
            self.pages.as_ptr() as u64
        }

        /// Address after the last byte: not accessible.
        pub fn end(&self) -> u64 {
            self.address() + self.pages.len() as u64 * 4096
        }

        /// Writes bytes from the program's side.
        pub fn set(&mut self, at: usize, bytes: &[u8]) {
            for (i, byte) in bytes.iter().enumerate() {
                self.pages[(at + i) / 4096].0[(at + i) % 4096] = *byte;
            }
        }

        /// Reads bytes from the program's side.
        pub fn get(&self, at: usize, len: usize) -> Vec<u8> {
            (at..at + len).map(|i| self.pages[i / 4096].0[i % 4096]).collect()
        }
    }

    impl Drop for Memory {
        fn drop(&mut self) {
            let start = self.address();
            RANGES.with_borrow_mut(|r| r.retain(|(range, _)| range.start != start));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::testing::Memory;
    use super::*;

    #[test]
    fn a_string_may_end_at_the_last_accessible_byte() {
        let mut memory = Memory::new(4096);
        memory.set(4092, b"abc\0");
        assert_eq!(read_path(memory.end() - 4), Ok(b"abc".to_vec()));
        memory.set(4092, b"abcd");
        assert_eq!(read_path(memory.end() - 4), Err(Errno::EFAULT));
    }

    #[test]
    fn a_string_without_end_is_too_long() {
        let mut memory = Memory::new(8192);
        memory.set(0, &[b'x'; 8192]);
        assert_eq!(read_path(memory.address()), Err(Errno::ENAMETOOLONG));
    }

    #[test]
    fn null_and_wrapping_ranges_are_refused() {
        assert_eq!(read_bytes(0, &mut [0; 1]), Err(Errno::EFAULT));
        assert_eq!(write_bytes(u64::MAX, &[0; 2]), Err(Errno::EFAULT));
        assert!(UserSlice::new(u64::MAX, 2).is_err());
        assert_eq!(UserPtr::<u64>::new(u64::MAX - 2).read(), Err(Errno::EFAULT));
        assert_eq!(read_bytes(0, &mut []), Ok(()));
    }

    #[test]
    fn writing_to_read_only_memory_is_refused() {
        let memory = Memory::read_only(16);
        assert_eq!(write_bytes(memory.address(), b"x"), Err(Errno::EFAULT));
        assert_eq!(read_bytes(memory.address(), &mut [0; 4]), Ok(()));
    }

    #[test]
    fn buffers_are_filled_in_order_and_stop_at_a_fault() {
        let memory = Memory::new(4096);
        let mut array = Memory::new(64);
        let entries =
            [(memory.address(), 3u64), (memory.address() + 100, 0), (memory.address() + 8, 2), (16, 5)];
        for (i, (base, len)) in entries.into_iter().enumerate() {
            array.set(i * 16, &base.to_le_bytes());
            array.set(i * 16 + 8, &len.to_le_bytes());
        }
        let mut buffers = UserBuffers::many(array.address(), 4).unwrap();
        assert_eq!(buffers.left(), 10);
        assert_eq!(buffers.put(b"abcdefgh"), Ok(5));
        assert_eq!(memory.get(0, 10), b"abc\0\0\0\0\0de");
        assert_eq!(buffers.put(b"x"), Err(Errno::EFAULT));
        assert_eq!(UserBuffers::many(array.address(), 1025).err(), Some(Errno::EINVAL));
    }
}
