"""Adapters to frameworks and protocols, one module each; each needs the extra of its name."""
