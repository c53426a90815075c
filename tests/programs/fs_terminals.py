# Pseudo-terminals: both ends, lines and single bytes, echo and editing, settings, sizes, names, and what is left at the end.
import errno
import fcntl
import os
import select
import struct
import termios
import threading
import tty


def shown(end):
    """What can be read until nothing more comes, or how that fails. Linux hands bytes over a little later."""
    data = b""
    try:
        while select.select([end], [], [], 0.05)[0]:
            more = os.read(end, 1000)
            if not more:
                break
            data += more
    except OSError as error:
        return data or errno.errorcode[error.errno]
    return data


master, slave = os.openpty()
name = os.ttyname(slave)
print(os.isatty(slave), os.isatty(master), name.startswith("/dev/pts/"), os.path.basename(name) in os.listdir("/dev/pts"))
print(os.path.realpath(f"/proc/self/fd/{slave}") == name, os.fstat(slave).st_rdev == os.stat(name).st_rdev)
print([flag.hex() if isinstance(flag, bytes) else flag for flag in termios.tcgetattr(slave)[:6]])
print([one.hex() for one in termios.tcgetattr(slave)[6][:16]])

os.write(master, b"two words\nnext\n")
print(os.read(slave, 4), os.read(slave, 100), os.read(slave, 100), shown(master))
os.write(master, b"abd\x7fc\x01\r")
print(os.read(slave, 100), shown(master))
os.write(master, b"forget this\x15kept\n")
print(os.read(slave, 100), shown(master))
os.write(master, b"no newline\x04")
print(os.read(slave, 100), shown(master))
os.write(master, b"\x04")
print(os.read(slave, 100))
os.write(master, b"gone\x03after\n")
print(os.read(slave, 100))
shown(master)
print(os.write(slave, b"one\ntwo\n"), os.read(master, 100))
print(select.select([slave, master], [slave, master], [], 0) == ([], [slave, master], []))

before = tty.setraw(slave) or termios.tcgetattr(slave)
os.write(master, b"a\r\x03\x04\n")
print(os.read(slave, 3), os.read(slave, 100))
print(os.write(slave, b"raw\n"), os.read(master, 100), select.select([slave], [], [], 0)[0])
mode = termios.tcgetattr(slave)
mode[6][termios.VMIN], mode[6][termios.VTIME] = 0, 1
termios.tcsetattr(slave, termios.TCSANOW, mode)
print(os.read(slave, 10))
mode[6][termios.VMIN], mode[6][termios.VTIME] = 3, 0
termios.tcsetattr(slave, termios.TCSADRAIN, mode)
os.write(master, b"12")
print(select.select([slave], [], [], 0)[0] == [])
os.write(master, b"3")
print(os.read(slave, 10))
tty.setcbreak(slave)
os.write(master, b"x")
print(os.read(slave, 10), fcntl.ioctl(slave, termios.FIONREAD, struct.pack("i", 0)) == struct.pack("i", 0))
os.write(master, b"thrown away")
select.select([slave], [], [], 1)
termios.tcflush(slave, termios.TCIFLUSH)
print(select.select([slave], [], [], 0)[0])

fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
print(os.get_terminal_size(slave), os.get_terminal_size(master))
print([termios.tcdrain(slave), termios.tcsendbreak(slave, 0), termios.tcflow(slave, termios.TCOON)])

threading.Timer(0.02, os.write, (master, b"later")).start()
print(os.read(slave, 100))
poll = select.poll()
poll.register(master)
os.close(slave)
print([bits & (select.POLLHUP | select.POLLNVAL) for _, bits in poll.poll(0)])
errors = [shown(master), shown(master) == "EIO"]
again = os.open(name, os.O_RDWR | os.O_NOCTTY)
os.write(again, b"back")
errors.append(os.read(master, 100))
os.close(master)
errors += [os.read(again, 10), os.path.exists(name)]
for bad in (lambda: os.write(again, b"x"), lambda: termios.tcgetattr(os.pipe()[0]), lambda: os.tcgetpgrp(again)):
    try:
        errors.append(bad())
    except (OSError, termios.error) as error:
        errors.append(errno.errorcode[error.args[0]])
errors
