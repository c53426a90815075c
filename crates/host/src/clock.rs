//! What each entry into a VM carries from outside: the time, the rate of its counter, and fresh randomness.
//!
//! Guarantees: no two entries carry the same entropy; without entropy there is no entry. The rate is found once in a
//! process. Never: lets a guest see a clock of the host other than wall time.
//!
//! Before: `channel`. After: the kernel's random source, the processor, the system clock.

use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use hypercell_abi::frame::ENTROPY_BYTES;
use raw_cpuid::CpuId;

use crate::error::MachineError;

/// How long the counter is compared with the clock. The readings are some 20 ns sharp, which makes 10 ppm.
const MEASURE_TIME: Duration = Duration::from_millis(2);
/// Readings of which the sharpest counts: one that the scheduler cuts in two is blunt.
const READINGS: usize = 16;

/// The present, as a guest is told it.
#[derive(Clone)]
pub(crate) struct Moment {
    /// Nanoseconds since 1970.
    pub(crate) realtime_ns: u64,
    /// Rate of the time stamp counter.
    pub(crate) tsc_khz: u32,
    /// Fresh randomness.
    pub(crate) entropy: [u8; ENTROPY_BYTES],
}

impl Moment {
    /// Reads the clocks and draws entropy.
    ///
    /// # Errors
    ///
    /// [`MachineError::Entropy`].
    pub(crate) fn now() -> Result<Self, MachineError> {
        Ok(Self { entropy: entropy()?, ..Self::without_entropy() })
    }

    /// Reads the clocks. All zeros is what a guest kernel takes for no entropy.
    pub(crate) fn without_entropy() -> Self {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        // 64 bits of nanoseconds last until the year 2554.
        let realtime_ns = u64::try_from(since_epoch.as_nanos()).unwrap_or(u64::MAX);
        Self { realtime_ns, tsc_khz: tsc_khz(), entropy: [0; ENTROPY_BYTES] }
    }
}

/// Draws 32 random bytes from the kernel.
///
/// # Errors
///
/// [`MachineError::Entropy`].
pub(crate) fn entropy() -> Result<[u8; ENTROPY_BYTES], MachineError> {
    let mut bytes = [0; ENTROPY_BYTES];
    getrandom::fill(&mut bytes).map_err(|source| MachineError::Entropy { source })?;
    // All zeros is what a guest kernel takes for "none". Chance does not do this; a broken source does.
    if bytes == [0; ENTROPY_BYTES] {
        return Err(MachineError::Entropy { source: getrandom::Error::UNEXPECTED });
    }
    Ok(bytes)
}

/// Returns the rate of the time stamp counter in kHz.
fn tsc_khz() -> u32 {
    static KHZ: OnceLock<u32> = OnceLock::new();
    *KHZ.get_or_init(|| announced_khz().unwrap_or_else(measured_khz))
}

/// Asks the processor (leaf 0x15, SDM vol. 3 section 20.7.3), then the hypervisor that this host may run in (leaf
/// 0x40000010).
fn announced_khz() -> Option<u32> {
    let cpuid = CpuId::new();
    let processor_khz = cpuid.get_tsc_info().and_then(|info| info.tsc_frequency()).map(|hertz| hertz / 1000);
    let khz = processor_khz
        .or_else(|| cpuid.get_hypervisor_info().and_then(|info| info.tsc_frequency()).map(u64::from))?;
    u32::try_from(khz).ok().filter(|&khz| khz > 0)
}

/// Compares the counter with the monotonic clock.
fn measured_khz() -> u32 {
    let (start, start_ticks) = read_both();
    while start.elapsed() < MEASURE_TIME {
        std::thread::sleep(MEASURE_TIME.saturating_sub(start.elapsed()));
    }
    let (end, end_ticks) = read_both();
    let ticks = u128::from(end_ticks.saturating_sub(start_ticks));
    let ns = end.saturating_duration_since(start).as_nanos().max(1);
    u32::try_from(ticks.saturating_mul(1_000_000) / ns).unwrap_or(0)
}

/// Reads clock and counter at the same time, as far as that goes.
fn read_both() -> (Instant, u64) {
    let read = || {
        let before = Instant::now();
        let ticks = tick_counter::x86_64_tick_counter();
        let width = before.elapsed();
        (width, before + width / 2, ticks)
    };
    let sharpest =
        (1..READINGS).map(|_| read()).fold(read(), |best, one| if one.0 < best.0 { one } else { best });
    (sharpest.1, sharpest.2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_differ_in_entropy_and_agree_on_the_rate() {
        let (one, two) = (Moment::now().expect("entropy"), Moment::now().expect("entropy"));
        assert_ne!(one.entropy, two.entropy);
        assert_eq!(one.tsc_khz, two.tsc_khz);
        assert!(two.realtime_ns >= one.realtime_ns);
    }

    #[test]
    fn measured_rate_repeats_within_one_in_a_thousand() {
        let (one, two) = (measured_khz(), measured_khz());
        assert!(one > 0);
        assert!(one.abs_diff(two) < one / 1000, "{one} and {two}");
    }
}
