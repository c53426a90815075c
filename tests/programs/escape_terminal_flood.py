# Fills terminals and pipes with names until nothing more fits, and makes as many as there may be. All of it has a bound.
EXPECTED = [64, "ENOSPC", 4094, 8191, 65536, True]
import resource, tty

resource.setrlimit(resource.RLIMIT_NOFILE, (1024, 1024))
pairs = []
while (made := attempt(lambda: pairs.append(os.openpty()))) == "allowed":
    pass

def fill(end):
    """How many bytes it takes until a write would wait."""
    os.set_blocking(end, False)
    total = 0
    while True:
        try:
            total += os.write(end, bytes(4096))
        except BlockingIOError:
            return total

master, slave = pairs[0]
tty.setraw(slave)
typed, shown = fill(master), fill(slave)
os.mkfifo("/tmp/pipe")
held = fill(os.open("/tmp/pipe", os.O_RDWR))
for master, slave in pairs:
    os.close(master)
[len(pairs), made, typed, shown, held, os.listdir("/dev/pts") == []]
