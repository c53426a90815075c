//! Threads of the process that make guests ready off the caller's path.
//!
//! Guarantees: there are at most half as many threads as processors, at least one; they yield to callers, end when
//! nothing was asked of them for a while, and never run anything of the caller's. A child process that was forked gets
//! threads of its own.
//! Never: knows what is prepared; `pool` does.
//!
//! Before: `pool`. After: the pool that asked.

use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Condvar, Mutex, PoisonError, Weak};
use std::time::Duration;

use crate::lock;

/// How long a thread waits for work before it ends.
const IDLE: Duration = Duration::from_secs(10);
const MAX_THREADS: usize = 8;
/// How long a thread that was woken waits: who woke it is about to return from a run, perhaps on the same processor.
const COURTESY: Duration = Duration::from_micros(300);
/// Niceness of the threads: who waits for a run goes first.
const NICENESS: i32 = 10;

/// Somebody who has one guest to prepare.
pub(crate) trait Prepare: Send + Sync {
    /// Does one piece of work.
    fn prepare_one(&self);
}

struct Preparer {
    queue: Mutex<Queue>,
    changed: Condvar,
    /// Found out once: asking for processors reads files.
    max_threads: usize,
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Weak<dyn Prepare>>,
    threads: usize,
    idle: usize,
}

/// Asks for one call of `prepare_one`, soon. Where no thread can be started, nothing happens: callers prepare guests
/// themselves when they find none.
pub(crate) fn ask(who: Weak<dyn Prepare>) {
    let preparer = shared();
    let mut queue = lock(&preparer.queue);
    queue.jobs.push_back(who);
    if queue.idle >= queue.jobs.len() || queue.threads >= preparer.max_threads {
        drop(queue);
        preparer.changed.notify_one();
        return;
    }
    queue.threads += 1;
    drop(queue);
    let for_thread = preparer.clone();
    let started =
        std::thread::Builder::new().name("hypercell-prepare".into()).spawn(move || for_thread.work());
    if started.is_err() {
        lock(&preparer.queue).threads -= 1;
    }
}

fn shared() -> Arc<Preparer> {
    static SHARED: Mutex<Option<(u32, Arc<Preparer>)>> = Mutex::new(None);
    let mut shared = lock(&SHARED);
    let process = std::process::id();
    match &*shared {
        Some((owner, preparer)) if *owner == process => preparer.clone(),
        // First use, or a forked child: threads stay behind in the parent.
        _ => {
            let preparer = Arc::new(Preparer {
                queue: Mutex::default(),
                changed: Condvar::new(),
                max_threads: max_threads(),
            });
            *shared = Some((process, preparer.clone()));
            preparer
        }
    }
}

fn max_threads() -> usize {
    let processors = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    (processors / 2).clamp(1, MAX_THREADS)
}

impl Preparer {
    fn work(&self) {
        // Without the lower priority callers wait a little more; nothing else depends on it.
        let _ = rustix::process::setpriority_process(None, NICENESS);
        while let Some(job) = self.next() {
            if let Some(who) = job.upgrade() {
                // A panic costs one guest, not the thread. It was reported on standard error, and the pool counts right.
                let _ = std::panic::catch_unwind(AssertUnwindSafe(|| who.prepare_one()));
            }
        }
    }

    /// Waits for a job; `None` means that the thread is to end, and is not counted any more.
    fn next(&self) -> Option<Weak<dyn Prepare>> {
        let mut queue = lock(&self.queue);
        loop {
            if let Some(job) = queue.jobs.pop_front() {
                return Some(job);
            }
            queue.idle += 1;
            let (guard, waited) =
                self.changed.wait_timeout(queue, IDLE).unwrap_or_else(PoisonError::into_inner);
            queue = guard;
            queue.idle -= 1;
            if !queue.jobs.is_empty() {
                drop(queue);
                std::thread::sleep(COURTESY);
                queue = lock(&self.queue);
            } else if waited.timed_out() {
                queue.threads -= 1;
                return None;
            }
        }
    }
}
