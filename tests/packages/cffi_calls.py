"""Functions of the C library called through cffi: qsort with a callback into Python, strings, structures, errno."""
# packages: cffi
# image: text
import cffi

ffi = cffi.FFI()
ffi.cdef(
    """
    void qsort(void *base, size_t n, size_t size, int (*compare)(const void *, const void *));
    size_t strlen(const char *text);
    long strtol(const char *text, char **end, int base);
    typedef struct { int quot; int rem; } div_t;
    div_t div(int a, int b);
    int snprintf(char *to, size_t size, const char *format, ...);
    """
)
library = ffi.dlopen(None)


@ffi.callback("int(const void *, const void *)")
def compare(a, b):
    x, y = ffi.cast("int *", a)[0], ffi.cast("int *", b)[0]
    return (x > y) - (x < y)


def work():
    numbers = ffi.new("int[]", [i * 7919 % 5003 for i in range(5000)])
    library.qsort(numbers, 5000, 4, compare)
    parts = library.div(47, 5)
    text = ffi.new("char[64]")
    library.snprintf(text, 64, b"%s %d %.3f", ffi.new("char[]", b"pi"), ffi.cast("int", 3), ffi.cast("double", 3.14159))
    library.strtol(b"99999999999999999999", ffi.NULL, 10)
    buffer = ffi.new("uint8_t[]", 1 << 20)
    ffi.memmove(buffer, b"abc", 3)
    return {
        "sorted": list(numbers) == sorted(numbers) and list(numbers)[-3:],
        "length": library.strlen("ä".encode()),
        "parts": (parts.quot, parts.rem),
        "text": ffi.string(text),
        "errno": ffi.errno,
        "copied": bytes(ffi.buffer(buffer, 4)),
        "layout": (ffi.sizeof("div_t"), ffi.offsetof("div_t", "rem")),
    }
