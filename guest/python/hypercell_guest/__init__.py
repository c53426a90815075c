"""The program inside the micro-VM: it runs what the host sends, and answers.

Reading order: `start` and `holes` (where in memory), `bootstrap` (the loop), `channel` (frames), `codec` (values),
`runner` (one run), `report` (exceptions as text), `tools` (`call_tool`), `in_flight` (`call_tool_async`), `streams`
(standard output), `fresh` (random numbers), `warm` (image build), `http` (a client for submitted code), `exchange` (its
requests as frames), `wire` and `libraries` (what urllib, requests and httpx get in place of sockets).

Submitted code shares the interpreter with this package and may change anything in it. What it does by accident, such
as deleting a builtin or patching `os`, must not stop the loop: every module here takes its builtins from a copy
(`codec` names each), and binds what it needs of other modules when it is imported. Against intent there is no defence,
and none is needed: the VM is the boundary.
"""

import builtins

#: Functions of a module look builtins up in the `__builtins__` of its globals (language reference, section 4.2.2).
private_builtins = dict(vars(builtins))
