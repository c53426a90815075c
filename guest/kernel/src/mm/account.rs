//! What counts against the memory limit of the run, and from when on.
//!
//! A page counts when it is touched, with one exception: mappings that are small beside the limit count whole as soon as
//! they are there. Those are the arenas of allocators, which are soon full, and a program whose memory grows with them
//! hears of the limit by ENOMEM, which Python can raise, and not by a page that cannot be had (decision 0016).
//!
//! Guarantees: no sum here passes the limit by what it admits. Never: knows areas, pages or frames.
//!
//! Before: heap, arch (how much is touched). After: mm.

use crate::errno::Errno;

/// Share of the limit above which a mapping counts by the pages that are touched: an eighth.
const LARGE_SHARE: u64 = 8;
/// Share of the limit that mappings leave to pages touched later: 1/64.
const TOUCH_SHARE: u64 = 64;
/// Untouched memory that may be promised at most, in limits.
const MAX_PROMISED_LIMITS: u64 = 2;

/// When the pages of an area count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Charge {
    /// All of them since it was mapped.
    Mapped,
    /// Each when it is touched. The kernel promised that there would be room when it mapped the area.
    Promised,
    /// Each when it is touched. Nothing was promised: the program cannot touch it yet, or did without (MAP_NORESERVE).
    Touched,
}

/// Sums of bytes, and the limit.
#[derive(Debug)]
pub struct Account {
    /// Bytes of areas that count whole.
    mapped: u64,
    /// Bytes of areas of promised memory, touched or not.
    promised: u64,
    limit: u64,
}

impl Account {
    /// Nothing counted, and no limit.
    pub const fn new() -> Self {
        Self { mapped: 0, promised: 0, limit: u64::MAX }
    }

    /// Sets the most bytes that may count.
    pub fn set_limit(&mut self, bytes: u64) {
        self.limit = bytes;
    }

    /// The most bytes that may count.
    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// When writable memory of a length counts.
    pub fn kind_of(&self, bytes: u64) -> Charge {
        if bytes > self.limit / LARGE_SHARE { Charge::Promised } else { Charge::Mapped }
    }

    /// Bytes that may still count, where `others` count beside what is mapped: touched pages and the kernel heap.
    pub fn left(&self, others: u64) -> u64 {
        self.limit.saturating_sub(self.mapped).saturating_sub(others)
    }

    /// Whether so little is left that pages are filled one by one.
    pub fn is_short(&self, others: u64) -> bool {
        self.left(others) < self.limit / TOUCH_SHARE
    }

    /// Counts memory that is about to be mapped.
    ///
    /// # Errors
    ///
    /// `ENOMEM` where it could not all be touched now, or where too much is promised already.
    pub fn charge(&mut self, charge: Charge, bytes: u64, others: u64) -> Result<(), Errno> {
        if charge == Charge::Touched {
            return Ok(());
        }
        if bytes > self.left(others).saturating_sub(self.limit / TOUCH_SHARE) {
            return Err(Errno::ENOMEM);
        }
        let sum = if charge == Charge::Mapped { &mut self.mapped } else { &mut self.promised };
        let total = sum.checked_add(bytes).ok_or(Errno::ENOMEM)?;
        if charge == Charge::Promised && total > self.limit.saturating_mul(MAX_PROMISED_LIMITS) {
            return Err(Errno::ENOMEM);
        }
        *sum = total;
        Ok(())
    }

    /// Counts memory no longer that was mapped.
    pub fn release(&mut self, charge: Charge, bytes: u64) {
        match charge {
            Charge::Mapped => self.mapped = self.mapped.saturating_sub(bytes),
            Charge::Promised => self.promised = self.promised.saturating_sub(bytes),
            Charge::Touched => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn account() -> Account {
        let mut account = Account::new();
        account.set_limit(128 * MIB);
        account
    }

    #[test]
    fn small_mappings_count_whole_up_to_what_is_kept_for_touches() {
        let mut account = account();
        assert_eq!(account.kind_of(16 * MIB), Charge::Mapped);
        assert_eq!(account.charge(Charge::Mapped, 126 * MIB, 0), Ok(()));
        assert_eq!((account.left(0), account.is_short(0)), (2 * MIB, false));
        assert_eq!(account.charge(Charge::Mapped, 1, 0), Err(Errno::ENOMEM));
        account.release(Charge::Mapped, 126 * MIB);
        assert_eq!(account.left(0), 128 * MIB);
    }

    #[test]
    fn large_mappings_count_by_touched_pages_and_are_promised_twice_the_limit() {
        let mut account = account();
        assert_eq!(account.kind_of(16 * MIB + 1), Charge::Promised);
        for _ in 0..4 {
            assert_eq!(account.charge(Charge::Promised, 64 * MIB, 0), Ok(()));
        }
        assert_eq!(account.charge(Charge::Promised, 1, 0), Err(Errno::ENOMEM));
        assert_eq!(account.left(0), 128 * MIB);
        account.release(Charge::Promised, 64 * MIB);
        assert_eq!(account.charge(Charge::Promised, 64 * MIB, 62 * MIB), Ok(()));
    }

    #[test]
    fn a_mapping_that_could_not_be_touched_now_is_refused() {
        let mut account = account();
        assert_eq!(account.charge(Charge::Promised, 127 * MIB, 0), Err(Errno::ENOMEM));
        assert_eq!(account.charge(Charge::Promised, 64 * MIB, 63 * MIB), Err(Errno::ENOMEM));
        assert_eq!(account.charge(Charge::Touched, u64::MAX, u64::MAX), Ok(()));
        for bytes in [1 << 40, 1 << 63, u64::MAX] {
            assert_eq!(account.charge(account.kind_of(bytes), bytes, 0), Err(Errno::ENOMEM));
            assert_eq!(account.charge(Charge::Mapped, bytes, 0), Err(Errno::ENOMEM));
        }
    }

    #[test]
    fn nothing_is_left_where_more_is_used_than_a_new_limit() {
        let mut account = account();
        assert_eq!(account.charge(Charge::Mapped, 100 * MIB, 0), Ok(()));
        account.set_limit(16 * MIB);
        assert_eq!((account.left(0), account.left(u64::MAX)), (0, 0));
        assert_eq!(account.charge(Charge::Mapped, 4096, 0), Err(Errno::ENOMEM));
    }

    #[test]
    fn without_a_limit_sums_do_not_wrap() {
        let mut account = Account::new();
        assert_eq!(account.charge(Charge::Mapped, 1 << 62, 0), Ok(()));
        assert_eq!(account.charge(Charge::Mapped, u64::MAX, 0), Err(Errno::ENOMEM));
    }
}
