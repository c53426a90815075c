# Sets up the queues by which kernels were taken over: io_uring, aio, userfaultfd, watch queues, key rings.
EXPECTED = {
    "io_uring_setup": "EPERM", "io_uring_enter": "EPERM", "io_uring_register": "EPERM",
    "io_setup": "ENOSYS", "userfaultfd": "EPERM", "add_key": "ENOSYS", "keyctl": "ENOSYS",
    "fanotify_init": "EPERM", "inotify_init1": "ENOSYS", "memfd_secret": "ENOSYS",
    "pkey_alloc": "ENOSPC",
}
memory = ctypes.create_string_buffer(4096)
calls = {"io_uring_setup": 425, "io_uring_enter": 426, "io_uring_register": 427, "io_setup": 206, "userfaultfd": 323, "add_key": 248, "keyctl": 250, "fanotify_init": 300, "inotify_init1": 294, "memfd_secret": 447, "pkey_alloc": 330}
{name: syscall(number, 8, memory, memory, 0, 0) for name, number in calls.items()}
