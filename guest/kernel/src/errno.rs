//! Error numbers and the shapes of a system call: what comes in and what goes out.
//!
//! Guarantees: every error number is Linux' own (linux-raw-sys), so a program sees the answer it would see there.
//!
//! Before: everything. After: nothing.

use linux_raw_sys::errno as linux;

/// A Linux error number, positive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Errno(pub i32);

/// What a system call answers.
pub type SysResult = Result<u64, Errno>;

/// The six argument registers of a system call: claims of the program, checked by each handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Args(pub [u64; 6]);

impl Args {
    /// An argument as the C type `int`; the upper half of the register is ignored, as on Linux.
    pub fn int(&self, index: usize) -> i32 {
        self.0[index] as i32
    }

    /// An argument as the C type `unsigned int`.
    pub fn uint(&self, index: usize) -> u32 {
        self.0[index] as u32
    }
}

macro_rules! errnos {
    ($($name:ident)*) => {
        #[expect(missing_docs, reason = "named and described by errno(3)")]
        impl Errno {
            $(pub const $name: Self = Self(linux::$name as i32);)*
        }
    };
}

errnos! {
    EPERM ENOENT ESRCH EINTR EIO ENXIO E2BIG ENOEXEC EBADF ECHILD EAGAIN ENOMEM EACCES EFAULT EBUSY EEXIST EXDEV ENODEV
    ENOTDIR EISDIR EINVAL ENFILE EMFILE ENOTTY ETXTBSY EFBIG ENOSPC ESPIPE EROFS EMLINK EPIPE EDOM ERANGE EDEADLK
    ENAMETOOLONG ENOLCK ENOSYS ENOTEMPTY ELOOP ENODATA ETIME EPROTO EOVERFLOW EILSEQ ENOTSOCK EDESTADDRREQ EMSGSIZE
    EPROTOTYPE ENOPROTOOPT EPROTONOSUPPORT EOPNOTSUPP EAFNOSUPPORT EADDRINUSE EADDRNOTAVAIL ENETDOWN ENETUNREACH
    ECONNRESET ENOBUFS EISCONN ENOTCONN ETIMEDOUT ECONNREFUSED EHOSTUNREACH EALREADY EINPROGRESS ESTALE EDQUOT ECANCELED
}
