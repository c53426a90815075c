"""smolagents: an executor that runs the code of a `CodeAgent` in a micro-VM, and its tools on the host.

    with HypercellExecutor() as executor:
        agent = CodeAgent(tools=[search], model=model, executor=executor, additional_authorized_imports=["*"])
        agent.run("...")

Needs `pip install hypercell[smolagents]`. docs/integrations/smolagents.md is the guide.

Before: smolagents. After: `hypercell.Sandbox`, with globals that stay from step to step.
"""

from __future__ import annotations

from types import TracebackType
from typing import Any

try:
    from smolagents.local_python_executor import CodeOutput, PythonExecutor
except ImportError as error:
    raise ImportError(
        f"hypercell.integrations.smolagents needs {error.name}: pip install hypercell[smolagents]"
    ) from error

from hypercell import HypercellError, RunResult, Sandbox, Tool

__all__ = ["HypercellExecutor"]

_FINAL = "final_answer"
# What ends the code when it gives its answer. No Exception, so that the code does not catch it by accident.
_ENDS_CODE = f"""
class FinalAnswer(BaseException):
    pass

def _ends_code(answer):
    def {_FINAL}(*args, **kwargs):
        answer(*args, **kwargs)
        raise FinalAnswer
    return {_FINAL}

{_FINAL} = _ends_code({_FINAL})
del _ends_code
"""
_TYPES = {"string", "boolean", "integer", "number", "array", "object", "null"}


class HypercellExecutor(PythonExecutor):
    """Runs code in a sandbox of its own, which starts with the first code and keeps its globals.

    Tools run in this process, wherever the agent runs. Values cross as plain data: what is none raises an error that
    names where it is. The list of authorized imports does not matter here: the sandbox decides what code may reach.

    Args:
        options: `domains`, `limits`, `image`, `pool`, `on_audit`, `before_tool_call`, `mounts` and `output_dir`, as for
            `hypercell.Sandbox`.
    """

    def __init__(self, **options: Any) -> None:
        self._options = options
        self._tools: dict[str, Any] = {}
        self._variables: dict[str, Any] = {}
        self._box: Sandbox | None = None
        self._answers: list[Any] = []
        #: What smolagents reads what was printed from, if code fails.
        self.state: dict[str, Any] = {"_print_outputs": ""}

    def send_tools(self, tools: dict[str, Any]) -> None:
        """Takes the tools of an agent. Others than before begin a new sandbox, without the globals of the old one."""
        if tools != self._tools:
            self._tools = dict(tools)
            self.cleanup()

    def send_variables(self, variables: dict[str, Any]) -> None:
        """Takes variables, which the next code finds set."""
        self._variables.update(variables)

    def __call__(self, code_action: str) -> CodeOutput:
        """Runs code.

        Raises:
            HypercellError: The code passed a limit, or crashed; or no sandbox can be started.
            RuntimeError: The code raised an exception. The message is its traceback.
        """
        self.state["_print_outputs"] = ""
        self._answers.clear()
        box = self._box = self._box or self._started()
        inputs, self._variables = self._variables, {}
        try:
            result = box.run(code_action, inputs=inputs)
        except HypercellError as error:
            self.state["_print_outputs"] = _logs(getattr(error, "result", None))
            # The state is lost; what comes next begins anew.
            self.cleanup()
            raise
        self.state["_print_outputs"] = _logs(result)
        if self._answers and result.error is not None and result.error.type == "FinalAnswer":
            return CodeOutput(output=self._answers[-1], logs=_logs(result), is_final_answer=True)
        if result.error is not None:
            raise RuntimeError(result.error.traceback or f"{result.error.type}: {result.error.message}")
        return CodeOutput(output=result.value, logs=_logs(result), is_final_answer=False)

    def cleanup(self) -> None:
        """Ends the sandbox. The next code starts another one."""
        box, self._box = self._box, None
        if box is not None:
            box.close()

    def __enter__(self) -> HypercellExecutor:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.cleanup()

    def _started(self) -> Sandbox:
        tools = [self._tool(name, tool) for name, tool in self._tools.items()]
        box = Sandbox(tools, keep_state=True, **self._options)
        if _FINAL in self._tools:
            box.run(_ENDS_CODE).raise_for_error()
        return box

    def _tool(self, name: str, tool: Any) -> Tool:
        def call(**arguments: Any) -> Any:
            result = tool(**arguments)
            if name == _FINAL:
                self._answers.append(result)
                return None
            return result

        return Tool(call, name=name, description=tool.description, schema=_schema(tool.inputs))


def _schema(inputs: dict[str, Any]) -> dict[str, Any]:
    properties = {}
    for name, given in inputs.items():
        kinds = given["type"] if isinstance(given["type"], list) else [given["type"]]
        # `any`, `image` and `audio` are no types of JSON, and anything goes.
        kind = {"type": given["type"]} if set(kinds) <= _TYPES else {}
        properties[name] = {**kind, "description": given.get("description", "")}
    required = [name for name, given in inputs.items() if not given.get("nullable")]
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _logs(result: RunResult | None) -> str:
    return "" if result is None else result.stdout + result.stderr
