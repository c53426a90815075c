//! Rules of the network gate: nothing panics, and what is allowed keeps to a few rules that are told here a second time.
//!
//! Grammar of the input: pattern, method and URL, each on a line; what is missing is empty.
#![no_main]

use hypercell_host::{HttpRule, HttpRuleOptions};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let mut lines = text.splitn(3, '\n');
    let [pattern, method, url] = [(); 3].map(|()| lines.next().unwrap_or_default());
    let Ok(rule) = HttpRule::new(pattern, HttpRuleOptions::default()) else { return };
    if rule.check_request(method, url).is_err() {
        return;
    }
    assert!(!matches!(method, "CONNECT" | "TRACE" | "TRACK"), "{method} is allowed");
    let (scheme, rest) = url.split_once("://").expect("an allowed URL has a scheme");
    let wanted = pattern.split_once("://").map_or("https", |(scheme, _)| scheme);
    assert!(scheme.eq_ignore_ascii_case(wanted), "{url} is allowed by {pattern}");
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    assert!(!authority.contains(['@', '%', '\\']), "{url} is allowed by {pattern}");
    assert!(!url.chars().any(|c| c.is_control() || c.is_whitespace()), "{url:?} is allowed by {pattern}");
    let pattern = pattern.split_once("://").map_or(pattern, |(_, rest)| rest);
    if let Some(domain) = pattern.strip_prefix("*.") {
        let domain = domain.split(['/', ':']).next().unwrap_or_default().trim_end_matches('.');
        // Only plain names are compared: IDNA is what is fuzzed, not what is told twice.
        if authority.is_ascii()
            && domain.is_ascii()
            && !authority.contains("xn--")
            && !domain.contains("xn--")
        {
            let host =
                authority.split(':').next().unwrap_or_default().trim_end_matches('.').to_ascii_lowercase();
            assert!(
                host.ends_with(&format!(".{}", domain.to_ascii_lowercase())),
                "{url} is allowed by {pattern}"
            );
        }
    }
});
