"""What a tool raises to stop the framework, and not only its own call: carried out of a block unharmed."""

from __future__ import annotations


class SignalError(BaseException):
    """Carries a framework's exception out of a block.

    No Exception, so that the sandbox stops the block and raises this to whoever runs it: code in the guest cannot catch
    it.

    Attributes:
        signal: The exception.
    """

    def __init__(self, signal: BaseException) -> None:
        super().__init__()
        self.signal = signal
