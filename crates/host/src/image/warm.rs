//! The modules that are imported before the snapshot, so that programs find them loaded.
//!
//! A module costs image size, and nothing at a start; importing one of these in a run costs 1 to 50 ms.
//!
//! Before: `image`. After: the guest's answer to `Warm`.

/// What programs written by language models import.
pub(crate) const DEFAULT_WARM: &[&str] = &[
    "abc",
    "argparse",
    "ast",
    "asyncio",
    "base64",
    "binascii",
    "bisect",
    "calendar",
    "cmath",
    "collections",
    "collections.abc",
    "contextlib",
    "copy",
    "csv",
    "dataclasses",
    "datetime",
    "decimal",
    "difflib",
    "enum",
    "fnmatch",
    "fractions",
    "functools",
    "glob",
    "hashlib",
    "heapq",
    "hmac",
    "html",
    "http.client",
    "hypercell_guest.http",
    "inspect",
    "io",
    "itertools",
    "json",
    "linecache",
    "locale",
    "logging",
    "math",
    "numbers",
    "operator",
    "os",
    "pathlib",
    "pprint",
    "queue",
    "random",
    "re",
    "secrets",
    "shutil",
    "statistics",
    "string",
    "struct",
    "tempfile",
    "textwrap",
    "threading",
    "time",
    "traceback",
    "types",
    "typing",
    "unicodedata",
    "urllib.parse",
    "urllib.request",
    "uuid",
    "warnings",
    "weakref",
    "zlib",
    "zoneinfo",
];

/// Returns the default modules and then the caller's, each once.
pub(crate) fn modules(chosen: &[String]) -> Vec<String> {
    let mut modules: Vec<String> = DEFAULT_WARM.iter().map(|name| (*name).to_owned()).collect();
    for name in chosen {
        if !modules.contains(name) {
            modules.push(name.clone());
        }
    }
    modules
}
