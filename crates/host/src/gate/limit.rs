//! Budgets: how much of something a run may still use.
//!
//! Guarantees: a charge that does not fit is an error with the amount that was tried, and stays charged, so that the
//! next one fails too. Never: waits or measures.
//!
//! Before: the gates. After: nothing.

use crate::error::{LimitError, LimitKind};

/// Use of one thing, and its limit.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Budget {
    limit: LimitKind,
    used: u64,
    maximum: u64,
}

impl Budget {
    /// Starts with nothing used.
    pub(crate) fn new(limit: LimitKind, maximum: u64) -> Self {
        Self { limit, used: 0, maximum }
    }

    /// Adds to what is used.
    ///
    /// # Errors
    ///
    /// [`LimitError`] if that is more than may be used.
    pub(crate) fn charge(&mut self, amount: usize) -> Result<(), LimitError> {
        self.charge_u64(u64::try_from(amount).unwrap_or(u64::MAX))
    }

    /// The same, for an amount that does not come from the length of a buffer.
    pub(crate) fn charge_u64(&mut self, amount: u64) -> Result<(), LimitError> {
        self.used = self.used.saturating_add(amount);
        if self.is_exceeded() {
            return Err(LimitError { limit: self.limit, used: self.used, maximum: self.maximum });
        }
        Ok(())
    }

    /// Returns what may still be used.
    pub(crate) fn left(&self) -> u64 {
        self.maximum.saturating_sub(self.used)
    }

    /// Returns what was used.
    pub(crate) fn used(&self) -> u64 {
        self.used
    }

    /// Returns whether a charge did not fit.
    pub(crate) fn is_exceeded(&self) -> bool {
        self.used > self.maximum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budget_holds_exactly_its_maximum() {
        let mut budget = Budget::new(LimitKind::ToolCalls, 2);
        assert_eq!(budget.charge(2), Ok(()));
        assert_eq!(budget.charge(1), Err(LimitError { limit: LimitKind::ToolCalls, used: 3, maximum: 2 }));
        assert_eq!(budget.left(), 0);
    }

    #[test]
    fn budget_does_not_wrap() {
        let mut budget = Budget::new(LimitKind::Output, u64::MAX - 1);
        assert_eq!(
            budget.charge(usize::MAX),
            Err(LimitError { limit: LimitKind::Output, used: u64::MAX, maximum: u64::MAX - 1 })
        );
        assert!(budget.charge(usize::MAX).is_err());
    }
}
