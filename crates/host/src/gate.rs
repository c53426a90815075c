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

pub(crate) use http::{Context as HttpContext, HttpGate, HttpNext, HttpUsage, Network};
pub use http::{HttpAttempt, HttpChange, HttpPolicy, HttpRule, HttpRuleOptions, Resolve, SystemResolver};
pub(crate) use limit::Budget;
pub use mount::FileAttempt;
pub(crate) use mount::{
    Answer as FileAnswer, Context as FileContext, FileBudgets, MountGate, check_path, reason_of,
};
pub(crate) use tool::{ToolDecision, ToolGate};
