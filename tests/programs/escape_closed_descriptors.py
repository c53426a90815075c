# Closes every descriptor, also that of the device. The guest must find its way back to the host.
EXPECTED = [3, "EBADF"]
for number in range(3, 1024):
    attempt(os.close, number)
os.close(0)
os.close(2)
os.closerange(0, 4096)
[add(a=1, b=2), attempt(os.write, 1, b"x")]
