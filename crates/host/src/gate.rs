//! What all gates share: a decision is made from the request and the policy, nothing is allowed by omission, and
//! every use is charged before it happens.
//!
//! Guarantees: a budget never wraps and never goes back. Never: decodes bytes (`channel` does) or acts, but for `mount`,
//! where a path is decided by opening it.
//!
//! Before: `dispatch`. After: `tool`, `mount`, and `output` and `artifacts` for their budgets.
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

mod http;
mod limit;
mod mount;
mod tool;

use crate::audit::AuditLog;
use crate::control::Control;
use crate::run::ToolCaller;
pub use http::{HttpAttempt, HttpChange, HttpPolicy, HttpRule, HttpRuleOptions, Resolve, SystemResolver};

pub(crate) use http::{HttpGate, HttpNext, HttpUsage, Network};
pub(crate) use limit::Budget;
pub use mount::FileAttempt;
pub(crate) use mount::{Answer as FileAnswer, FileBudgets, MountGate, check_path, reason_of};
pub(crate) use tool::{ToolDecision, ToolGate};

/// Whom a gate tells what it decides and does, who may object, and who knows whether the run goes on.
#[derive(Clone, Copy)]
pub(crate) struct Context<'a> {
    pub(crate) run: u64,
    pub(crate) control: &'a Control,
    pub(crate) audit: &'a AuditLog,
    pub(crate) caller: Option<&'a dyn ToolCaller>,
}
