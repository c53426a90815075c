# A MemoryError that leaves the program.
# raises: MemoryError
print("asking for too much")
data = bytearray(1 << 60)
