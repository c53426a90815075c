# Loads code into a kernel: modules, kexec, bpf and probes. All must be refused.
EXPECTED = {
    "init_module": "EPERM", "finit_module": "EPERM", "delete_module": "EPERM", "kexec_load": "EPERM",
    "kexec_file_load": "EPERM", "bpf": "EPERM", "perf_event_open": "EACCES", "uretprobe": "ENOSYS",
    "create_module": "ENOSYS",
}
image = ctypes.create_string_buffer(b"\x7fELF" + bytes(4096))
calls = {"init_module": 175, "finit_module": 313, "delete_module": 176, "kexec_load": 246, "kexec_file_load": 320, "bpf": 321, "perf_event_open": 298, "uretprobe": 335, "create_module": 174}
{name: syscall(number, image, 4096, image, 0, 0) for name, number in calls.items()}
