//! Who is next, without a processor to switch.

use alloc::vec::Vec;

use super::wake::{longest_waiting, requeue};
use super::*;

fn threads(states: &[(State, u64)]) -> Threads {
    let list = states.iter().enumerate().map(|(index, &(state, deadline))| {
        let mut thread = Thread::new(index as u64 + 1, Box::default(), 0);
        (thread.state, thread.deadline, thread.turn) = (state, deadline, index as u64);
        thread
    });
    Threads {
        list: list.collect(),
        current: 0,
        next_tid: 100,
        next_turn: 100,
        changes: 0,
        files_due: NO_TIME,
        slice_end: 0,
        timers: NO_TIMERS,
        used_ns: 0,
        running_since: NO_TIME,
        dead: None,
    }
}

const READY: (State, u64) = (State::Ready, NO_TIME);
const FUTEX: State = State::Waits(Wait::Futex(0x1000, u32::MAX));
const FILES: State = State::Waits(Wait::Files);
const IDLE: State = State::Waits(Wait::Idle);

#[test]
fn those_that_can_run_take_turns_and_the_one_that_runs_is_last() {
    let mut t = threads(&[READY, (FUTEX, NO_TIME), READY]);
    let mut seen = Vec::new();
    for _ in 0..3 {
        let Next::Run(index) = t.pick(0) else { panic!("somebody can run") };
        t.current = index;
        seen.push(index);
    }
    assert_eq!(seen, [2, 0, 2]);
}

#[test]
fn a_wait_ends_at_its_time_and_says_so() {
    let mut t = threads(&[(FUTEX, 500), (FUTEX, 300)]);
    assert!(matches!(t.pick(100), Next::Sleep(200)));
    assert!(matches!(t.pick(300), Next::Run(1)));
    assert_eq!((t.list[1].woken, t.list[1].deadline), (Woken::TimedOut, NO_TIME));
    assert_eq!(t.list[0].state, FUTEX);
}

#[test]
fn the_timer_ends_the_sleep_of_all() {
    let mut t = threads(&[(FUTEX, 500), (FUTEX, NO_TIME)]);
    t.timers.exchange(TimerKind::Real, Timer { at: 150, interval: 0 });
    assert!(matches!(t.pick(100), Next::Sleep(50)));
}

#[test]
fn a_timer_that_is_a_file_wakes_those_who_wait_for_files() {
    let mut t = threads(&[(FILES, NO_TIME), (FUTEX, NO_TIME)]);
    t.files_due = 150;
    assert!(matches!(t.pick(100), Next::Sleep(50)));
    assert!(matches!(t.pick(150), Next::Run(0)));
    assert_eq!((t.list[0].woken, t.files_due), (Woken::Event, NO_TIME));
}

#[test]
fn whoever_waits_until_all_wait_is_asked_before_the_host_waits() {
    let mut t = threads(&[(FUTEX, 500), (IDLE, 900), READY]);
    assert!(matches!(t.pick(0), Next::Run(2)));
    t.list[2].state = FUTEX;
    assert!(matches!(t.pick(0), Next::Run(1)));
    t.list[1].state = FUTEX;
    assert!(matches!(t.pick(0), Next::Sleep(_)));
}

#[test]
fn files_that_changed_wake_all_that_wait_for_files() {
    let mut t = threads(&[(FILES, NO_TIME), (FILES, NO_TIME), (FUTEX, NO_TIME)]);
    t.changes += 1;
    t.wake_due(0);
    assert_eq!(
        t.list.iter().map(|thread| thread.state).collect::<Vec<_>>(),
        [State::Ready, State::Ready, FUTEX]
    );
    assert_eq!(t.list[0].woken, Woken::Event);
}

#[test]
fn a_wait_for_files_that_nothing_can_end_is_told_and_one_for_a_futex_is_not() {
    let mut t = threads(&[(FUTEX, NO_TIME), (FILES, NO_TIME)]);
    assert!(matches!(t.pick(0), Next::Run(1)));
    assert_eq!(t.list[1].woken, Woken::Deadlock);
    let mut t = threads(&[(FUTEX, NO_TIME), (FUTEX, NO_TIME)]);
    assert!(matches!(t.pick(0), Next::Never));
}

#[test]
fn futexes_wake_the_longest_wait_first_and_only_where_bits_match() {
    let mut t =
        threads(&[(FUTEX, NO_TIME), (FUTEX, NO_TIME), (State::Waits(Wait::Futex(0x1000, 2)), NO_TIME)]);
    t.list[0].turn = 9;
    assert_eq!(longest_waiting(&mut t.list, 0x1000, 1).map(|thread| thread.tid), Some(2));
    assert_eq!(longest_waiting(&mut t.list, 0x2000, u32::MAX).map(|thread| thread.tid), None);
    assert_eq!(requeue(&mut t.list, 0x1000, 0x2000, 2), 2);
    assert_eq!(longest_waiting(&mut t.list, 0x2000, u32::MAX).map(|thread| thread.tid), Some(2));
    assert_eq!(longest_waiting(&mut t.list, 0x1000, u32::MAX).map(|thread| thread.tid), Some(1));
}

#[test]
fn a_new_stack_holds_the_registers_and_where_to_begin() {
    let regs = crate::traps::Regs { rip: 0x1234, rsp: 0x5678, rbx: 7, ..Default::default() };
    let mut stack = alloc::vec![0; STACK_WORDS].into_boxed_slice();
    let start = stack.as_ptr() as u64;
    let vectors = [0xab; 2816];
    let (top, pointer) = lay_out(&mut stack, &regs, &vectors);
    let at = |address: u64| stack[((address - start) / 8) as usize];
    let regs_at = top - arch::REGISTER_FRAME_BYTES as u64;
    assert_eq!((at(regs_at + 15 * 8), at(regs_at + 18 * 8), at(regs_at + 11 * 8)), (0x1234, 0x5678, 7));
    let fpu_at = at(pointer + 3 * 8);
    assert!(fpu_at.is_multiple_of(64) && fpu_at + 2816 <= regs_at);
    assert_eq!((at(fpu_at), at(fpu_at + 2808)), (0xabab_abab_abab_abab, 0xabab_abab_abab_abab));
    assert_eq!((at(pointer + 4 * 8), stack[0]), (regs_at, CANARY));
}
