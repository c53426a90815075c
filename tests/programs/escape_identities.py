# Becomes other users, gains capabilities and changes names. All must be refused, but for groups, which mean nothing.
EXPECTED = [
    "EPERM", "EPERM", "allowed", "EPERM", "EPERM", "EPERM", "EPERM", "EPERM", "EPERM", "EPERM", "EPERM",
    0,
]
memory = ctypes.create_string_buffer(b"\x26\x05\x08\x20" + b"\xff" * 60)
[
    attempt(os.setuid, 1000), attempt(os.setgid, 1000), attempt(os.setgroups, [0]), attempt(os.setresuid, 1, 1, 1), attempt(os.setsid),
    syscall(126, memory, memory), attempt(__import__("socket").sethostname, "taken"), syscall(171, memory, 5), syscall(167, memory, 0), syscall(103, 3, memory, 64), syscall(163, 0), os.getuid(),
]
