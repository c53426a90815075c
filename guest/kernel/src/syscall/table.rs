//! The system calls of x86-64 Linux, one row for each number: what handles it, how completely, and what differs.
//!
//! This file is the documentation: `cargo xtask docs` writes docs/syscalls.md from the rows of `TABLE`, a line each, in
//! one of these forms (a handler is a path, an errno a constant):
//!
//! ```text
//! full(number, "name", arguments, handler),
//! partial(number, "name", arguments, handler, "what differs"),
//! returns(number, "name", arguments, value, "why that is the answer"),
//! answers(number, "name", arguments, ERRNO, "why Linux would say so here"),
//! refused(number, "name", arguments, ERRNO, "why"),
//! absent(number, "name", arguments, "why"),
//! ```
//!
//! Guarantees: a call that is refused or absent is counted for the diagnostics of the run; numbers without a row answer
//! `ENOSYS`. Never: a row whose handler does less than the row says.
//!
//! Before: entry. After: the handlers.

use super::fs::{descriptor, io, path, socket, splice, stat};
use super::{mem, poll, proc, report_unsupported, sched, signal, thread, time};
use crate::errno::{Args, Errno, SysResult};

/// How completely a call works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Support {
    /// As on Linux, as far as one process in one VM can tell.
    Full,
    /// Works, with the difference that the row names.
    Partial,
    /// Exists and is not allowed; reported.
    Refused,
    /// Answers `ENOSYS`; reported.
    Absent,
}

/// A function that answers a system call.
pub type Handler = fn(&Args) -> SysResult;

/// What a row does.
#[derive(Clone, Copy, Debug)]
pub enum Action {
    /// Calls a handler.
    Call(Handler),
    /// Answers the same always.
    Answer(SysResult),
}

/// A row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Number of the call.
    pub number: u16,
    /// Linux' name of the call.
    pub name: &'static str,
    /// Number of arguments.
    pub arguments: u8,
    /// What it does.
    pub action: Action,
    /// How completely.
    pub support: Support,
    /// What differs, or why it is not there.
    pub why: &'static str,
}

const fn row(number: u16, name: &'static str, arguments: u8, action: Action) -> Row {
    Row { number, name, arguments, action, support: Support::Full, why: "" }
}

const fn full(number: u16, name: &'static str, arguments: u8, handler: Handler) -> Row {
    row(number, name, arguments, Action::Call(handler))
}

const fn partial(number: u16, name: &'static str, arguments: u8, handler: Handler, why: &'static str) -> Row {
    Row { support: Support::Partial, why, ..row(number, name, arguments, Action::Call(handler)) }
}

const fn returns(number: u16, name: &'static str, arguments: u8, value: u64, why: &'static str) -> Row {
    Row { support: Support::Partial, why, ..row(number, name, arguments, Action::Answer(Ok(value))) }
}

const fn answers(number: u16, name: &'static str, arguments: u8, errno: Errno, why: &'static str) -> Row {
    Row { support: Support::Partial, why, ..row(number, name, arguments, Action::Answer(Err(errno))) }
}

const fn refused(number: u16, name: &'static str, arguments: u8, errno: Errno, why: &'static str) -> Row {
    Row { support: Support::Refused, why, ..row(number, name, arguments, Action::Answer(Err(errno))) }
}

const fn absent(number: u16, name: &'static str, arguments: u8, why: &'static str) -> Row {
    Row { support: Support::Absent, why, ..row(number, name, arguments, Action::Answer(Err(Errno::ENOSYS))) }
}

const EACCES: Errno = Errno::EACCES;
const ECHILD: Errno = Errno::ECHILD;
const EFAULT: Errno = Errno::EFAULT;
const EINVAL: Errno = Errno::EINVAL;
const ENOSPC: Errno = Errno::ENOSPC;
const ENOSYS: Errno = Errno::ENOSYS;
const EOPNOTSUPP: Errno = Errno::EOPNOTSUPP;
const EPERM: Errno = Errno::EPERM;

/// Every known call, by number.
#[rustfmt::skip]
pub static TABLE: &[Row] = &[
    full(0, "read", 3, io::sys_read),
    full(1, "write", 3, io::sys_write),
    full(2, "open", 3, path::sys_open),
    full(3, "close", 1, descriptor::sys_close),
    full(4, "stat", 2, stat::sys_stat),
    full(5, "fstat", 2, stat::sys_fstat),
    full(6, "lstat", 2, stat::sys_lstat),
    partial(7, "poll", 3, poll::sys_poll, "a wait without end that nothing can end answers EDEADLK"),
    partial(8, "lseek", 3, io::sys_lseek, "SEEK_DATA and SEEK_HOLE see no holes"),
    partial(9, "mmap", 6, mem::sys_mmap, "a shared mapping of a file is a copy; msync, munmap and the end of the run write it back"),
    full(10, "mprotect", 3, mem::sys_mprotect),
    full(11, "munmap", 2, mem::sys_munmap),
    full(12, "brk", 1, mem::sys_brk),
    full(13, "rt_sigaction", 4, signal::sys_rt_sigaction),
    full(14, "rt_sigprocmask", 4, signal::sys_rt_sigprocmask),
    answers(15, "rt_sigreturn", 0, EFAULT, "done where system calls enter the kernel, before this table"),
    partial(16, "ioctl", 3, descriptor::sys_ioctl, "FIOCLEX, FIONCLEX, FIONREAD, FIONBIO, and of pseudo-terminals, none of which controls the program"),
    full(17, "pread64", 4, io::sys_pread64),
    full(18, "pwrite64", 4, io::sys_pwrite64),
    full(19, "readv", 3, io::sys_readv),
    full(20, "writev", 3, io::sys_writev),
    full(21, "access", 2, stat::sys_access),
    full(22, "pipe", 1, descriptor::sys_pipe),
    partial(23, "select", 5, poll::sys_select, "a wait without end that nothing can end answers EDEADLK"),
    full(24, "sched_yield", 0, thread::sys_sched_yield),
    partial(25, "mremap", 5, mem::sys_mremap, "without MREMAP_FIXED"),
    full(26, "msync", 3, mem::sys_msync),
    partial(27, "mincore", 3, mem::sys_mincore, "mapped means resident"),
    partial(28, "madvise", 3, mem::sys_madvise, "MADV_DONTNEED drops contents, the rest is advice"),
    absent(29, "shmget", 3, "no System V shared memory"),
    absent(30, "shmat", 3, "no System V shared memory"),
    absent(31, "shmctl", 3, "no System V shared memory"),
    full(32, "dup", 1, descriptor::sys_dup),
    full(33, "dup2", 2, descriptor::sys_dup2),
    full(34, "pause", 0, signal::sys_pause),
    full(35, "nanosleep", 2, time::sys_nanosleep),
    full(36, "getitimer", 2, time::sys_getitimer),
    partial(37, "alarm", 1, time::sys_alarm, "a program that computes gets the signal when it next enters the kernel"),
    partial(38, "setitimer", 3, time::sys_setitimer, "a program that computes gets the signal when it next enters the kernel; ITIMER_VIRTUAL counts time in the kernel too"),
    full(39, "getpid", 0, proc::sys_getpid),
    full(40, "sendfile", 4, io::sys_sendfile),
    refused(41, "socket", 3, EACCES, "requests of HTTP go through the host: `domains`"),
    refused(42, "connect", 3, EACCES, "no network"),
    refused(43, "accept", 3, EACCES, "no network"),
    partial(44, "sendto", 6, socket::sys_sendto, "on socket pairs"),
    partial(45, "recvfrom", 6, socket::sys_recvfrom, "on socket pairs"),
    partial(46, "sendmsg", 3, socket::sys_sendmsg, "on socket pairs, without control messages"),
    partial(47, "recvmsg", 3, socket::sys_recvmsg, "on socket pairs, without control messages"),
    partial(48, "shutdown", 2, socket::sys_shutdown, "on socket pairs"),
    refused(49, "bind", 3, EACCES, "no network"),
    refused(50, "listen", 2, EACCES, "no network"),
    partial(51, "getsockname", 3, socket::sys_getsockname, "on socket pairs"),
    partial(52, "getpeername", 3, socket::sys_getsockname, "on socket pairs"),
    partial(53, "socketpair", 4, socket::sys_socketpair, "connected streams of the Unix family"),
    partial(54, "setsockopt", 5, socket::sys_setsockopt, "on socket pairs; options change nothing"),
    partial(55, "getsockopt", 5, socket::sys_getsockopt, "on socket pairs; type, family, error, buffer sizes"),
    partial(56, "clone", 5, thread::sys_clone, "threads; what would be a process answers EPERM"),
    refused(57, "fork", 0, EPERM, "one process"),
    refused(58, "vfork", 0, EPERM, "one process"),
    refused(59, "execve", 3, EACCES, "one program"),
    full(60, "exit", 1, thread::sys_exit),
    answers(61, "wait4", 4, ECHILD, "there are no children"),
    partial(62, "kill", 2, signal::sys_kill, "only the program itself"),
    full(63, "uname", 1, proc::sys_uname),
    absent(64, "semget", 3, "no System V semaphores"),
    absent(65, "semop", 3, "no System V semaphores"),
    absent(66, "semctl", 4, "no System V semaphores"),
    absent(67, "shmdt", 1, "no System V shared memory"),
    absent(68, "msgget", 2, "no System V messages"),
    absent(69, "msgsnd", 4, "no System V messages"),
    absent(70, "msgrcv", 5, "no System V messages"),
    absent(71, "msgctl", 3, "no System V messages"),
    partial(72, "fcntl", 3, descriptor::sys_fcntl, "locks always succeed, since nobody holds another; no leases, no seals"),
    partial(73, "flock", 2, io::sys_syncfs, "locks always succeed, since nobody holds another"),
    full(74, "fsync", 1, io::sys_fsync),
    full(75, "fdatasync", 1, io::sys_fsync),
    full(76, "truncate", 2, path::sys_truncate),
    full(77, "ftruncate", 2, io::sys_ftruncate),
    full(78, "getdents", 3, descriptor::sys_getdents),
    full(79, "getcwd", 2, path::sys_getcwd),
    full(80, "chdir", 1, path::sys_chdir),
    full(81, "fchdir", 1, path::sys_fchdir),
    full(82, "rename", 2, path::sys_rename),
    full(83, "mkdir", 2, path::sys_mkdir),
    full(84, "rmdir", 1, path::sys_rmdir),
    full(85, "creat", 2, path::sys_creat),
    partial(86, "link", 2, path::sys_link, "EPERM in a mount"),
    full(87, "unlink", 1, path::sys_unlink),
    partial(88, "symlink", 2, path::sys_symlink, "EPERM in a mount"),
    full(89, "readlink", 3, path::sys_readlink),
    full(90, "chmod", 2, path::sys_chmod),
    full(91, "fchmod", 2, path::sys_fchmod),
    partial(92, "chown", 3, path::sys_chown, "in a mount the owner stays root"),
    partial(93, "fchown", 3, path::sys_fchown, "in a mount the owner stays root"),
    partial(94, "lchown", 3, path::sys_lchown, "in a mount the owner stays root"),
    full(95, "umask", 1, path::sys_umask),
    full(96, "gettimeofday", 2, time::sys_gettimeofday),
    full(97, "getrlimit", 2, proc::sys_getrlimit),
    partial(98, "getrusage", 2, proc::sys_getrusage, "processor time, all of it as the user's, and memory in use"),
    full(99, "sysinfo", 1, proc::sys_sysinfo),
    partial(100, "times", 1, proc::sys_times, "processor time, all of it as the user's"),
    refused(101, "ptrace", 4, EPERM, "no other process to trace"),
    full(102, "getuid", 0, proc::sys_zero),
    refused(103, "syslog", 3, EPERM, "no kernel log"),
    full(104, "getgid", 0, proc::sys_zero),
    partial(105, "setuid", 1, proc::sys_setuid, "one user: to what it is"),
    partial(106, "setgid", 1, proc::sys_setgid, "one user: to what it is"),
    full(107, "geteuid", 0, proc::sys_zero),
    full(108, "getegid", 0, proc::sys_zero),
    refused(109, "setpgid", 2, EPERM, "one process"),
    full(110, "getppid", 0, proc::sys_zero),
    full(111, "getpgrp", 0, proc::sys_getpid),
    answers(112, "setsid", 0, EPERM, "the program leads its session already"),
    partial(113, "setreuid", 2, proc::sys_setreuid, "one user: to what it is"),
    partial(114, "setregid", 2, proc::sys_setregid, "one user: to what it is"),
    full(115, "getgroups", 2, proc::sys_getgroups),
    partial(116, "setgroups", 2, proc::sys_setgroups, "at most 64, without effect: one user may everything"),
    partial(117, "setresuid", 3, proc::sys_setresuid, "one user: to what it is"),
    full(118, "getresuid", 3, proc::sys_getresuid),
    partial(119, "setresgid", 3, proc::sys_setresgid, "one user: to what it is"),
    full(120, "getresgid", 3, proc::sys_getresuid),
    partial(121, "getpgid", 1, proc::sys_getpid, "of the program, whatever the argument"),
    returns(122, "setfsuid", 1, 0, "one user"),
    returns(123, "setfsgid", 1, 0, "one user"),
    partial(124, "getsid", 1, proc::sys_getpid, "of the program, whatever the argument"),
    absent(125, "capget", 2, "no capabilities"),
    refused(126, "capset", 2, EPERM, "no capabilities"),
    full(127, "rt_sigpending", 2, signal::sys_rt_sigpending),
    full(128, "rt_sigtimedwait", 4, signal::sys_rt_sigtimedwait),
    absent(129, "rt_sigqueueinfo", 3, "signals carry no values"),
    full(130, "rt_sigsuspend", 2, signal::sys_rt_sigsuspend),
    full(131, "sigaltstack", 2, signal::sys_sigaltstack),
    full(132, "utime", 2, path::sys_utime),
    partial(133, "mknod", 3, path::sys_mknod, "pipes and regular files; devices, sockets and in a mount EPERM"),
    absent(134, "uselib", 1, "gone from Linux"),
    returns(135, "personality", 1, 0, "there is one"),
    absent(136, "ustat", 2, "superseded by statfs"),
    partial(137, "statfs", 2, stat::sys_statfs, "kind of file system, and room in /tmp"),
    partial(138, "fstatfs", 2, stat::sys_fstatfs, "kind of file system, and room in /tmp"),
    absent(139, "sysfs", 3, "gone from use"),
    partial(140, "getpriority", 2, sched::sys_getpriority, "one nice value for all threads"),
    partial(141, "setpriority", 3, sched::sys_setpriority, "kept, without effect: one process has the processor to itself"),
    partial(142, "sched_setparam", 2, sched::sys_sched_setparam, "of SCHED_OTHER"),
    partial(143, "sched_getparam", 2, sched::sys_sched_getparam, "of SCHED_OTHER"),
    partial(144, "sched_setscheduler", 3, sched::sys_sched_setscheduler, "SCHED_OTHER alone"),
    full(145, "sched_getscheduler", 1, sched::sys_sched_getscheduler),
    full(146, "sched_get_priority_max", 1, sched::sys_sched_get_priority_max),
    full(147, "sched_get_priority_min", 1, sched::sys_sched_get_priority_min),
    full(148, "sched_rr_get_interval", 2, sched::sys_sched_rr_get_interval),
    full(149, "mlock", 2, mem::sys_mlock),
    full(150, "munlock", 2, mem::sys_mlock),
    full(151, "mlockall", 1, mem::sys_mlock),
    full(152, "munlockall", 0, mem::sys_mlock),
    refused(153, "vhangup", 0, EPERM, "no terminal"),
    absent(154, "modify_ldt", 3, "no 16-bit or 32-bit programs"),
    refused(155, "pivot_root", 2, EPERM, "the tree is fixed"),
    absent(156, "_sysctl", 1, "gone from Linux"),
    partial(157, "prctl", 5, proc::sys_prctl, "the name of the thread"),
    partial(158, "arch_prctl", 2, proc::sys_arch_prctl, "bases of FS and GS"),
    refused(159, "adjtimex", 1, EPERM, "the host keeps the time"),
    partial(160, "setrlimit", 2, proc::sys_setrlimit, "none of memory below what the sandbox has; a hard limit never rises"),
    refused(161, "chroot", 1, EPERM, "the tree is fixed"),
    full(162, "sync", 0, io::sys_sync),
    refused(163, "acct", 1, EPERM, "no accounting"),
    refused(164, "settimeofday", 2, EPERM, "the host keeps the time"),
    refused(165, "mount", 5, EPERM, "the tree is fixed"),
    refused(166, "umount2", 2, EPERM, "the tree is fixed"),
    refused(167, "swapon", 2, EPERM, "no swap"),
    refused(168, "swapoff", 1, EPERM, "no swap"),
    refused(169, "reboot", 4, EPERM, "end the program instead"),
    refused(170, "sethostname", 2, EPERM, "the name is fixed"),
    refused(171, "setdomainname", 2, EPERM, "the name is fixed"),
    refused(172, "iopl", 1, EPERM, "no hardware"),
    refused(173, "ioperm", 3, EPERM, "no hardware"),
    absent(174, "create_module", 2, "gone from Linux"),
    refused(175, "init_module", 3, EPERM, "no kernel modules"),
    refused(176, "delete_module", 2, EPERM, "no kernel modules"),
    absent(177, "get_kernel_syms", 1, "gone from Linux"),
    absent(178, "query_module", 5, "gone from Linux"),
    refused(179, "quotactl", 4, EPERM, "no quotas"),
    absent(180, "nfsservctl", 3, "gone from Linux"),
    absent(181, "getpmsg", 5, "never in Linux"),
    absent(182, "putpmsg", 5, "never in Linux"),
    absent(183, "afs_syscall", 5, "never in Linux"),
    absent(184, "tuxcall", 3, "never in Linux"),
    absent(185, "security", 3, "never in Linux"),
    full(186, "gettid", 0, thread::sys_gettid),
    full(187, "readahead", 3, io::sys_syncfs),
    answers(188, "setxattr", 5, EOPNOTSUPP, "no extended attributes"),
    answers(189, "lsetxattr", 5, EOPNOTSUPP, "no extended attributes"),
    answers(190, "fsetxattr", 5, EOPNOTSUPP, "no extended attributes"),
    answers(191, "getxattr", 4, EOPNOTSUPP, "no extended attributes"),
    answers(192, "lgetxattr", 4, EOPNOTSUPP, "no extended attributes"),
    answers(193, "fgetxattr", 4, EOPNOTSUPP, "no extended attributes"),
    answers(194, "listxattr", 3, EOPNOTSUPP, "no extended attributes"),
    answers(195, "llistxattr", 3, EOPNOTSUPP, "no extended attributes"),
    answers(196, "flistxattr", 3, EOPNOTSUPP, "no extended attributes"),
    answers(197, "removexattr", 2, EOPNOTSUPP, "no extended attributes"),
    answers(198, "lremovexattr", 2, EOPNOTSUPP, "no extended attributes"),
    answers(199, "fremovexattr", 2, EOPNOTSUPP, "no extended attributes"),
    partial(200, "tkill", 2, signal::sys_tkill, "only threads of the program"),
    full(201, "time", 1, time::sys_time),
    partial(202, "futex", 6, thread::sys_futex, "without the operations for priority inheritance"),
    full(203, "sched_setaffinity", 3, sched::sys_sched_setaffinity),
    full(204, "sched_getaffinity", 3, sched::sys_sched_getaffinity),
    absent(205, "set_thread_area", 1, "not on x86-64"),
    absent(206, "io_setup", 2, "no asynchronous disk input and output"),
    absent(207, "io_destroy", 1, "no asynchronous disk input and output"),
    absent(208, "io_getevents", 5, "no asynchronous disk input and output"),
    absent(209, "io_submit", 3, "no asynchronous disk input and output"),
    absent(210, "io_cancel", 3, "no asynchronous disk input and output"),
    absent(211, "get_thread_area", 1, "not on x86-64"),
    absent(212, "lookup_dcookie", 3, "gone from Linux"),
    full(213, "epoll_create", 1, poll::sys_epoll_create),
    absent(214, "epoll_ctl_old", 4, "never in Linux"),
    absent(215, "epoll_wait_old", 4, "never in Linux"),
    absent(216, "remap_file_pages", 5, "superseded by mmap"),
    full(217, "getdents64", 3, descriptor::sys_getdents64),
    full(218, "set_tid_address", 1, thread::sys_set_tid_address),
    absent(219, "restart_syscall", 0, "no call is interrupted"),
    absent(220, "semtimedop", 4, "no System V semaphores"),
    full(221, "fadvise64", 4, io::sys_fadvise64),
    absent(222, "timer_create", 3, "no timer raises signals"),
    absent(223, "timer_settime", 4, "no timer raises signals"),
    absent(224, "timer_gettime", 2, "no timer raises signals"),
    absent(225, "timer_getoverrun", 1, "no timer raises signals"),
    absent(226, "timer_delete", 1, "no timer raises signals"),
    refused(227, "clock_settime", 2, EPERM, "the host keeps the time"),
    full(228, "clock_gettime", 2, time::sys_clock_gettime),
    full(229, "clock_getres", 2, time::sys_clock_getres),
    partial(230, "clock_nanosleep", 4, time::sys_clock_nanosleep, "not on clocks of processor time"),
    full(231, "exit_group", 1, proc::sys_exit_group),
    partial(232, "epoll_wait", 4, poll::sys_epoll_wait, "a wait without end that nothing can end answers EDEADLK"),
    partial(233, "epoll_ctl", 4, poll::sys_epoll_ctl, "an instance that watches instances cannot be watched"),
    partial(234, "tgkill", 3, signal::sys_tgkill, "only threads of the program"),
    full(235, "utimes", 2, path::sys_utimes),
    absent(236, "vserver", 5, "never in Linux"),
    partial(237, "mbind", 6, mem::sys_mbind, "there is one memory node"),
    partial(238, "set_mempolicy", 3, mem::sys_mbind, "there is one memory node"),
    absent(239, "get_mempolicy", 5, "there is one memory node"),
    absent(240, "mq_open", 4, "no POSIX message queues"),
    absent(241, "mq_unlink", 1, "no POSIX message queues"),
    absent(242, "mq_timedsend", 5, "no POSIX message queues"),
    absent(243, "mq_timedreceive", 5, "no POSIX message queues"),
    absent(244, "mq_notify", 2, "no POSIX message queues"),
    absent(245, "mq_getsetattr", 3, "no POSIX message queues"),
    refused(246, "kexec_load", 4, EPERM, "one kernel"),
    answers(247, "waitid", 5, ECHILD, "there are no children"),
    absent(248, "add_key", 5, "no key rings"),
    absent(249, "request_key", 4, "no key rings"),
    absent(250, "keyctl", 5, "no key rings"),
    returns(251, "ioprio_set", 3, 0, "no disks"),
    returns(252, "ioprio_get", 2, 0, "no disks"),
    absent(253, "inotify_init", 0, "nobody else changes files"),
    absent(254, "inotify_add_watch", 3, "nobody else changes files"),
    absent(255, "inotify_rm_watch", 2, "nobody else changes files"),
    absent(256, "migrate_pages", 4, "there is one memory node"),
    full(257, "openat", 4, path::sys_openat),
    full(258, "mkdirat", 3, path::sys_mkdirat),
    partial(259, "mknodat", 4, path::sys_mknodat, "pipes and regular files; devices, sockets and in a mount EPERM"),
    partial(260, "fchownat", 5, path::sys_fchownat, "in a mount the owner stays root"),
    full(261, "futimesat", 3, path::sys_futimesat),
    full(262, "newfstatat", 4, stat::sys_newfstatat),
    full(263, "unlinkat", 3, path::sys_unlinkat),
    full(264, "renameat", 4, path::sys_renameat),
    partial(265, "linkat", 5, path::sys_linkat, "EPERM in a mount"),
    partial(266, "symlinkat", 3, path::sys_symlinkat, "EPERM in a mount"),
    full(267, "readlinkat", 4, path::sys_readlinkat),
    full(268, "fchmodat", 3, path::sys_fchmodat),
    full(269, "faccessat", 3, stat::sys_faccessat),
    partial(270, "pselect6", 6, poll::sys_pselect6, "a wait without end that nothing can end answers EDEADLK"),
    partial(271, "ppoll", 5, poll::sys_ppoll, "a wait without end that nothing can end answers EDEADLK"),
    refused(272, "unshare", 1, EPERM, "no namespaces"),
    full(273, "set_robust_list", 2, thread::sys_set_robust_list),
    absent(274, "get_robust_list", 3, "no other thread to ask about"),
    full(275, "splice", 6, splice::sys_splice),
    answers(276, "tee", 4, EINVAL, "programs fall back to read and write"),
    full(277, "sync_file_range", 4, io::sys_syncfs),
    answers(278, "vmsplice", 4, EINVAL, "programs fall back to read and write"),
    absent(279, "move_pages", 6, "there is one memory node"),
    full(280, "utimensat", 4, path::sys_utimensat),
    partial(281, "epoll_pwait", 6, poll::sys_epoll_pwait, "a wait without end that nothing can end answers EDEADLK"),
    absent(282, "signalfd", 3, "signals are delivered to handlers only"),
    full(283, "timerfd_create", 2, time::sys_timerfd_create),
    full(284, "eventfd", 1, descriptor::sys_eventfd),
    partial(285, "fallocate", 4, io::sys_fallocate, "grow, punch a hole, zero a range"),
    full(286, "timerfd_settime", 4, time::sys_timerfd_settime),
    full(287, "timerfd_gettime", 2, time::sys_timerfd_gettime),
    refused(288, "accept4", 4, EACCES, "no network"),
    absent(289, "signalfd4", 4, "signals are delivered to handlers only"),
    full(290, "eventfd2", 2, descriptor::sys_eventfd2),
    full(291, "epoll_create1", 1, poll::sys_epoll_create1),
    full(292, "dup3", 3, descriptor::sys_dup3),
    full(293, "pipe2", 2, descriptor::sys_pipe2),
    absent(294, "inotify_init1", 1, "nobody else changes files"),
    full(295, "preadv", 5, io::sys_preadv),
    full(296, "pwritev", 5, io::sys_pwritev),
    absent(297, "rt_tgsigqueueinfo", 4, "signals carry no values"),
    refused(298, "perf_event_open", 5, EACCES, "no counters of the processor"),
    absent(299, "recvmmsg", 5, "no datagrams"),
    refused(300, "fanotify_init", 2, EPERM, "nobody else changes files"),
    absent(301, "fanotify_mark", 5, "nobody else changes files"),
    partial(302, "prlimit64", 4, proc::sys_prlimit64, "of the program itself, as setrlimit"),
    answers(303, "name_to_handle_at", 5, EOPNOTSUPP, "files have no handles"),
    refused(304, "open_by_handle_at", 3, EPERM, "files have no handles"),
    refused(305, "clock_adjtime", 2, EPERM, "the host keeps the time"),
    full(306, "syncfs", 1, io::sys_syncfs),
    absent(307, "sendmmsg", 4, "no datagrams"),
    refused(308, "setns", 2, EPERM, "no namespaces"),
    full(309, "getcpu", 3, proc::sys_getcpu),
    refused(310, "process_vm_readv", 6, EPERM, "no other process"),
    refused(311, "process_vm_writev", 6, EPERM, "no other process"),
    refused(312, "kcmp", 5, EPERM, "no other process"),
    refused(313, "finit_module", 3, EPERM, "no kernel modules"),
    absent(314, "sched_setattr", 3, "no scheduler"),
    absent(315, "sched_getattr", 4, "no scheduler"),
    partial(316, "renameat2", 5, path::sys_renameat2, "RENAME_NOREPLACE"),
    absent(317, "seccomp", 3, "the VM is the boundary"),
    full(318, "getrandom", 3, proc::sys_getrandom),
    partial(319, "memfd_create", 2, path::sys_memfd_create, "without seals and huge pages"),
    refused(320, "kexec_file_load", 5, EPERM, "one kernel"),
    refused(321, "bpf", 3, EPERM, "no programs in the kernel"),
    refused(322, "execveat", 5, EACCES, "one program"),
    refused(323, "userfaultfd", 1, EPERM, "the kernel answers page faults"),
    returns(324, "membarrier", 3, 0, "one processor needs no barriers"),
    full(325, "mlock2", 3, mem::sys_mlock),
    full(326, "copy_file_range", 6, io::sys_copy_file_range),
    full(327, "preadv2", 6, io::sys_preadv2),
    partial(328, "pwritev2", 6, io::sys_pwritev2, "without RWF_APPEND"),
    absent(329, "pkey_mprotect", 4, "no protection keys"),
    answers(330, "pkey_alloc", 2, ENOSPC, "no protection keys"),
    answers(331, "pkey_free", 1, EINVAL, "no protection keys"),
    full(332, "statx", 5, stat::sys_statx),
    absent(333, "io_pgetevents", 6, "no asynchronous disk input and output"),
    answers(334, "rseq", 4, ENOSYS, "the C library does without"),
    absent(335, "uretprobe", 0, "no probes"),
    refused(424, "pidfd_send_signal", 4, EPERM, "no other process"),
    refused(425, "io_uring_setup", 2, EPERM, "nothing runs beside the program"),
    refused(426, "io_uring_enter", 6, EPERM, "nothing runs beside the program"),
    refused(427, "io_uring_register", 4, EPERM, "nothing runs beside the program"),
    refused(428, "open_tree", 3, EPERM, "the tree is fixed"),
    refused(429, "move_mount", 5, EPERM, "the tree is fixed"),
    refused(430, "fsopen", 2, EPERM, "the tree is fixed"),
    refused(431, "fsconfig", 5, EPERM, "the tree is fixed"),
    refused(432, "fsmount", 3, EPERM, "the tree is fixed"),
    refused(433, "fspick", 3, EPERM, "the tree is fixed"),
    absent(434, "pidfd_open", 2, "no other process"),
    partial(435, "clone3", 2, thread::sys_clone3, "threads; what would be a process answers EPERM"),
    full(436, "close_range", 3, descriptor::sys_close_range),
    partial(437, "openat2", 4, path::sys_openat2, "without the RESOLVE flags"),
    absent(438, "pidfd_getfd", 3, "no other process"),
    full(439, "faccessat2", 4, stat::sys_faccessat2),
    absent(440, "process_madvise", 5, "no other process"),
    partial(441, "epoll_pwait2", 6, poll::sys_epoll_pwait2, "a wait without end that nothing can end answers EDEADLK"),
    refused(442, "mount_setattr", 5, EPERM, "the tree is fixed"),
    refused(443, "quotactl_fd", 4, EPERM, "no quotas"),
    absent(444, "landlock_create_ruleset", 3, "the VM is the boundary"),
    absent(445, "landlock_add_rule", 4, "the VM is the boundary"),
    absent(446, "landlock_restrict_self", 2, "the VM is the boundary"),
    absent(447, "memfd_secret", 1, "nobody to keep secrets from"),
    absent(448, "process_mrelease", 2, "no other process"),
    absent(449, "futex_waitv", 5, "programs fall back to futex"),
    absent(450, "set_mempolicy_home_node", 4, "there is one memory node"),
    absent(451, "cachestat", 4, "no page cache"),
    full(452, "fchmodat2", 4, path::sys_fchmodat2),
    absent(453, "map_shadow_stack", 3, "no shadow stacks"),
    absent(454, "futex_wake", 4, "programs fall back to futex"),
    absent(455, "futex_wait", 6, "programs fall back to futex"),
    absent(456, "futex_requeue", 4, "programs fall back to futex"),
    absent(457, "statmount", 4, "see /proc/mounts"),
    absent(458, "listmount", 4, "see /proc/mounts"),
    absent(459, "lsm_get_self_attr", 4, "no security modules"),
    absent(460, "lsm_set_self_attr", 4, "no security modules"),
    absent(461, "lsm_list_modules", 3, "no security modules"),
    absent(462, "mseal", 3, "mappings are not sealed"),
];

/// Numbers up to the largest one in the table.
const NUMBERS: usize = 463;

/// Place of each number in the table, plus 1; 0 where there is no row.
static INDEX: [u16; NUMBERS] = {
    let mut index = [0; NUMBERS];
    let mut i = 0;
    while i < TABLE.len() {
        index[TABLE[i].number as usize] = i as u16 + 1;
        i += 1;
    }
    index
};

/// The row of a number.
pub fn find(number: u64) -> Option<&'static Row> {
    let place = INDEX.get(usize::try_from(number).ok()?)?;
    TABLE.get(usize::from(place.checked_sub(1)?))
}

/// Answers a system call.
pub fn dispatch(number: u64, args: &Args) -> SysResult {
    let Some(row) = find(number) else {
        report_unsupported(number);
        return Err(Errno::ENOSYS);
    };
    if matches!(row.support, Support::Refused | Support::Absent) {
        report_unsupported(number);
    }
    match row.action {
        Action::Call(handler) => handler(args),
        Action::Answer(answer) => answer,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_in_order_and_explain_themselves() {
        assert!(TABLE.is_sorted_by(|a, b| a.number < b.number));
        for row in TABLE {
            assert!(row.arguments <= 6, "{}", row.name);
            assert_eq!(row.support == Support::Full, row.why.is_empty(), "{}", row.name);
            assert_eq!(find(u64::from(row.number)).map(|r| r.name), Some(row.name));
        }
    }

    #[test]
    fn every_number_of_linux_up_to_462_has_a_row() {
        let missing: Vec<u64> = (0..=335).chain(424..=462).filter(|&n| find(n).is_none()).collect();
        assert_eq!(missing, []);
    }

    #[test]
    fn names_and_numbers_agree_with_linux() {
        use linux_raw_sys::general as linux;
        for (number, name) in [
            (linux::__NR_read, "read"),
            (linux::__NR_openat, "openat"),
            (linux::__NR_getdents64, "getdents64"),
            (linux::__NR_statx, "statx"),
            (linux::__NR_close_range, "close_range"),
            (linux::__NR_epoll_pwait2, "epoll_pwait2"),
            (linux::__NR_mseal, "mseal"),
        ] {
            assert_eq!(find(u64::from(number)).map(|row| row.name), Some(name));
        }
    }

    #[test]
    fn unknown_numbers_answer_enosys() {
        for number in [336, 423, 463, 1 << 16, u64::MAX] {
            assert!(find(number).is_none());
        }
        assert!(matches!(find(57).map(|r| r.action), Some(Action::Answer(Err(Errno::EPERM)))));
    }
}
