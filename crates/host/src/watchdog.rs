//! One thread for the process that wakes up when a run's time is over.
//!
//! Guarantees: an alarm rings at its time, late by what the scheduler takes, until it is dropped; a child process that
//! was forked gets a thread of its own. Never: decides what ringing means.
//!
//! Before: `control`. After: the clock.

use std::sync::{Arc, Condvar, Mutex, Weak};
use std::time::{Duration, Instant};

use crate::engine::Interrupt;
use crate::error::MachineError;
use crate::lock;

/// Something that wants to be woken.
pub(crate) trait Ring: Send + Sync {
    /// Does what is due. Returns after how long to ring again, if at all.
    fn ring(&self) -> Option<Duration>;
}

/// The thread's list of alarms.
#[derive(Default)]
pub(crate) struct Watchdog {
    queue: Mutex<Queue>,
    changed: Condvar,
}

#[derive(Default)]
struct Queue {
    entries: Vec<Entry>,
    next_id: u64,
    /// When the thread wakes up by itself; `None` while it waits for a first alarm.
    wakes_at: Option<Instant>,
}

struct Entry {
    id: u64,
    at: Option<Instant>,
    target: Weak<dyn Ring>,
}

/// An alarm. Dropping it removes it; it may then be ringing for the last time.
pub(crate) struct Alarm {
    watchdog: Arc<Watchdog>,
    id: u64,
}

impl Watchdog {
    /// Returns the process's watchdog and starts its thread at the first call.
    ///
    /// # Errors
    ///
    /// [`MachineError::Watchdog`] if the thread does not start.
    pub(crate) fn shared() -> Result<Arc<Self>, MachineError> {
        static SHARED: Mutex<Option<(u32, Arc<Watchdog>)>> = Mutex::new(None);
        let mut shared = lock(&SHARED);
        let process = std::process::id();
        if let Some((owner, watchdog)) = &*shared
            && *owner == process
        {
            return Ok(watchdog.clone());
        }
        // First use, or a forked child: threads stay behind in the parent.
        let watchdog = Arc::new(Self::default());
        let for_thread = watchdog.clone();
        std::thread::Builder::new()
            .name("hypercell-watchdog".into())
            .spawn(move || for_thread.run())
            .map_err(|error| MachineError::Watchdog { kind: error.kind() })?;
        *shared = Some((process, watchdog.clone()));
        Ok(watchdog)
    }

    /// Adds an alarm; without a time it is silent until one is set.
    pub(crate) fn add(self: &Arc<Self>, at: Option<Instant>, target: Weak<dyn Ring>) -> Alarm {
        let id = {
            let mut queue = lock(&self.queue);
            let id = queue.next_id;
            queue.next_id += 1;
            queue.entries.push(Entry { id, at: None, target });
            id
        };
        let alarm = Alarm { watchdog: self.clone(), id };
        if let Some(at) = at {
            alarm.ring_at(at);
        }
        alarm
    }

    fn run(&self) {
        let mut queue = lock(&self.queue);
        loop {
            let next = queue.entries.iter().filter_map(|entry| entry.at.map(|at| (at, entry.id))).min();
            queue.wakes_at = next.map(|(at, _)| at);
            let Some((at, id)) = next else {
                queue = self.changed.wait(queue).unwrap_or_else(std::sync::PoisonError::into_inner);
                continue;
            };
            let wait = at.saturating_duration_since(Instant::now());
            if !wait.is_zero() {
                let woken = self.changed.wait_timeout(queue, wait);
                queue = woken.unwrap_or_else(std::sync::PoisonError::into_inner).0;
                continue;
            }
            let target = queue.take_time(id);
            drop(queue);
            let again = target.and_then(|target| target.ring());
            queue = lock(&self.queue);
            if let Some(delay) = again {
                queue.set_time(id, Instant::now() + delay);
            }
        }
    }
}

impl Queue {
    /// Silences an alarm and returns its target, if that still lives.
    fn take_time(&mut self, id: u64) -> Option<Arc<dyn Ring>> {
        let entry = self.entries.iter_mut().find(|entry| entry.id == id)?;
        entry.at = None;
        entry.target.upgrade()
    }

    /// Sets the time of an alarm, unless it has an earlier one.
    fn set_time(&mut self, id: u64, at: Instant) {
        if let Some(entry) = self.entries.iter_mut().find(|entry| entry.id == id) {
            entry.at = Some(entry.at.map_or(at, |old| old.min(at)));
        }
    }
}

impl Alarm {
    /// Makes the alarm ring at a time, or earlier if it would anyway.
    pub(crate) fn ring_at(&self, at: Instant) {
        let mut queue = lock(&self.watchdog.queue);
        queue.set_time(self.id, at);
        // A thread that wakes earlier than that looks at the list then; waking it now would cost each run a switch.
        if queue.wakes_at.is_none_or(|wakes_at| at < wakes_at) {
            self.watchdog.changed.notify_one();
        }
    }
}

/// How often a timeout repeats its interrupt: one that comes between two turns is lost.
const INTERRUPT_EVERY: Duration = Duration::from_millis(20);

/// Interrupts a guest once its time is over, until this is dropped.
pub(crate) struct Timeout {
    _alarm: Alarm,
    /// The watchdog holds it weakly.
    _guest: Arc<Interrupter>,
}

struct Interrupter(Arc<dyn Interrupt>);

impl Timeout {
    /// Gives a guest some time from now on.
    ///
    /// # Errors
    ///
    /// [`MachineError::Watchdog`].
    pub(crate) fn new(guest: Arc<dyn Interrupt>, time: Duration) -> Result<Self, MachineError> {
        let guest = Arc::new(Interrupter(guest));
        let target: Weak<Interrupter> = Arc::downgrade(&guest);
        let alarm = Watchdog::shared()?.add(Instant::now().checked_add(time), target);
        Ok(Self { _alarm: alarm, _guest: guest })
    }
}

impl Ring for Interrupter {
    fn ring(&self) -> Option<Duration> {
        self.0.interrupt();
        Some(INTERRUPT_EVERY)
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        lock(&self.watchdog.queue).entries.retain(|entry| entry.id != self.id);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    /// Counts how often it rang, and asks for it `again` times.
    struct Bell {
        rang: AtomicU32,
        again: u32,
    }

    impl Ring for Bell {
        fn ring(&self) -> Option<Duration> {
            let rang = self.rang.fetch_add(1, Ordering::SeqCst);
            (rang < self.again).then_some(Duration::from_millis(1))
        }
    }

    fn bell(again: u32) -> Arc<Bell> {
        Arc::new(Bell { rang: AtomicU32::new(0), again })
    }

    fn weak(bell: &Arc<Bell>) -> Weak<dyn Ring> {
        let bell: Arc<dyn Ring> = bell.clone();
        Arc::downgrade(&bell)
    }

    fn wait_until(condition: impl Fn() -> bool) {
        let start = Instant::now();
        while !condition() {
            assert!(start.elapsed() < Duration::from_secs(20), "nothing happened");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn alarm_rings_until_its_target_has_enough() {
        let watchdog = Watchdog::shared().expect("a thread");
        let bell = bell(3);
        let _alarm = watchdog.add(Some(Instant::now()), weak(&bell));
        wait_until(|| bell.rang.load(Ordering::SeqCst) == 4);
        std::thread::sleep(Duration::from_millis(20));
        assert_eq!(bell.rang.load(Ordering::SeqCst), 4);
    }

    #[test]
    fn earlier_alarm_rings_while_the_thread_waits_for_a_later_one() {
        let watchdog = Watchdog::shared().expect("a thread");
        let (late, early) = (bell(0), bell(0));
        let _late = watchdog.add(Some(Instant::now() + Duration::from_secs(3600)), weak(&late));
        let _early = watchdog.add(Some(Instant::now() + Duration::from_millis(5)), weak(&early));
        wait_until(|| early.rang.load(Ordering::SeqCst) == 1);
        assert_eq!(late.rang.load(Ordering::SeqCst), 0);
    }

    #[test]
    fn dropped_alarm_is_silent() {
        let watchdog = Watchdog::shared().expect("a thread");
        let bell = bell(0);
        drop(watchdog.add(Some(Instant::now() + Duration::from_millis(30)), weak(&bell)));
        std::thread::sleep(Duration::from_millis(60));
        assert_eq!(bell.rang.load(Ordering::SeqCst), 0);
    }

    #[test]
    fn silent_alarm_rings_once_a_time_is_set() {
        let watchdog = Watchdog::shared().expect("a thread");
        let bell = bell(0);
        let alarm = watchdog.add(None, weak(&bell));
        alarm.ring_at(Instant::now());
        wait_until(|| bell.rang.load(Ordering::SeqCst) == 1);
    }
}
