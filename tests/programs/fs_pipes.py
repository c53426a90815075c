# Pipes and socket-free plumbing within one process: capacity, end of file, broken pipes, dup.
import os
import signal

read_end, write_end = os.pipe()
print(os.write(write_end, b"hello"), os.read(read_end, 3), os.read(read_end, 100))
os.set_blocking(write_end, False)
written = 0
try:
    while True:
        written += os.write(write_end, bytes(4096))
except BlockingIOError as error:
    print(written, error.strerror)
drained = 0
while drained < written:
    drained += len(os.read(read_end, 50_000))
copy = os.dup(write_end)
os.close(write_end)
os.write(copy, b"through the copy")
with os.fdopen(copy, "wb") as f:
    f.write(b", buffered")
with os.fdopen(read_end, "rb") as f:
    print(f.read())
read_end, write_end = os.pipe()
os.close(read_end)
try:
    os.write(write_end, b"x")
except BrokenPipeError as error:
    print(error, signal.getsignal(signal.SIGPIPE) == signal.SIG_IGN)
os.close(write_end)
errors = []
for bad in (lambda: os.read(write_end, 1), lambda: os.lseek(os.pipe()[0], 0, 0), lambda: os.close(1000)):
    try:
        bad()
    except OSError as error:
        errors.append(error.strerror)
[written, drained, errors]
