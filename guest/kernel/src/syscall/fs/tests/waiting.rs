//! poll, select and epoll as a program makes them.

use super::*;

fn poll_one(fd: u64, events: u32, timeout: u64) -> Result<(u64, u32), Errno> {
    let mut entry = Memory::new(8);
    entry.set(0, &(fd as u32).to_le_bytes());
    entry.set(4, &(events as u16).to_le_bytes());
    let count = call(poll::sys_poll, [entry.address(), 1, timeout])?;
    Ok((count, u32::from(u16::from_le_bytes(entry.get(6, 2).try_into().unwrap()))))
}

#[test]
fn poll_reports_sleeps_or_gives_up() {
    let _guard = start();
    let (r, w) = pipe(0);
    let (input, output) = (linux::POLLIN, linux::POLLOUT);
    assert_eq!(poll_one(w, output, 0), Ok((1, output)));
    assert_eq!(poll_one(r, input, 0), Ok((0, 0)));
    assert_eq!((poll_one(r, input, 1500), SLEPT.get()), (Ok((0, 0)), 1_500_000_000));
    assert_eq!(poll_one(r, input, u64::MAX), Err(Errno::EDEADLK));
    write(w, b"x").unwrap();
    assert_eq!(poll_one(r, input, u64::MAX), Ok((1, input)));
    assert_eq!(poll_one(99, input, 0), Ok((1, linux::POLLNVAL)));
    assert_eq!(poll_one(u64::from(u32::MAX), input, 0), Ok((0, 0)));
    call(descriptor::sys_close, [w]).unwrap();
    assert_eq!(poll_one(r, 0, 0), Ok((1, linux::POLLHUP)));
    assert_eq!(call(poll::sys_poll, [0, 1025, 0]), Err(Errno::EINVAL));
    assert_eq!(call(poll::sys_poll, [0, 1, 0]), Err(Errno::EFAULT));
    assert_eq!(call(poll::sys_poll, [0, 0, 10]), Ok(0));
}

#[test]
fn select_reports_by_bits() {
    let _guard = start();
    let (r, w) = pipe(0);
    write(w, b"x").unwrap();
    let mut inputs = Memory::new(16);
    let mut outputs = Memory::new(16);
    inputs.set(0, &[1 << r | 1 << w]);
    outputs.set(0, &[1 << r | 1 << w]);
    let sets = [w + 1, inputs.address(), outputs.address(), 0, 0];
    assert_eq!(call(poll::sys_select, sets), Ok(2));
    assert_eq!((inputs.get(0, 1), outputs.get(0, 1)), (vec![1 << r], vec![1 << w]));
    assert_eq!(call(poll::sys_select, [u64::MAX, 0, 0, 0, 0]), Err(Errno::EINVAL));
    inputs.set(0, &[0xff]);
    assert_eq!(call(poll::sys_select, [8, inputs.address(), 0, 0, 0]), Err(Errno::EBADF));
    assert_eq!(call(poll::sys_pselect6, [0, 0, 0, 0, 0, 0]), Err(Errno::EDEADLK));
    let mut time = Memory::new(16);
    time.set(8, &1_000_000_000u64.to_le_bytes());
    assert_eq!(call(poll::sys_pselect6, [0, 0, 0, 0, time.address(), 0]), Err(Errno::EINVAL));
    assert_eq!(call(poll::sys_select, [0, 0, 0, 0, time.address()]), Ok(0));
    assert_eq!(SLEPT.get(), 1_000_000_000_000);
}

fn watch(epoll: u64, change: u32, fd: u64, events: u32) -> SysResult {
    let mut event = Memory::new(12);
    event.set(0, &events.to_le_bytes());
    event.set(4, &fd.to_le_bytes());
    call(poll::sys_epoll_ctl, [epoll, u64::from(change), fd, event.address()])
}

fn happened(epoll: u64, max: u64, timeout: i32) -> Result<Vec<(u64, u32)>, Errno> {
    let events = Memory::new(4096);
    let n = call(poll::sys_epoll_wait, [epoll, events.address(), max, timeout as u64])?;
    let event = |i: usize| {
        let bytes = events.get(i * 12, 12);
        let fd = u64::from_le_bytes(bytes[4..].try_into().unwrap());
        (fd, u32::from_le_bytes(bytes[..4].try_into().unwrap()))
    };
    Ok((0..n as usize).map(event).collect())
}

#[test]
fn epoll_reports_levels_edges_and_single_shots() {
    let _guard = start();
    let epoll = call(poll::sys_epoll_create1, [0]).unwrap();
    let (r, w) = pipe(0);
    let (add, modify, input) = (linux::EPOLL_CTL_ADD, linux::EPOLL_CTL_MOD, linux::EPOLLIN);
    assert_eq!(watch(epoll, add, r, input), Ok(0));
    assert_eq!(watch(epoll, add, r, input), Err(Errno::EEXIST));
    assert_eq!(happened(epoll, 8, 0), Ok(vec![]));
    assert_eq!(happened(epoll, 8, -1), Err(Errno::EDEADLK));
    write(w, b"ab").unwrap();
    for _ in 0..2 {
        assert_eq!(happened(epoll, 8, -1), Ok(vec![(r, input)]));
    }
    assert_eq!(watch(epoll, modify, r, input | linux::EPOLLET), Ok(0));
    assert_eq!(happened(epoll, 8, 0), Ok(vec![(r, input)]));
    assert_eq!(happened(epoll, 8, 0), Ok(vec![]));
    write(w, b"c").unwrap();
    assert_eq!(happened(epoll, 8, 0), Ok(vec![(r, input)]));
    assert_eq!(watch(epoll, modify, r, input | linux::EPOLLONESHOT), Ok(0));
    assert_eq!(happened(epoll, 8, 0), Ok(vec![(r, input)]));
    assert_eq!(happened(epoll, 8, 0), Ok(vec![]));
    assert_eq!(watch(epoll, linux::EPOLL_CTL_DEL, r, 0), Ok(0));
    assert_eq!(watch(epoll, linux::EPOLL_CTL_DEL, r, 0), Err(Errno::ENOENT));
    assert_eq!(watch(epoll, modify, r, input), Err(Errno::ENOENT));
    assert_eq!(happened(epoll, 0, 0), Err(Errno::EINVAL));
}

#[test]
fn epoll_forgets_closed_files_and_refuses_ordinary_ones() {
    let _guard = start();
    let epoll = call(poll::sys_epoll_create1, [0]).unwrap();
    let add = linux::EPOLL_CTL_ADD;
    let file = open("f", CREATE).unwrap();
    assert_eq!(watch(epoll, add, file, linux::EPOLLIN), Err(Errno::EPERM));
    assert_eq!(watch(epoll, add, epoll, linux::EPOLLIN), Err(Errno::EINVAL));
    assert_eq!(watch(file, add, epoll, linux::EPOLLIN), Err(Errno::EINVAL));
    let (_, w) = pipe(0);
    assert_eq!(watch(epoll, add, w, linux::EPOLLOUT), Ok(0));
    call(descriptor::sys_close, [w]).unwrap();
    assert_eq!(happened(epoll, 8, 0), Ok(vec![]));
    let (_, again) = pipe(0);
    assert_eq!(watch(epoll, add, again, linux::EPOLLOUT), Ok(0));
}

#[test]
fn epoll_instances_see_through_one_another_without_circles() {
    let _guard = start();
    let [outer, inner] = [0, 0].map(|flags| call(poll::sys_epoll_create1, [flags]).unwrap());
    let (r, w) = pipe(0);
    let (add, input) = (linux::EPOLL_CTL_ADD, linux::EPOLLIN);
    assert_eq!(watch(outer, add, inner, input), Ok(0));
    assert_eq!(watch(inner, add, outer, input), Err(Errno::ELOOP));
    assert_eq!(watch(inner, add, r, input), Ok(0));
    assert_eq!(happened(outer, 8, 0), Ok(vec![]));
    write(w, b"x").unwrap();
    assert_eq!(happened(outer, 8, 0), Ok(vec![(inner, input)]));
    assert_eq!(poll_one(outer, linux::POLLIN, 0), Ok((1, linux::POLLIN)));
}

#[test]
fn epoll_takes_turns_when_the_list_is_short() {
    let _guard = start();
    let epoll = call(poll::sys_epoll_create1, [0]).unwrap();
    let ends: Vec<u64> = (0..4).map(|_| pipe(0).1).collect();
    for end in &ends {
        watch(epoll, linux::EPOLL_CTL_ADD, *end, linux::EPOLLOUT).unwrap();
    }
    let mut seen: Vec<u64> = (0..4).map(|_| happened(epoll, 1, 0).unwrap()[0].0).collect();
    seen.sort_unstable();
    assert_eq!(seen, ends);
}
