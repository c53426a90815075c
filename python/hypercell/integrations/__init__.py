"""Adapters: hypercell inside other people's frameworks and protocols. Each needs the extra that its head names.

No framework is imported before its own module is, and nothing here decides what submitted code may do: an adapter
translates options into those of `hypercell.Sandbox` or `hypercell.codeact`, and results into the framework's own.
"""
