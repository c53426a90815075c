"""CodeAct: one tool, `execute_code`, with which a model writes Python that calls the other tools.

For authors of agent frameworks and adapters; no framework is imported here.

Example:
    provider = CodeActProvider(tools=[list_orders], approve=ask_the_user)
    tool = provider.create_run_tool()
    result = await tool.execute_code("sum(order['total'] for order in list_orders(customer='ada'))")
    print(result.render())

`docs/codeact.md` is the guide.
"""

from ._approval import Approval, ApprovalRequest
from ._execute import CodeAct, ExecuteCodeTool
from ._grants import AllowedDomain, FileMount
from ._policy import Policy, PolicyContext, Verdict
from ._provider import CodeActProvider
from ._result import CodeResult, Intervention
from ._rules import RulePolicy
from ._suspended import SuspendedBlock
from ._tools import CodeActTool

__all__ = [
    "AllowedDomain",
    "Approval",
    "ApprovalRequest",
    "CodeAct",
    "CodeActProvider",
    "CodeActTool",
    "CodeResult",
    "ExecuteCodeTool",
    "FileMount",
    "Intervention",
    "Policy",
    "PolicyContext",
    "RulePolicy",
    "SuspendedBlock",
    "Verdict",
]

for _name in __all__:
    globals()[_name].__module__ = __name__
del _name
