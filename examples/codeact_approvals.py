"""Approvals in the middle of a block: allowed, edited, denied, and one that waits for another process.

    python examples/codeact_approvals.py

The block pays three refunds. A person, whom a script plays, allows the small one, lowers the large one and refuses the
stranger; the code goes on after each. Then nobody is there: the block is written to a directory, this process has
nothing of it any more, and another process answers. No model is needed.
"""

import asyncio
import subprocess
import sys
import tempfile
from typing import Any

from hypercell.codeact import Approval, ApprovalRequest, CodeActTool, ExecuteCodeTool, SuspendedBlock

CODE = """\
done = []
for order in open_refunds():
    try:
        done.append(refund(order_id=order["id"], amount=order["amount"]))
    except ToolError as error:
        done.append(f"order {order['id']}: {error.message}")
done
"""
EXPECTED = ["refunded 5.0 for order 1", "refunded 50.0 for order 2", "order 3: no such customer"]


def open_refunds() -> list[dict[str, float]]:
    """Lists orders to refund: id and amount each."""
    return [{"id": 1, "amount": 5.0}, {"id": 2, "amount": 5000.0}, {"id": 3, "amount": 20.0}]


def refund(order_id: int, amount: float) -> str:
    """Pays the money of an order back."""
    return f"refunded {amount} for order {order_id}"


TOOLS: list[Any] = [open_refunds, CodeActTool(refund, approval="ask")]


async def ask(request: ApprovalRequest) -> Approval:
    """Plays a person who takes some time to think."""
    await asyncio.sleep(0.1)
    arguments = dict(request.arguments)
    if arguments["order_id"] == 3:
        answer = Approval.deny("no such customer")
    elif arguments["amount"] > 50:
        answer = Approval.edit({**arguments, "amount": 50.0})
    else:
        answer = Approval.allow()
    print(f"line {request.line}: {request.tool}({arguments}) -> {answer.decision}")
    return answer


def resume(directory: str, digest: str) -> None:
    """Answers all that a block in a directory still asks. Called in a process of its own."""
    tool = ExecuteCodeTool(TOOLS, approve=ask)
    block = SuspendedBlock.load(directory, digest=digest)
    answer = asyncio.run(ask(block.request))
    print(tool.resume_sync(block, answer).value)


def main() -> int:
    """Runs both and returns the exit status."""
    print("with a person at hand:")
    result = asyncio.run(ExecuteCodeTool(TOOLS, approve=ask).execute_code(CODE))
    print(result.render())
    print("with nobody there:")
    suspended = ExecuteCodeTool(TOOLS, approve=lambda _: Approval.suspend()).execute_code_sync(CODE).suspended
    assert suspended is not None
    with tempfile.TemporaryDirectory() as directory:
        digest = suspended.save(directory)
        print(f"{suspended.request.tool} waits; another process answers:")
        command = [sys.executable, __file__, directory, digest]
        done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603 - this file
    print(done.stdout, end="")
    return 0 if result.value == EXPECTED and done.stdout.endswith(f"{EXPECTED}\n") else 1


if __name__ == "__main__":
    if len(sys.argv) == 3:
        resume(*sys.argv[1:])
    else:
        sys.exit(main())
