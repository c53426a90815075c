# Puts files of its own in the place of the device's and of output's descriptors. The run must go on or end.
EXPECTED = 3
file = os.open("/tmp/fake", os.O_RDWR | os.O_CREAT)
os.write(file, b"HCEL" * 1000)
os.lseek(file, 0, 0)
for number in (0, 1, 2, 1021):
    os.dup2(file, number)
add(a=1, b=2)
