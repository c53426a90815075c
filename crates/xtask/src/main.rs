//! Builds, checks and tests hypercell.
fn main() {}
