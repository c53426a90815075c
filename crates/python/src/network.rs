//! Rules of the network, from Python.
//!
//! Guarantees: a rule that cannot be is a `PolicyError` that names it; a secret is in no error. Never: decides anything.
//!
//! Before: `sandbox`. After: `hypercell_host::HttpRule`.

use hypercell_host::{HttpPolicy, HttpRule, HttpRuleOptions};
use pyo3::prelude::*;

use crate::error;

/// Pattern, methods or None for all, headers that the host sets, whether private addresses are allowed, and certificates
/// in PEM or None for those of the system.
pub(crate) type Domain = (String, Option<Vec<String>>, Vec<(String, Vec<u8>)>, bool, Option<Vec<u8>>);

/// Makes a policy of rules.
pub(crate) fn policy(py: Python<'_>, domains: Vec<Domain>) -> PyResult<HttpPolicy> {
    let rules = domains.into_iter().map(|(pattern, methods, headers, allow_private, ca_pem)| {
        let options = HttpRuleOptions { methods, headers, allow_private, ca_pem };
        HttpRule::new(&pattern, options).map_err(|refused| error::raise(py, refused.into()))
    });
    Ok(HttpPolicy { rules: rules.collect::<PyResult<_>>()?, resolver: None })
}
