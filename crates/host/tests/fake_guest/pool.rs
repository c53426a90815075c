//! Pools: what a run gets from one, what comes back to it, and its bounds. The guest answers with the number of turns
//! that it has seen: 0 in a guest that nobody warmed up, 1 in one that was, more in one that was not restored.

use std::time::{Duration, Instant};

use hypercell_host::engine::VmError;
use hypercell_host::error::{MachineError, UsageError};
use hypercell_host::{
    Error, Pool, PoolOptions, PoolStats, Sandbox, SandboxOptions, StateMode, Step, ToolReply,
};
use hypercell_host::{ToolInfo, abi::RawValue};

use crate::guest::{Act, CODE, Entered, FakeSource, int, run};

const LONG: Duration = Duration::from_secs(20);

fn count(entered: &Entered<'_>) -> Act {
    entered.done(&[u8::try_from(entered.turn).expect("few turns")])
}

fn pool(source: &FakeSource, prepared: usize, max_prepared: usize) -> Pool<FakeSource> {
    Pool::new(source.clone(), PoolOptions { prepared, max_prepared }).expect("good options")
}

fn sandbox(pool: &Pool<FakeSource>, state: StateMode) -> Sandbox<FakeSource> {
    let tools = vec![ToolInfo { name: "add".into(), ..ToolInfo::default() }];
    let options = SandboxOptions { state, tools, ..SandboxOptions::default() };
    Sandbox::in_pool(pool.clone(), options).expect("good options")
}

/// Waits until the pool has nothing to do, and returns what it holds.
fn settled(pool: &Pool<FakeSource>) -> PoolStats {
    let start = Instant::now();
    loop {
        let _ = pool.wait_ready(LONG);
        let stats = pool.stats();
        if stats.preparing == 0 {
            return stats;
        }
        assert!(start.elapsed() < LONG, "the pool never comes to rest: {stats:?}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn each_run_gets_a_guest_that_was_warmed_up_and_never_one_that_ran_something() {
    let source = FakeSource::new(count);
    let pool = pool(&source, 1, 1);
    let mut sandbox = sandbox(&pool, StateMode::Fresh);
    for hits in 1..=5 {
        assert_eq!(settled(&pool).ready, 1);
        assert_eq!(run(&mut sandbox).expect("a run").outcome, Ok(int(1)));
        assert_eq!((pool.stats().hits, pool.stats().misses), (hits, 0));
    }
    settled(&pool);
    assert_eq!((source.created(), source.restored()), (1, 5));
}

#[test]
fn run_that_finds_no_guest_makes_one_and_the_pool_grows_to_its_bound() {
    let source = FakeSource::new(count);
    let pool = pool(&source, 0, 2);
    let mut boxes: Vec<_> = (0..4).map(|_| sandbox(&pool, StateMode::Fresh)).collect();
    let run_all_at_once = |boxes: &mut Vec<Sandbox<FakeSource>>| {
        std::thread::scope(|scope| {
            for sandbox in boxes {
                scope.spawn(|| run(sandbox).expect("a run"));
            }
        });
    };
    assert_eq!(settled(&pool), PoolStats::default());
    run_all_at_once(&mut boxes);
    let stats = settled(&pool);
    assert!((1..=2).contains(&stats.ready), "{stats:?}");
    assert_eq!((stats.leased, stats.hits + stats.misses), (0, 4));
}

#[test]
fn guest_that_crashed_is_replaced() {
    let source = FakeSource::new(|entered: &Entered<'_>| match entered.turn {
        0 => entered.done(&[0]),
        _ => Act::Fail(VmError::Crashed { detail: "triple fault".into() }),
    });
    let pool = pool(&source, 1, 1);
    let mut sandbox = sandbox(&pool, StateMode::Fresh);
    for created in 2..=4 {
        assert_eq!(settled(&pool).ready, 1);
        assert!(matches!(run(&mut sandbox), Err(Error::Crash(_))));
        assert_eq!(settled(&pool).ready, 1);
        assert_eq!((source.created(), source.restored()), (created, 0));
    }
}

#[test]
fn kept_state_keeps_its_guest_and_the_pool_prepares_another() {
    let source = FakeSource::new(count);
    let pool = pool(&source, 1, 1);
    let mut sandbox = sandbox(&pool, StateMode::Kept);
    settled(&pool);
    assert_eq!(run(&mut sandbox).expect("a run").outcome, Ok(int(1)));
    assert_eq!(settled(&pool).ready, 1);
    assert_eq!(run(&mut sandbox).expect("a run").outcome, Ok(int(2)));
    sandbox.reset().expect("open");
    assert_eq!(settled(&pool).ready, 1);
    assert_eq!(run(&mut sandbox).expect("a run").outcome, Ok(int(1)));
}

#[test]
fn guest_in_which_a_tool_call_waits_is_leased_and_no_other_run_gets_it() {
    let source = FakeSource::new(|entered: &Entered<'_>| match entered.turn {
        1 => entered.call("add", &[0xa0]),
        turn => entered.done(&[u8::try_from(turn).expect("few turns")]),
    });
    let pool = pool(&source, 1, 2);
    settled(&pool);
    let (mut first, mut second) = (sandbox(&pool, StateMode::Fresh), sandbox(&pool, StateMode::Fresh));
    let Ok(Step::ToolCall(call)) = first.start(&CODE) else { panic!("a call") };
    assert_eq!(pool.stats().leased, 1);
    assert_eq!(run(&mut second).expect("a run").outcome, Ok(int(0)), "a guest of its own, not warmed up");
    let Ok(Step::Done(done)) = first.resume(call.id, ToolReply::Value(RawValue::NONE)) else {
        panic!("the end")
    };
    assert_eq!(done.outcome, Ok(int(2)));
    assert_eq!(settled(&pool).leased, 0);
}

#[test]
fn closed_pool_runs_nothing_more() {
    let source = FakeSource::new(count);
    let pool = pool(&source, 2, 2);
    let mut sandbox = sandbox(&pool, StateMode::Fresh);
    settled(&pool);
    pool.close();
    let error = run(&mut sandbox).expect_err("closed");
    assert!(matches!(error, Error::Usage(UsageError::PoolClosed)), "{error}");
    assert!(!pool.wait_ready(Duration::ZERO));
    assert_eq!(settled(&pool).ready, 0);
}

#[test]
fn run_that_goes_on_when_its_pool_is_closed_ends_as_usual() {
    let source = FakeSource::new(|entered: &Entered<'_>| match entered.turn {
        1 => entered.call("add", &[0xa0]),
        _ => entered.done(&[5]),
    });
    let pool = pool(&source, 1, 1);
    settled(&pool);
    let mut sandbox = sandbox(&pool, StateMode::Fresh);
    let Ok(Step::ToolCall(call)) = sandbox.start(&CODE) else { panic!("a call") };
    pool.close();
    assert!(matches!(sandbox.resume(call.id, ToolReply::Value(RawValue::NONE)), Ok(Step::Done(_))));
    assert_eq!(settled(&pool), PoolStats { hits: 1, ..PoolStats::default() });
}

#[test]
fn where_no_guest_can_be_made_the_run_says_why() {
    let source = FakeSource::failing(VmError::Hypervisor { detail: "no".into() });
    let pool = pool(&source, 1, 1);
    assert!(!pool.wait_ready(LONG));
    let mut sandbox = sandbox(&pool, StateMode::Fresh);
    for _ in 0..2 {
        let error = run(&mut sandbox).expect_err("no guest");
        assert!(matches!(error, Error::Machine(MachineError::Hypervisor(_))), "{error}");
    }
    assert_eq!(settled(&pool).leased, 0);
}

#[test]
fn guest_that_cannot_be_warmed_up_is_never_ready() {
    let source = FakeSource::new(|entered: &Entered<'_>| entered.raise("RuntimeError", "no"));
    let pool = pool(&source, 1, 1);
    assert!(!pool.wait_ready(LONG));
    assert_eq!(pool.stats().ready, 0);
}

#[test]
fn numbers_out_of_range_are_refused() {
    let source = FakeSource::new(count);
    for (prepared, max_prepared, message) in [
        (5, 4, "max_prepared is 4, which is not from 5 to 1024"),
        (0, 0, "max_prepared is 0, which is not from 1 to 1024"),
        (1025, 1025, "prepared is 1025, which is not from 0 to 1024"),
        (1, usize::MAX, "max_prepared is 18446744073709551615, which is not from 1 to 1024"),
    ] {
        let error = Pool::new(source.clone(), PoolOptions { prepared, max_prepared }).expect_err("refused");
        assert_eq!(error.to_string(), message);
    }
}

#[test]
fn many_threads_share_a_pool_and_never_a_guest() {
    let source = FakeSource::new(count);
    let pool = pool(&source, 2, 4);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let mut sandbox = sandbox(&pool, StateMode::Fresh);
                for _ in 0..200 {
                    let outcome = run(&mut sandbox).expect("a run").outcome;
                    assert!(outcome == Ok(int(0)) || outcome == Ok(int(1)), "{outcome:?}");
                }
            });
        }
    });
    let stats = settled(&pool);
    assert!(stats.ready <= 4, "{stats:?}");
    assert_eq!((stats.leased, stats.hits + stats.misses), (0, 1600));
}
