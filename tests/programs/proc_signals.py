# Signal handlers of the program: raised, delivered, blocked and ignored within it.
import os
import signal

seen = []
old = signal.signal(signal.SIGUSR1, lambda number, frame: seen.append((signal.Signals(number).name, frame.f_code.co_filename)))
signal.raise_signal(signal.SIGUSR1)
os.kill(os.getpid(), signal.SIGUSR1)
print(seen, old == signal.SIG_DFL, signal.getsignal(signal.SIGINT) is signal.default_int_handler)
signal.signal(signal.SIGUSR1, signal.SIG_IGN)
signal.raise_signal(signal.SIGUSR1)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2])
signal.signal(signal.SIGUSR2, lambda *_: seen.append("unblocked"))
signal.raise_signal(signal.SIGUSR2)
print(len(seen), signal.SIGUSR2 in signal.sigpending())
signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGUSR2])
print(seen[-1])
try:
    signal.raise_signal(signal.SIGINT)
except KeyboardInterrupt:
    seen.append("interrupted")
errors = []
for bad in (lambda: signal.signal(signal.SIGKILL, lambda *_: None), lambda: signal.signal(500, signal.SIG_DFL), lambda: os.kill(99_999_999, 0)):
    try:
        bad()
    except (OSError, ValueError) as error:
        errors.append(type(error).__name__)
[len(seen), seen[-1], errors]
