"""`hypercell mcp`: from the options of a command line to a server of `execute_code`.

Before: `_cli`. After: `hypercell.codeact`, `hypercell.integrations.mcp`.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ._errors import PolicyError
from ._image import Image
from ._limits import Limits
from ._mounts import Mount

if TYPE_CHECKING:
    from .codeact import CodeActTool


def add_command(commands: Any) -> argparse.ArgumentParser:
    """Adds the command and returns its parser, which lacks what it has in common with others."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "mcp",
        help="serve execute_code to a client of the Model Context Protocol, on standard input and output",
        description="Serves one tool, execute_code, which runs Python in a fresh micro-VM. The client's user is asked "
        "about what needs approval. Needs pip install hypercell[mcp].",
    )
    parser.add_argument(
        "--tools",
        action="append",
        default=[],
        metavar="MODULE:NAME[,NAME]",
        help="what the code may call: functions, or a list or dict of them, of a module that can be imported; "
        "repeatable (default: nothing)",
    )
    parser.add_argument(
        "--ask",
        action="append",
        default=[],
        metavar="TOOL",
        help="have the user approve each call of this tool; repeatable",
    )
    parser.add_argument("--ask-always", action="store_true", help="have the user approve each block of code")
    parser.add_argument("--policy", type=Path, metavar="FILE", help="a policy of rules, in YAML")
    return parser


def serve(options: argparse.Namespace, mounts: list[Mount], limits: Limits, image: Image | None) -> int:
    """Serves until the client leaves; returns the exit status.

    Raises:
        PolicyError: An option cannot be, or the SDK is not installed.
    """
    # Its imports are of no use to the other commands.
    import asyncio

    from .codeact import ExecuteCodeTool, RulePolicy

    try:
        from .integrations.mcp import ask_client, serve_stdio

        policy = None if options.policy is None else RulePolicy.load(options.policy)
    except ImportError as error:
        raise PolicyError(str(error)) from error
    tool = ExecuteCodeTool(
        _asking([one for text in options.tools for one in _tools_of(text)], options.ask),
        approval_mode="always_require" if options.ask_always else "never_require",
        approve=ask_client,
        policy=policy,
        file_mounts=mounts,
        allowed_domains=options.allow,
        limits=limits,
        image=image,
    )
    asyncio.run(serve_stdio(tool))
    return 0


def _tools_of(text: str) -> list[CodeActTool]:
    """Returns the tools that an option names."""
    module_name, _, names = text.partition(":")
    if not module_name or not names:
        raise PolicyError(f"--tools {text!r} is not of the form MODULE:NAME[,NAME]")
    from .codeact._tools import collect_codeact_tools

    # As for a script: modules beside where the command was called.
    if os.getcwd() not in sys.path:  # noqa: PTH109 - entries of sys.path are texts
        sys.path.insert(0, os.getcwd())  # noqa: PTH109
    try:
        module = importlib.import_module(module_name)
        found: list[Any] = [getattr(module, name) for name in names.split(",")]
    except Exception as error:
        raise PolicyError(f"--tools {text!r}: {type(error).__name__}: {error}") from error
    return [tool for tools in found for tool in collect_codeact_tools(tools)]


def _asking(tools: list[CodeActTool], names: list[str]) -> list[CodeActTool]:
    """Returns the tools, of which those of these names ask for approval at each call."""
    unknown = [name for name in names if name not in {tool.name for tool in tools}]
    if unknown:
        raise PolicyError(f"--ask {unknown[0]!r} names none of the tools: {[tool.name for tool in tools]}")
    return [tool.asking() if tool.name in names else tool for tool in tools]
