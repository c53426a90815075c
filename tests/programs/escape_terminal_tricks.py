# Uses the calls of terminals and descriptors that reach into others' input. There is no terminal.
EXPECTED = ["ENOTTY", "ENOTTY", "error", "ENOTTY", "ENOTTY", "ENOTTY", b""]
import fcntl, termios
[
    attempt(fcntl.ioctl, 0, termios.TIOCSTI, b"x"),
    attempt(fcntl.ioctl, 1, termios.TIOCSCTTY, 0),
    attempt(termios.tcgetattr, 0),
    attempt(fcntl.ioctl, os.open("/dev/hypercell", os.O_RDWR), 0xAE00, 0),
    attempt(fcntl.ioctl, os.open("/dev/null", os.O_RDWR), 0xC008AE05, bytes(64)),
    attempt(os.ttyname, 0),
    os.read(0, 10),
]
