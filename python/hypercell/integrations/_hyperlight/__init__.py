"""The parts of `hypercell.integrations.hyperlight_sandbox`: its tools, its options, and what it runs in the guest."""
