"""What an agent framework asks before each run of an agent: instructions, and the tool.

Before: an adapter. After: `_execute`.
"""

from __future__ import annotations

from ._execute import CodeAct, ExecuteCodeTool


class CodeActProvider(CodeAct):
    """Gives an agent the tool `execute_code` and the instructions for it, as they are when a run of the agent begins.

    An adapter calls both before each run:

        tool = provider.create_run_tool()
        context.add_instructions(provider.instructions("short"))
        context.add_tool(tool.name, tool.description, tool.parameters, tool.execute_code)

    Args, Raises: As for `CodeAct`.
    """

    def create_run_tool(self) -> ExecuteCodeTool:
        """Returns the tool with what is granted now; what is added or removed later does not change it."""
        return ExecuteCodeTool._like(self)
