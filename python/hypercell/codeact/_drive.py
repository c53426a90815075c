"""Does what a block asks for, step by step: waiting for it, or awaiting it on an event loop.

Before: `_execute`. After: `_block`, `Sandbox`, `AsyncSandbox`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from .._async import AsyncSandbox
from .._sandbox import Sandbox
from ._block import Ask, Block, Steps, Use, current, run_alone
from ._result import CodeResult


def drive(block: Block, steps: Steps, box: Sandbox) -> CodeResult:
    """Takes a block to its end, on this thread."""
    token = current.set(block)
    try:
        step = next(steps)
        while True:
            try:
                done = _done(step, box)
            except BaseException as error:
                step = steps.throw(error)
            else:
                step = steps.send(done)
    except StopIteration as end:
        result: CodeResult = end.value
        return result
    finally:
        current.reset(token)


async def drive_async(block: Block, steps: Steps, box: AsyncSandbox) -> CodeResult:
    """Takes a block to its end, without blocking the event loop."""
    token = current.set(block)
    try:
        step = next(steps)
        while True:
            try:
                done = await _done_async(step, box)
            except BaseException as error:
                step = steps.throw(error)
            else:
                step = steps.send(done)
    except StopIteration as end:
        result: CodeResult = end.value
        return result
    finally:
        current.reset(token)


def _done(step: Ask | Use, box: Sandbox) -> Any:
    if isinstance(step, Use):
        return getattr(box, step.method)(*step.arguments, **step.options)
    answer = step.function(step.argument)
    return run_alone(answer) if inspect.isawaitable(answer) else answer


async def _done_async(step: Ask | Use, box: AsyncSandbox) -> Any:
    if isinstance(step, Use):
        return await getattr(box, step.method)(*step.arguments, **step.options)
    if step.may_wait and not inspect.iscoroutinefunction(step.function):
        answer = await _on_thread(step.function, step.argument)
    else:
        answer = step.function(step.argument)
    return await answer if inspect.isawaitable(answer) else answer


async def _on_thread(function: Callable[[Any], Any], argument: Any) -> Any:
    """Calls a function that may wait on a thread of its own, with the context variables of this task."""
    import contextvars

    from .._loop import in_thread

    context = contextvars.copy_context()
    return await in_thread(lambda: context.run(function, argument))
