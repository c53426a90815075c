# Changes the tree: chroot, mount, pivot_root and the newer calls of mounts. All must be refused.
EXPECTED = {
    "chroot": "EPERM", "mount": "EPERM", "umount2": "EPERM", "pivot_root": "EPERM",
    "open_tree": "EPERM", "move_mount": "EPERM", "fsopen": "EPERM", "fsmount": "EPERM",
    "fspick": "EPERM", "mount_setattr": "EPERM",
}
text = ctypes.c_char_p(b"/tmp")
calls = {"chroot": 161, "mount": 165, "umount2": 166, "pivot_root": 155, "open_tree": 428, "move_mount": 429, "fsopen": 430, "fsmount": 432, "fspick": 433, "mount_setattr": 442}
{name: syscall(number, text, text, text, 0, 0) for name, number in calls.items()}
