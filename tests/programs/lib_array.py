# array, memoryview and bytearray: slices, casts, shared memory.
from array import array

numbers = array("i", [1, -2, 3])
numbers.extend([4, 5])
print(numbers, numbers.itemsize, numbers.tobytes().hex(), numbers.index(3), array("d", [0.5]).tolist())
view = memoryview(numbers)
view[0] = 100
print(numbers[0], view.format, view.nbytes, view[1:3].tolist(), view.cast("B")[:4].tobytes())
data = bytearray(b"hello world")
window = memoryview(data)[6:]
window[:] = b"there"
print(data, window.readonly, memoryview(b"x").readonly)
try:
    data.append(1)
except BufferError as error:
    print(error)
window.release()
data.append(33)
try:
    numbers.append(2**40)
except OverflowError as error:
    print(error)
swapped = array("H", [1, 256])
swapped.byteswap()
grid = memoryview(bytes(range(6))).cast("B", (2, 3))
[bytes(data), swapped.tolist(), grid.tolist(), grid[1, 2], [bytes(part) for part in bytearray(b"a,b").split(b",")]]
