//! The tools gate: which calls of the guest reach a function of the caller.
//!
//! Guarantees: only a name that the caller gave is allowed, compared byte for byte; a call is charged before it is
//! looked at further, so denied ones count too. Never: calls a tool, or looks into arguments, whose meaning is the
//! caller's business.
//!
//! Before: `dispatch`. After: the caller, which runs the tool.

use std::collections::BTreeMap;

use hypercell_abi::message::ToolCall;

use crate::audit::ToolDenial;
use crate::error::{LimitError, LimitKind};
use crate::gate::Budget;
use crate::limits::{Limits, ToolInfo};

/// Exception that the guest sees when it calls what is not a tool.
const UNKNOWN_TOOL: &str = "LookupError";
/// Exception that the guest sees when its arguments are too long or too deep.
const ARGUMENTS_TOO_MUCH: &str = "ValueError";
/// Names listed to a guest that calls what is not a tool.
const MAX_LISTED_NAMES: usize = 32;

/// The tools of a sandbox and the calls that a run may still make.
#[derive(Debug)]
pub(crate) struct ToolGate {
    /// By name, whether a call pauses the run.
    tools: BTreeMap<String, bool>,
    calls: Budget,
    max_argument_bytes: u64,
    max_depth: u64,
}

/// What becomes of a call.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ToolDecision {
    /// The caller runs the tool.
    Allow,
    /// The guest sees an exception.
    Deny {
        /// Why, for the audit log.
        reason: ToolDenial,
        /// Class of the exception in the guest.
        type_name: &'static str,
        /// Its text.
        message: String,
    },
}

impl ToolGate {
    /// Allows the given tools and no other.
    pub(crate) fn new(tools: &[ToolInfo], limits: &Limits) -> Self {
        Self {
            tools: tools.iter().map(|tool| (tool.name.clone(), tool.pauses)).collect(),
            calls: Budget::new(LimitKind::ToolCalls, limits.tool_calls),
            max_argument_bytes: limits.tool_argument_bytes,
            max_depth: limits.value_depth,
        }
    }

    /// Decides one call. Input is guest-controlled.
    ///
    /// # Errors
    ///
    /// [`LimitError`] if it is one call too many; the run ends.
    pub(crate) fn decide(&mut self, call: &ToolCall<'_>) -> Result<ToolDecision, LimitError> {
        self.calls.charge(1)?;
        if !self.tools.contains_key(call.name) {
            let message = self.unknown_tool(call.name);
            let reason = ToolDenial::UnknownTool;
            return Ok(ToolDecision::Deny { reason, type_name: UNKNOWN_TOOL, message });
        }
        let argument_bytes = call.args.as_value().as_bytes().len();
        let (reason, message) = if count(argument_bytes) > self.max_argument_bytes {
            let max_bytes = self.max_argument_bytes;
            let message = format!(
                "arguments of {argument_bytes} bytes exceed tool_argument_bytes, which is {max_bytes}"
            );
            (ToolDenial::ArgumentsTooLong, message)
        } else {
            let (depth, max_depth) = (count(call.args.as_value().depth()), self.max_depth);
            if depth <= max_depth {
                return Ok(ToolDecision::Allow);
            }
            let message = format!("arguments of {depth} levels exceed value_depth, which is {max_depth}");
            (ToolDenial::ArgumentsTooDeep, message)
        };
        Ok(ToolDecision::Deny { reason, type_name: ARGUMENTS_TOO_MUCH, message })
    }

    /// Whether a call of this tool pauses the run.
    pub(crate) fn pauses(&self, name: &str) -> bool {
        self.tools.get(name).is_some_and(|&pauses| pauses)
    }

    /// Counts calls that another process made for this run.
    ///
    /// # Errors
    ///
    /// [`LimitError`] if they are more than it may make.
    pub(crate) fn take_over(&mut self, calls: u64) -> Result<(), LimitError> {
        self.calls.charge_u64(calls)
    }

    /// Returns how many calls were made, denied ones included.
    pub(crate) fn calls(&self) -> u64 {
        self.calls.used()
    }

    fn unknown_tool(&self, name: &str) -> String {
        if self.tools.is_empty() {
            return format!("no tool is named {name:?}: this sandbox has no tools");
        }
        let listed: Vec<&str> = self.tools.keys().take(MAX_LISTED_NAMES).map(String::as_str).collect();
        let rest = self.tools.len().saturating_sub(listed.len());
        let and_more = if rest == 0 { String::new() } else { format!(" and {rest} more") };
        format!("no tool is named {name:?}; there are {}{and_more}", listed.join(", "))
    }
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use hypercell_abi::NamedValues;

    use super::*;

    fn gate(names: &[&str], limits: &Limits) -> ToolGate {
        let tools: Vec<ToolInfo> =
            names.iter().map(|&name| ToolInfo { name: name.into(), ..ToolInfo::default() }).collect();
        ToolGate::new(&tools, limits)
    }

    fn call<'a>(name: &'a str, args: NamedValues<'a>) -> ToolCall<'a> {
        ToolCall { id: 1, name, args, line: None }
    }

    fn unknown_tool(message: &str) -> Result<ToolDecision, LimitError> {
        let reason = ToolDenial::UnknownTool;
        Ok(ToolDecision::Deny { reason, type_name: "LookupError", message: message.into() })
    }

    #[test]
    fn tool_that_was_given_is_allowed() {
        let mut gate = gate(&["add"], &Limits::default());
        assert_eq!(gate.decide(&call("add", NamedValues::EMPTY)), Ok(ToolDecision::Allow));
    }

    #[test]
    fn every_call_is_denied_by_default() {
        let decision = gate(&[], &Limits::default()).decide(&call("add", NamedValues::EMPTY));
        let message = "no tool is named \"add\": this sandbox has no tools";
        assert_eq!(decision, unknown_tool(message));
    }

    #[test]
    fn name_that_was_not_given_is_denied_with_the_names_that_were() {
        let decision = gate(&["sub", "add"], &Limits::default()).decide(&call("Add", NamedValues::EMPTY));
        assert_eq!(decision, unknown_tool("no tool is named \"Add\"; there are add, sub"));
    }

    #[test]
    fn long_list_of_names_is_cut() {
        let names: Vec<String> = (0..40).map(|n| format!("tool_{n:02}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let decision = gate(&names, &Limits::default()).decide(&call("x", NamedValues::EMPTY));
        let Ok(ToolDecision::Deny { message, .. }) = decision else { panic!("{decision:?}") };
        assert!(message.ends_with("tool_31 and 8 more"), "{message}");
    }

    #[test]
    fn call_above_the_number_of_calls_ends_the_run_whether_allowed_or_not() {
        let limits = Limits { tool_calls: 2, ..Limits::default() };
        let mut gate = gate(&["add"], &limits);
        assert!(gate.decide(&call("add", NamedValues::EMPTY)).is_ok());
        assert!(gate.decide(&call("nope", NamedValues::EMPTY)).is_ok());
        let error = LimitError { limit: LimitKind::ToolCalls, used: 3, maximum: 2 };
        assert_eq!(gate.decide(&call("add", NamedValues::EMPTY)), Err(error));
    }

    #[test]
    fn arguments_of_the_limit_are_allowed_and_one_byte_more_is_not() {
        // {"a": b"..."} is 4 bytes around its string.
        let args = [&[0xa1, 0x61, b'a', 0x44][..], b"1234"].concat();
        let args = NamedValues::new(&args).expect("a map");
        let limits = Limits { tool_argument_bytes: 8, ..Limits::default() };
        assert_eq!(gate(&["add"], &limits).decide(&call("add", args)), Ok(ToolDecision::Allow));
        let limits = Limits { tool_argument_bytes: 7, ..Limits::default() };
        let denied = ToolDecision::Deny {
            reason: ToolDenial::ArgumentsTooLong,
            type_name: "ValueError",
            message: "arguments of 8 bytes exceed tool_argument_bytes, which is 7".into(),
        };
        assert_eq!(gate(&["add"], &limits).decide(&call("add", args)), Ok(denied));
    }
    #[test]
    fn arguments_as_deep_as_the_limit_are_allowed_and_a_level_more_is_not() {
        // {"a": [[]]}
        let args = NamedValues::new(&[0xa1, 0x61, b'a', 0x81, 0x80]).expect("a map");
        let limits = Limits { value_depth: 3, ..Limits::default() };
        assert_eq!(gate(&["add"], &limits).decide(&call("add", args)), Ok(ToolDecision::Allow));
        let limits = Limits { value_depth: 2, ..Limits::default() };
        let denied = ToolDecision::Deny {
            reason: ToolDenial::ArgumentsTooDeep,
            type_name: "ValueError",
            message: "arguments of 3 levels exceed value_depth, which is 2".into(),
        };
        assert_eq!(gate(&["add"], &limits).decide(&call("add", args)), Ok(denied));
    }
}
