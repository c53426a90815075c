"""What runs inside the micro-VM on CPython: it takes run requests from the kernel's device and runs their code."""
