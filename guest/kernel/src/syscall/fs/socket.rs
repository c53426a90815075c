//! Socket calls on the ends of a socket pair, the only sockets there are.
//!
//! Before: table. After: vfs::pipe.

use alloc::rc::Rc;

use linux_raw_sys::general as linux;
use linux_raw_sys::net;

use super::descriptor::add_pair;
use crate::errno::{Args, Errno, SysResult};
use crate::user::{UserBuffers, UserPtr, UserSlice};
use crate::vfs::pipe::{PIPE_BYTES, SocketEnd};
use crate::vfs::{self, Object, OpenFile};

/// The type bits of socket(2); the rest are flags.
const TYPE_MASK: u32 = 0xf;

/// socketpair(2), of connected stream sockets.
pub fn sys_socketpair(args: &Args) -> SysResult {
    let flags = args.uint(1) & !TYPE_MASK;
    if args.uint(0) != net::AF_UNIX {
        return Err(Errno::EAFNOSUPPORT);
    }
    if flags & !(linux::O_NONBLOCK | linux::O_CLOEXEC) != 0 {
        return Err(Errno::EINVAL);
    }
    if args.uint(1) & TYPE_MASK != net::SOCK_STREAM || args.0[2] as u32 != 0 {
        return Err(Errno::EPROTONOSUPPORT);
    }
    let (a, b) = vfs::with(|vfs| SocketEnd::pair(&vfs.space))?;
    let status = linux::O_RDWR | flags & linux::O_NONBLOCK;
    let open = |end| OpenFile::anonymous(Object::Socket(end), "socket", status);
    add_pair(open(a), open(b), flags, args.0[3])
}

fn socket(fd: i32) -> Result<Rc<OpenFile>, Errno> {
    let file = vfs::file(fd)?;
    if matches!(file.object, Object::Socket(_)) { Ok(file) } else { Err(Errno::ENOTSOCK) }
}

fn end(file: &OpenFile) -> Result<&SocketEnd, Errno> {
    match &file.object {
        Object::Socket(end) => Ok(end),
        _ => Err(Errno::ENOTSOCK),
    }
}

/// Tries until there is something, or once where the call asks not to wait.
fn wait_until(
    file: &OpenFile,
    flags: u32,
    mut attempt: impl FnMut() -> Result<Option<usize>, Errno>,
) -> SysResult {
    let done = match flags & net::MSG_DONTWAIT {
        0 => file.wait_until(attempt),
        _ => attempt()?.ok_or(Errno::EAGAIN),
    };
    done.map(|n| n as u64)
}

fn send(file: &OpenFile, mut from: UserBuffers, flags: u32) -> SysResult {
    if flags & net::MSG_OOB != 0 {
        return Err(Errno::EOPNOTSUPP);
    }
    let outgoing = &end(file)?.outgoing;
    if flags & net::MSG_DONTWAIT == 0 {
        return file.write(&mut from, None);
    }
    wait_until(file, flags, || outgoing.write(&mut from))
}

fn receive(file: &OpenFile, mut to: UserBuffers, flags: u32) -> SysResult {
    if flags & net::MSG_OOB != 0 {
        return Err(Errno::EOPNOTSUPP);
    }
    let incoming = &end(file)?.incoming;
    wait_until(file, flags, || incoming.read(&mut to, flags & net::MSG_PEEK != 0))
}

/// sendto(2), without an address: the pair is connected.
pub fn sys_sendto(args: &Args) -> SysResult {
    let file = socket(args.int(0))?;
    if args.0[4] != 0 {
        return Err(Errno::EISCONN);
    }
    send(&file, UserBuffers::one(args.0[1], args.0[2])?, args.uint(3))
}

/// recvfrom(2): the peer has no name.
pub fn sys_recvfrom(args: &Args) -> SysResult {
    let file = socket(args.int(0))?;
    let n = receive(&file, UserBuffers::one(args.0[1], args.0[2])?, args.uint(3))?;
    if args.0[4] != 0 {
        UserPtr::<u32>::new(args.0[5]).write(0)?;
    }
    Ok(n)
}

/// sendmsg(2), without control messages.
pub fn sys_sendmsg(args: &Args) -> SysResult {
    let file = socket(args.int(0))?;
    let message = UserPtr::<net::msghdr>::new(args.0[1]).read()?;
    if message.msg_controllen != 0 {
        return Err(Errno::EOPNOTSUPP);
    }
    send(&file, UserBuffers::many(message.msg_iov as u64, message.msg_iovlen as u64)?, args.uint(2))
}

/// recvmsg(2): never brings control messages.
pub fn sys_recvmsg(args: &Args) -> SysResult {
    let file = socket(args.int(0))?;
    let at = UserPtr::<net::msghdr>::new(args.0[1]);
    let mut message = at.read()?;
    let n =
        receive(&file, UserBuffers::many(message.msg_iov as u64, message.msg_iovlen as u64)?, args.uint(2))?;
    message.msg_namelen = 0;
    message.msg_controllen = 0;
    message.msg_flags = 0;
    at.write(message)?;
    Ok(n)
}

/// shutdown(2).
pub fn sys_shutdown(args: &Args) -> SysResult {
    let file = socket(args.int(0))?;
    let how = args.uint(1);
    if how > net::SHUT_RDWR {
        return Err(Errno::EINVAL);
    }
    if how != net::SHUT_WR {
        end(&file)?.incoming.close();
    }
    if how != net::SHUT_RD {
        end(&file)?.outgoing.close();
    }
    Ok(0)
}

/// getsockname(2), getpeername(2): an unnamed address of the Unix family.
pub fn sys_getsockname(args: &Args) -> SysResult {
    socket(args.int(0))?;
    let len_at = UserPtr::<u32>::new(args.0[2]);
    let room = len_at.read()?;
    if room > i32::MAX as u32 {
        return Err(Errno::EINVAL);
    }
    let family = (net::AF_UNIX as u16).to_le_bytes();
    let n = family.len().min(room as usize);
    UserSlice::new(args.0[1], u64::from(room))?.write(&family[..n])?;
    len_at.write(family.len() as u32).map(|()| 0)
}

/// getsockopt(2): the few facts about the pair.
pub fn sys_getsockopt(args: &Args) -> SysResult {
    socket(args.int(0))?;
    if args.uint(1) != net::SOL_SOCKET {
        return Err(Errno::EOPNOTSUPP);
    }
    let value = match args.uint(2) {
        net::SO_TYPE => net::SOCK_STREAM,
        net::SO_DOMAIN => net::AF_UNIX,
        net::SO_ERROR | net::SO_ACCEPTCONN | net::SO_PROTOCOL | net::SO_REUSEADDR | net::SO_KEEPALIVE => 0,
        net::SO_SNDBUF | net::SO_RCVBUF => PIPE_BYTES as u32,
        _ => return Err(Errno::ENOPROTOOPT),
    };
    let len_at = UserPtr::<u32>::new(args.0[4]);
    let room = len_at.read()?;
    if room > i32::MAX as u32 {
        return Err(Errno::EINVAL);
    }
    let bytes = value.to_le_bytes();
    let n = bytes.len().min(room as usize);
    UserSlice::new(args.0[3], n as u64)?.write(&bytes[..n])?;
    len_at.write(n as u32).map(|()| 0)
}

/// setsockopt(2): options of the socket layer are taken and change nothing.
pub fn sys_setsockopt(args: &Args) -> SysResult {
    socket(args.int(0))?;
    if args.uint(1) == net::SOL_SOCKET { Ok(0) } else { Err(Errno::ENOPROTOOPT) }
}
