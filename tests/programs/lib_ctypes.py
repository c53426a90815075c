# ctypes: functions of libc, structures, arrays, pointers, callbacks.
import ctypes

libc = ctypes.CDLL(None)
libc.strlen.argtypes, libc.strlen.restype = [ctypes.c_char_p], ctypes.c_size_t
print(libc.strlen(b"hypercell"), libc.abs(-5), libc.toupper(ord("a")))


class Point(ctypes.Structure):
    _fields_ = [("x", ctypes.c_int32), ("y", ctypes.c_double), ("bits", ctypes.c_uint8, 3)]


point = Point(3, 2.5, 9)
print(ctypes.sizeof(Point), Point.y.offset, point.x, point.y, point.bits, bytes(point)[:4])
numbers = (ctypes.c_int * 5)(5, 3, 9, 1, 7)
COMPARE = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_int), ctypes.POINTER(ctypes.c_int))
libc.qsort(numbers, len(numbers), ctypes.sizeof(ctypes.c_int), COMPARE(lambda a, b: a[0] - b[0]))
print(list(numbers))
buffer = ctypes.create_string_buffer(b"text", 10)
ctypes.memmove(ctypes.addressof(buffer) + 4, b"!!", 2)
value = ctypes.c_int(41)
ctypes.pointer(value)[0] += 1
libc.snprintf.restype = ctypes.c_int
out = ctypes.create_string_buffer(40)
print(libc.snprintf(out, ctypes.c_size_t(40), b"%d-%s", ctypes.c_int(7), b"seven"), out.value)
try:
    libc.no_such_function_at_all
except AttributeError as error:
    print(str(error).split(": ")[-1])
[buffer.value, value.value, ctypes.c_uint8(300).value, ctypes.string_at(b"abc", 2)]
