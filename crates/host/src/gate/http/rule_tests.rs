//! Rules against requests: what matches, and the many ways in which what must not match is written.

use super::*;

fn rule(pattern: &str) -> HttpRule {
    HttpRule::new(pattern, HttpRuleOptions::default()).unwrap_or_else(|error| panic!("{error}"))
}

fn with_methods(pattern: &str, methods: &[&str]) -> HttpRule {
    let methods = Some(methods.iter().map(|&method| method.to_owned()).collect());
    HttpRule::new(pattern, HttpRuleOptions { methods, ..HttpRuleOptions::default() }).expect("a good rule")
}

fn allows(rules: &[HttpRule], method: &str, url: &str) -> Result<(), String> {
    let target = Target::parse(url).map_err(str::to_owned)?;
    find(rules, method, &target).map(drop).map_err(|failure| failure.message)
}

#[test]
fn rule_allows_what_it_says() {
    let table = [
        ("api.github.com", "https://api.github.com/"),
        ("api.github.com", "https://api.github.com/repos/x?y=1#z"),
        ("api.github.com", "https://api.github.com:443/"),
        ("api.github.com", "HTTPS://API.GitHub.COM/"),
        ("API.github.com", "https://api.github.com/"),
        ("api.github.com.", "https://api.github.com/"),
        ("api.github.com", "https://api.github.com./"),
        ("api.github.com:443", "https://api.github.com/"),
        ("https://api.github.com/", "https://api.github.com/any"),
        ("http://a.example", "http://a.example:80/"),
        ("http://a.example:8080", "http://a.example:8080/"),
        ("a.example:8443", "https://a.example:8443/"),
        ("https://a.example:8443/v1", "https://a.example:8443/v1"),
        ("https://a.example:8443/v1", "https://a.example:8443/v1/x"),
        ("https://a.example:8443/v1/", "https://a.example:8443/v1?x"),
        ("https://a.example/v1", "https://a.example/v2/../v1/x"),
        ("https://a.example/v1", "https://a.example/v1/%41"),
        ("https://a.example/b%C3%BC", "https://a.example/bü"),
        ("a.example", "https://a.example/x%2fy/%2e%2e"),
        ("*.example.org", "https://a.example.org/"),
        ("*.example.org", "https://a.b.example.org/"),
        ("*.example.org:8443", "https://a.example.org:8443/"),
        ("http://*.example.org/x", "http://a.example.org/x/y"),
        ("bücher.example", "https://xn--bcher-kva.example/"),
        ("xn--bcher-kva.example", "https://BÜCHER.example/"),
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000/"),
        ("http://127.0.0.1", "http://0x7f.0.0.1/"),
        ("http://127.0.0.1", "http://2130706433/"),
        ("http://127.0.0.1", "http://017700000001/"),
        ("http://127.0.0.1", "http://127.1/"),
        ("http://[::1]:8000", "http://[0:0::1]:8000/"),
        ("http://localhost:8000", "http://LOCALHOST:8000/"),
    ];
    for (pattern, url) in table {
        assert_eq!(allows(&[rule(pattern)], "GET", url), Ok(()), "{pattern} {url}");
    }
}

#[test]
fn rule_allows_nothing_else() {
    let table = [
        // Another host.
        ("api.github.com", "https://github.com/"),
        ("api.github.com", "https://xapi.github.com/"),
        ("api.github.com", "https://api.github.com.evil.example/"),
        ("api.github.com", "https://evil.example/api.github.com"),
        ("api.github.com", "https://evil.example/?api.github.com"),
        ("api.github.com", "https://evil.example#api.github.com"),
        ("github.com", "https://api.github.com/"),
        // A wildcard is for names below, of whole labels.
        ("*.example.org", "https://example.org/"),
        ("*.example.org", "https://xexample.org/"),
        ("*.example.org", "https://example.org.evil.example/"),
        ("*.example.org", "https://a.example.org.evil.example/"),
        ("*.example.org", "https://a.example.com/"),
        // Another scheme or port.
        ("a.example", "http://a.example/"),
        ("a.example", "http://a.example:443/"),
        ("a.example", "https://a.example:444/"),
        ("a.example", "https://a.example:80/"),
        ("http://a.example", "https://a.example/"),
        ("http://a.example:8080", "http://a.example/"),
        // A path beside or above, and paths that servers read in two ways.
        ("https://a.example/v1", "https://a.example/"),
        ("https://a.example/v1", "https://a.example/v1x"),
        ("https://a.example/v1", "https://a.example/v10"),
        ("https://a.example/v1", "https://a.example/V1"),
        ("https://a.example/v1", "https://a.example//v1"),
        ("https://a.example/v1", "https://a.example/v1/../x"),
        ("https://a.example/v1", "https://a.example/v1/%2e%2e/x"),
        ("https://a.example/v1", "https://a.example/v1/.%2E/x"),
        ("https://a.example/v1", "https://a.example/v1/..%2fx"),
        ("https://a.example/v1", "https://a.example/v1/..%2Fx"),
        ("https://a.example/v1", "https://a.example/v1/..%5cx"),
        ("https://a.example/v1", "https://a.example/v1/%252e%252e/x"),
        ("https://a.example/v1", "https://a.example/v1/%25252e%25252e/x"),
        ("https://a.example/v1", "https://a.example/v1/..%252fx"),
        ("https://a.example/v1", "https://a.example/v1/x%2fy"),
        ("https://a.example/v1", "https://a.example/v1/..;/x"),
        ("https://a.example/v1", "https://a.example/v1/..%3b/x"),
        ("https://a.example/v1", "https://a.example/v1/%00"),
        ("https://a.example/v1", "https://a.example/v1/%0d%0a"),
        ("https://a.example/v1", "https://a.example/v1/%c0%ae%c0%ae/x"),
        ("https://a.example/v1", "https://a.example/v1/%ef%bc%8e%ef%bc%8e%ef%bc%8fx"),
        ("https://a.example/v1", "https://a.example/%76%31/x"),
        // Homographs: Cyrillic, and full-width dots and letters that IDNA maps.
        ("apple.example", "https://аpple.example/"),
        ("apple.example", "https://xn--pple-43d.example/"),
        ("a.example", "https://a.example.evil\u{3002}example/"),
        // Addresses are no names, and the other way round.
        ("http://127.0.0.1", "http://localhost/"),
        ("http://localhost", "http://127.0.0.1/"),
        ("http://127.0.0.1", "http://127.0.0.2/"),
        ("http://127.0.0.1", "http://[::ffff:127.0.0.1]/"),
        ("http://localhost", "http://localhost.example/"),
        ("http://localhost", "http://x.localhost/"),
    ];
    for (pattern, url) in table {
        let denied = allows(&[rule(pattern)], "GET", url).expect_err(url);
        assert!(denied.contains(" is not allowed: "), "{pattern} {url}: {denied}");
    }
}

#[test]
fn url_that_parsers_disagree_about_is_refused() {
    let table = [
        ("https://a.example@evil.example/", "holds a user name or password; send them in a header"),
        ("https://u:p@a.example/", "holds a user name or password; send them in a header"),
        ("https://@a.example/", "holds a user name or password; send them in a header"),
        ("https://evil.example\\@a.example/", "holds a backslash"),
        ("https://a.example\\.evil.example/", "holds a backslash"),
        ("https:\\\\a.example/", "holds a backslash"),
        ("https://a.exa\tmple/", "holds a space or control character"),
        ("https://a.example/\r\nHost: b", "holds a space or control character"),
        (" https://a.example/", "holds a space or control character"),
        ("https://a.example/ HTTP/1.1", "holds a space or control character"),
        ("https://a.example/\0", "holds a space or control character"),
        ("https://a.example\u{a0}/", "holds a space or control character"),
        ("https://a%2eexample/", "has a host with a %"),
        ("https://a.example%00.evil.example/", "has a host with a %"),
        ("https://a.example:/", "has a colon without a port"),
        ("https://a.example:99999/", "has a port that is no number up to 65535"),
        ("https://a.example:80x/", "has a port that is no number up to 65535"),
        ("https:///a.example/", "has no host"),
        ("https:a.example/", "has no scheme with ://"),
        ("//a.example/", "has no scheme with ://"),
        ("a.example", "has no scheme with ://"),
        ("", "has no scheme with ://"),
        ("file:///etc/passwd", "has no host"),
        ("ftp://a.example/", "is not of http or https"),
        ("gopher://a.example/", "is not of http or https"),
        ("unix://a.example/", "is not of http or https"),
        ("https://a..example/", "has an empty label in its host"),
        ("https://a.example../", "has an empty label in its host"),
        ("https://./", "has an empty label in its host"),
        ("http://256.0.0.1/", "has a host that is no IPv4 address"),
        ("http://1.2.3.4.5/", "has a host that is no IPv4 address"),
        ("http://0x100000000/", "has a host that is no IPv4 address"),
        ("http://[fe80::1%25eth0]/", "has a host with a %"),
        ("http://[fe80::1%eth0]/", "has a host with a %"),
        ("http://[::1/", "has a host that is no IPv6 address"),
        ("http://[:::1]/", "has a host that is no IPv6 address"),
        ("https://a.example<b/", "has a host that is no domain name"),
        ("https://xn--a/", "has a host that is no domain name"),
    ];
    for (url, reason) in table {
        assert_eq!(Target::parse(url).map(|target| target.as_str().to_owned()), Err(reason), "{url:?}");
    }
    let long = format!("https://a.example/{}", "ü".repeat(3000));
    assert_eq!(Target::parse(&long), Err("is too long"), "once it is encoded");
}

#[test]
fn rule_that_cannot_be_is_refused_with_its_text() {
    let table = [
        ("", "has no host"),
        ("*", "has a * elsewhere than in front of a domain, as in *.example.org"),
        ("*.", "has no host"),
        ("*.org", "has a * in front of what is no domain with a dot"),
        ("*.127.0.0.1", "has a * in front of what is no domain with a dot"),
        ("a.*.example", "has a * elsewhere than in front of a domain, as in *.example.org"),
        ("**.example.org", "has a * elsewhere than in front of a domain, as in *.example.org"),
        ("*example.org", "has a * elsewhere than in front of a domain, as in *.example.org"),
        ("https://a.example/*", "has a * elsewhere than in front of a domain, as in *.example.org"),
        ("https://a.example/?x", "has a query or a fragment, which rules do not look at"),
        ("https://a.example/#x", "has a query or a fragment, which rules do not look at"),
        (
            "https://a.example/../x",
            "has a path with dots, backslashes or slashes that servers read in two ways",
        ),
        (
            "https://a.example/x%2fy",
            "has a path with dots, backslashes or slashes that servers read in two ways",
        ),
        (
            "https://a.example/..;/y",
            "has a path with dots, backslashes or slashes that servers read in two ways",
        ),
        ("https://u:p@a.example", "holds a user name or password; send them in a header"),
        ("ftp://a.example", "is not of http or https"),
        ("a.example:99999", "has a port that is no number up to 65535"),
        ("a.example:", "has a colon without a port"),
        ("https:/a.example", "has a colon without a port"),
        ("a b", "holds a space or control character"),
        ("a.example\\x", "holds a backslash"),
        ("::1", "has no host"),
    ];
    for (pattern, reason) in table {
        let error = HttpRule::new(pattern, HttpRuleOptions::default()).expect_err(pattern);
        assert_eq!(error.to_string(), format!("the domain {pattern:?} {reason}"));
    }
}

#[test]
fn method_that_is_not_named_is_denied() {
    let rules = [with_methods("a.example", &["GET", "HEAD"])];
    assert_eq!(allows(&rules, "HEAD", "https://a.example/"), Ok(()));
    let denied = allows(&rules, "POST", "https://a.example/x");
    let message =
        "POST https://a.example/x is not allowed: the rule \"a.example\" allows the methods GET, HEAD only";
    assert_eq!(denied, Err(message.into()));
    for method in ["get", "CONNECT", "TRACE", "G T", ""] {
        let methods = Some(vec![method.to_owned()]);
        let options = HttpRuleOptions { methods, ..HttpRuleOptions::default() };
        let error = HttpRule::new("a.example", options).expect_err(method);
        let expected =
            format!("the domain \"a.example\" names {method:?}, which is no method that can be allowed");
        assert_eq!(error.to_string(), expected);
    }
}

#[test]
fn denial_names_the_nearest_rule_or_the_rules_that_there_are() {
    let rules = [rule("a.example"), rule("http://b.example:8080/v1")];
    let table = [
        (
            "https://c.example/",
            "no rule allows the host c.example; there are a.example, http://b.example:8080/v1",
        ),
        ("http://a.example/", "the rule \"a.example\" allows https only"),
        ("http://b.example/", "the rule \"http://b.example:8080/v1\" allows port 8080 only"),
        ("http://b.example:8080/v2", "the rule \"http://b.example:8080/v1\" does not allow this path"),
    ];
    for (url, why) in table {
        assert_eq!(allows(&rules, "GET", url), Err(format!("GET {url} is not allowed: {why}")));
    }
    let many: Vec<HttpRule> = (0..10).map(|n| rule(&format!("h{n}.example"))).collect();
    let denied = allows(&many, "GET", "https://c.example/").expect_err("no rule");
    assert!(denied.ends_with("h6.example, h7.example and 2 more"), "{denied}");
    let none = allows(&[], "GET", "https://a.example/");
    assert_eq!(none, Err("GET https://a.example/ is not allowed: this sandbox has no domains".into()));
}

#[test]
fn first_rule_that_matches_holds() {
    let rules = [with_methods("a.example", &["GET"]), rule("a.example")];
    let target = Target::parse("https://a.example/").expect("a URL");
    assert_eq!(find(&rules, "GET", &target).expect("allowed").0, 0);
    assert_eq!(find(&rules, "PUT", &target).expect("allowed").0, 1);
}

#[test]
fn secrets_are_not_shown() {
    let headers = vec![("Authorization".to_owned(), b"Bearer s3cret".to_vec())];
    let options = HttpRuleOptions { headers, ..HttpRuleOptions::default() };
    let shown = format!("{options:?} {:?}", HttpRule::new("a.example", options.clone()).expect("a rule"));
    assert!(!shown.contains("s3cret") && !shown.contains("115, 51"), "{shown}");
    assert!(shown.contains("authorization"), "{shown}");
}

#[test]
fn header_that_cannot_be_set_is_refused_without_its_value() {
    for (name, value, why) in [
        ("X", "a\nb", "sets a bad header \"X\""),
        ("X Y", "s3cret", "sets a bad header \"X Y\""),
        ("Host", "b", "sets the header \"host\", which belongs to the connection"),
        (
            "Proxy-Authorization",
            "s3cret",
            "sets the header \"proxy-authorization\", which belongs to the connection",
        ),
    ] {
        let headers = vec![(name.to_owned(), value.as_bytes().to_vec())];
        let error = HttpRule::new("a.example", HttpRuleOptions { headers, ..HttpRuleOptions::default() });
        assert_eq!(error.expect_err(name).to_string(), format!("the domain \"a.example\" {why}"));
    }
}

#[test]
fn certificates_that_are_none_are_refused() {
    for pem in ["", "no PEM", "-----BEGIN CERTIFICATE-----\nxx\n"] {
        let options = HttpRuleOptions { ca_pem: Some(pem.into()), ..HttpRuleOptions::default() };
        let error = HttpRule::new("a.example", options).expect_err(pem);
        assert_eq!(error.to_string(), "the domain \"a.example\" brings no certificate");
    }
}

#[test]
fn any_text_that_is_allowed_stays_what_it_is_when_it_is_read_again() {
    // What is fetched is the normal form: reading that must lead to the same place.
    let pieces = [
        "https://",
        "http://",
        "a.example",
        "b",
        ".",
        "..",
        "/",
        "\\",
        "@",
        ":",
        "%2e",
        "%2f",
        "?",
        "#",
        ";",
        "ü",
        "％",
        "1",
        "0x7f",
        "[",
        "]",
        "v1",
        "*",
        "\t",
        " ",
    ];
    let rules = [rule("https://a.example/v1"), rule("http://127.0.0.1"), rule("*.a.example")];
    let mut state = 0x5eed_u64;
    let mut allowed = 0_u32;
    for round in 0..200_000 {
        let mut text = String::from("https://a.example/v1");
        for _ in 0..=round % 3 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let piece = pieces[usize::try_from(state >> 40).expect("24 bits") % pieces.len()];
            let at = usize::try_from(state >> 20 & 0xffff).expect("16 bits") % (text.len() + 1);
            if text.is_char_boundary(at) {
                text.insert_str(at, piece);
            }
        }
        let Ok(target) = Target::parse(&text) else { continue };
        let again = Target::parse(target.as_str());
        assert_eq!(again.as_ref(), Ok(&target), "{text:?}");
        if find(&rules, "GET", &target).is_ok() {
            allowed += 1;
            let host = target.host().to_string();
            assert!(host == "a.example" || host == "127.0.0.1" || host.ends_with(".a.example"), "{text:?}");
            assert!(host != "a.example" || target.url.path().starts_with("/v1"), "{text:?}");
        }
    }
    assert!(allowed > 300, "{allowed}");
}

#[test]
fn pattern_that_is_long_is_taken_up_to_its_limit() {
    let pattern = |len: usize| format!("a.example/{}", "x".repeat(len - 10));
    assert!(HttpRule::new(&pattern(2048), HttpRuleOptions::default()).is_ok());
    let error = HttpRule::new(&pattern(2049), HttpRuleOptions::default()).expect_err("one byte more");
    let shown = format!("a.example/{}", "x".repeat(30));
    assert_eq!(error.to_string(), format!("the domain {shown:?} ... has 2049 bytes, which exceeds 2048"));
}
