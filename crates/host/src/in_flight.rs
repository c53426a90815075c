//! The calls of ToolWait that have no reply yet, and the outcomes that wait to be sent.
//!
//! Guarantees: the guest has a bounded number of calls in flight, with bounded arguments; a call has one outcome, and
//! it is sent once. Never: decides whether a call is allowed (`gate`), or runs a tool.
//!
//! Before: `dispatch`, which admits calls. After: `answers`, which sends what came of them.
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects
    )
)]

use std::collections::{BTreeMap, VecDeque};

use hypercell_abi::limits::{MAX_CALLS_IN_FLIGHT, MAX_FRAME_BYTES, MAX_VALUE_BYTES, MAX_VALUE_ITEMS};
use hypercell_abi::message::{ToolCall, ToolError, ToolReply};
use hypercell_abi::{RawValue, WireError};

use crate::error::ProtocolError;
use crate::run::OwnedValue;
use serde::{Deserialize, Serialize};

/// What a reply has around its value or its texts, at most.
const REPLY_OVERHEAD_BYTES: usize = 64;

/// The calls of one run.
#[derive(Debug, Default)]
pub(crate) struct InFlight {
    /// By the guest's number.
    calls: BTreeMap<u64, Call>,
    /// The guest's number of each call that has no outcome yet, by the host's.
    running: BTreeMap<u64, u64>,
    /// In the order in which they came.
    outcomes: VecDeque<(u64, Outcome)>,
    argument_bytes: usize,
    argument_items: usize,
}

#[derive(Debug)]
struct Call {
    /// The host's number, if a tool runs for it.
    id: Option<u64>,
    argument_bytes: usize,
    argument_items: usize,
}

/// What came of a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub(crate) enum Outcome {
    /// A value.
    Value(OwnedValue),
    /// An exception, as the guest shall see it.
    Error {
        /// Name of the exception's class.
        type_name: String,
        /// Its text.
        message: String,
    },
}

/// An outcome that waits to be sent, and what its call counts for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WaitingOutcome {
    guest_id: u64,
    argument_bytes: usize,
    argument_items: usize,
    outcome: Outcome,
}

impl InFlight {
    /// Takes a call up, before anything is decided about it. Input is guest-controlled.
    ///
    /// # Errors
    ///
    /// [`ProtocolError::CallInFlight`], [`ProtocolError::TooManyInFlight`].
    pub(crate) fn admit(&mut self, call: &ToolCall<'_>) -> Result<(), ProtocolError> {
        let args = call.args.as_value();
        self.insert(call.id, args.as_bytes().len(), args.item_count())
    }

    fn insert(
        &mut self,
        guest_id: u64,
        argument_bytes: usize,
        argument_items: usize,
    ) -> Result<(), ProtocolError> {
        if self.calls.contains_key(&guest_id) {
            return Err(ProtocolError::CallInFlight { id: guest_id });
        }
        self.argument_bytes = self.argument_bytes.saturating_add(argument_bytes);
        self.argument_items = self.argument_items.saturating_add(argument_items);
        self.calls.insert(guest_id, Call { id: None, argument_bytes, argument_items });
        for (what, count, max) in [
            ("calls", self.calls.len(), MAX_CALLS_IN_FLIGHT),
            ("bytes of arguments", self.argument_bytes, MAX_VALUE_BYTES),
            ("items of arguments", self.argument_items, MAX_VALUE_ITEMS),
        ] {
            if count > max {
                return Err(ProtocolError::TooManyInFlight { what, count, max });
            }
        }
        Ok(())
    }

    /// Notes that a tool runs for a call that was admitted.
    pub(crate) fn start(&mut self, guest_id: u64, id: u64) {
        if let Some(call) = self.calls.get_mut(&guest_id) {
            call.id = Some(id);
            self.running.insert(id, guest_id);
        }
    }

    /// Notes what came of a call that was admitted and for which no tool runs.
    pub(crate) fn settle(&mut self, guest_id: u64, outcome: Outcome) {
        self.outcomes.push_back((guest_id, outcome));
    }

    /// Returns the host's number of a call that the guest names, if its tool still runs. Input is guest-controlled.
    ///
    /// # Errors
    ///
    /// [`ProtocolError::NotInFlight`].
    pub(crate) fn running_call(&self, guest_id: u64) -> Result<Option<u64>, ProtocolError> {
        let call = self.calls.get(&guest_id).ok_or(ProtocolError::NotInFlight { id: guest_id })?;
        Ok(call.id.filter(|id| self.running.contains_key(id)))
    }

    /// Whether a tool runs, or waits to.
    pub(crate) fn is_running(&self) -> bool {
        !self.running.is_empty()
    }

    /// Returns how many calls have no outcome yet.
    pub(crate) fn running(&self) -> usize {
        self.running.len()
    }

    /// Returns the guest's number of a call that has no outcome yet.
    pub(crate) fn guest_id(&self, id: u64) -> Option<u64> {
        self.running.get(&id).copied()
    }

    /// Returns the outcomes that wait to be sent, for another process to send them.
    pub(crate) fn waiting(&self) -> Vec<WaitingOutcome> {
        let calls = self.outcomes.iter().filter_map(|(guest_id, outcome)| {
            let call = self.calls.get(guest_id)?;
            Some(WaitingOutcome {
                guest_id: *guest_id,
                argument_bytes: call.argument_bytes,
                argument_items: call.argument_items,
                outcome: outcome.clone(),
            })
        });
        calls.collect()
    }

    /// Takes over an outcome of another process.
    ///
    /// # Errors
    ///
    /// [`ProtocolError::CallInFlight`], [`ProtocolError::TooManyInFlight`].
    pub(crate) fn take_over(&mut self, waiting: &WaitingOutcome) -> Result<(), ProtocolError> {
        self.insert(waiting.guest_id, waiting.argument_bytes, waiting.argument_items)?;
        self.settle(waiting.guest_id, waiting.outcome.clone());
        Ok(())
    }

    /// Whether a tool runs for this call.
    pub(crate) fn runs(&self, id: u64) -> bool {
        self.running.contains_key(&id)
    }

    /// Whether an outcome waits to be sent.
    pub(crate) fn has_outcome(&self) -> bool {
        !self.outcomes.is_empty()
    }

    /// Notes what came of a tool. Returns whether it was running.
    pub(crate) fn finish(&mut self, id: u64, outcome: Outcome) -> bool {
        let guest_id = self.running.remove(&id);
        if let Some(guest_id) = guest_id {
            self.settle(guest_id, outcome);
        }
        guest_id.is_some()
    }

    /// Takes as many outcomes as fit into a frame; their calls are in flight no longer.
    pub(crate) fn take_outcomes(&mut self) -> Vec<(u64, Outcome)> {
        let mut left_bytes = MAX_FRAME_BYTES.saturating_sub(2 * REPLY_OVERHEAD_BYTES);
        let mut taken = Vec::new();
        while let Some((guest_id, outcome)) = self.outcomes.pop_front() {
            let len_bytes = outcome.len_bytes().saturating_add(REPLY_OVERHEAD_BYTES);
            // One fits always: a frame has room for the longest value, and for the longest texts.
            if len_bytes > left_bytes && !taken.is_empty() {
                self.outcomes.push_front((guest_id, outcome));
                break;
            }
            left_bytes = left_bytes.saturating_sub(len_bytes);
            if let Some(call) = self.calls.remove(&guest_id) {
                self.argument_bytes = self.argument_bytes.saturating_sub(call.argument_bytes);
                self.argument_items = self.argument_items.saturating_sub(call.argument_items);
            }
            taken.push((guest_id, outcome));
        }
        taken
    }
}

impl Outcome {
    fn len_bytes(&self) -> usize {
        match self {
            Self::Value(value) => value.as_bytes().len(),
            Self::Error { type_name, message } => type_name.len().saturating_add(message.len()),
        }
    }

    /// Returns the reply that tells the guest.
    ///
    /// # Errors
    ///
    /// None: an owned value was checked before.
    pub(crate) fn reply(&self, id: u64) -> Result<ToolReply<'_>, WireError> {
        let outcome = match self {
            Self::Value(value) => Ok(RawValue::new(value.as_bytes())?),
            Self::Error { type_name, message } => Err(ToolError { type_name, message }),
        };
        Ok(ToolReply { id, outcome })
    }
}

#[cfg(test)]
mod tests {
    use hypercell_abi::NamedValues;

    use super::*;

    fn call<'a>(id: u64, args: &'a [u8]) -> ToolCall<'a> {
        ToolCall { id, name: "add", args: NamedValues::new(args).expect("a map"), line: None }
    }

    fn bytes(len: usize) -> Vec<u8> {
        let mut value = vec![0x5a];
        value.extend(u32::try_from(len).expect("a short one").to_be_bytes());
        value.resize(len + 5, 7);
        value
    }

    /// Arguments of exactly so many bytes: {"a": b"..."}.
    fn args(len: usize) -> Vec<u8> {
        [&[0xa1, 0x61, b'a'][..], &bytes(len - 8)].concat()
    }

    fn none() -> Outcome {
        Outcome::Value(OwnedValue::new(RawValue::NONE))
    }

    #[test]
    fn call_is_in_flight_until_its_outcome_is_taken() {
        let mut calls = InFlight::default();
        calls.admit(&call(7, &[0xa0])).expect("a first one");
        calls.start(7, 1);
        assert_eq!(calls.admit(&call(7, &[0xa0])), Err(ProtocolError::CallInFlight { id: 7 }));
        assert_eq!(calls.running_call(7), Ok(Some(1)));
        assert!(calls.finish(1, none()) && !calls.finish(1, none()));
        assert_eq!(calls.running_call(7), Ok(None), "it has its outcome");
        assert!(!calls.is_running() && calls.has_outcome());
        assert_eq!(calls.take_outcomes(), [(7, none())]);
        assert_eq!(calls.running_call(7), Err(ProtocolError::NotInFlight { id: 7 }));
        calls.admit(&call(7, &[0xa0])).expect("free again");
    }

    #[test]
    fn calls_in_flight_pass_at_the_limit_and_not_above() {
        let mut calls = InFlight::default();
        let max = MAX_CALLS_IN_FLIGHT;
        for id in 0..max {
            calls.admit(&call(id as u64, &[0xa0])).expect("within the limit");
        }
        let error = calls.admit(&call(u64::MAX, &[0xa0]));
        assert_eq!(error, Err(ProtocolError::TooManyInFlight { what: "calls", count: max + 1, max }));
    }

    #[test]
    fn arguments_in_flight_count_together_and_are_given_back() {
        let (half, rest) = (args(MAX_VALUE_BYTES / 2), args(MAX_VALUE_BYTES / 2 + 1));
        let mut calls = InFlight::default();
        calls.admit(&call(1, &half)).expect("half");
        calls.settle(1, none());
        assert_eq!(calls.take_outcomes().len(), 1);
        calls.admit(&call(2, &half)).expect("half");
        calls.admit(&call(3, &half)).expect("exactly all");
        let mut calls = InFlight::default();
        calls.admit(&call(2, &half)).expect("half");
        let (what, max) = ("bytes of arguments", MAX_VALUE_BYTES);
        let error = calls.admit(&call(3, &rest));
        assert_eq!(error, Err(ProtocolError::TooManyInFlight { what, count: max + 1, max }));
    }

    #[test]
    fn items_of_arguments_in_flight_count_together() {
        // {"a": [0, 0, ...]}: the map, the key, the array and what is in it.
        let items = |count: u32| {
            let mut args = vec![0xa1, 0x61, b'a', 0x9a];
            args.extend((count - 3).to_be_bytes());
            args.resize(args.len() + count as usize - 3, 0);
            args
        };
        let mut calls = InFlight::default();
        calls.admit(&call(1, &items(500_000))).expect("half");
        calls.admit(&call(2, &items(499_999))).expect("one less than all");
        calls.admit(&call(3, &[0xa0])).expect("all");
        let error = calls.admit(&call(4, &[0xa0])).expect_err("one more");
        assert_eq!(
            error.to_string(),
            "the guest has 1000001 items of arguments in flight, which exceeds 1000000"
        );
    }

    #[test]
    fn outcomes_that_do_not_fit_into_one_frame_wait_for_the_next() {
        let mut calls = InFlight::default();
        let long = bytes(MAX_VALUE_BYTES - 5);
        let long = Outcome::Value(OwnedValue::new(RawValue::new(&long).expect("the longest value")));
        for id in 1..=3 {
            calls.admit(&call(id, &[0xa0])).expect("few calls");
            calls.settle(id, if id == 3 { none() } else { long.clone() });
        }
        let ids = |taken: Vec<(u64, Outcome)>| taken.into_iter().map(|(id, _)| id).collect::<Vec<_>>();
        assert_eq!(ids(calls.take_outcomes()), [1]);
        assert_eq!(ids(calls.take_outcomes()), [2, 3]);
        assert!(!calls.has_outcome());
    }
}
