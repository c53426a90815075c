# Bytes that move inside of the kernel: splice from and to pipes, sendfile and copy_file_range, with offsets and without.
import errno
import os
import tempfile


def failing(action, *arguments, **options):
    """The name of the error by which a call fails."""
    try:
        return action(*arguments, **options)
    except OSError as error:
        return errno.errorcode[error.errno]


os.chdir(tempfile.mkdtemp())
with open("source", "wb") as file:
    file.write(bytes(range(200)))
source = os.open("source", os.O_RDWR)
target = os.open("target", os.O_RDWR | os.O_CREAT)
read_end, write_end = os.pipe()
other_read, other_write = os.pipe()

print(os.splice(source, write_end, 20), os.read(read_end, 100) == bytes(range(20)), os.lseek(source, 0, os.SEEK_CUR))
print(os.splice(source, write_end, 5, offset_src=100), os.read(read_end, 100), os.lseek(source, 0, os.SEEK_CUR))
os.write(write_end, b"through two pipes")
print(os.splice(read_end, other_write, 7), os.read(other_read, 100), os.read(read_end, 100))
os.write(write_end, b"into a file")
print(os.splice(read_end, target, 5), os.splice(read_end, target, 100, offset_dst=50), os.lseek(target, 0, os.SEEK_CUR))
print(os.pread(target, 100, 0))
print(failing(os.splice, read_end, target, 10, flags=os.SPLICE_F_NONBLOCK), failing(os.splice, source, target, 10))
print(failing(os.splice, read_end, write_end, 1), failing(os.splice, write_end, target, 1), failing(os.splice, source, write_end, 1, offset_dst=3))
held = os.write(write_end, bytes(65536))
print(failing(os.splice, source, write_end, 10, flags=os.SPLICE_F_NONBLOCK), os.splice(read_end, target, held, offset_dst=0) > 0)
os.close(write_end)
print(os.splice(read_end, target, 100) >= 0)

os.ftruncate(target, 0)
os.lseek(target, 0, os.SEEK_SET)
print(os.copy_file_range(source, target, 10, offset_src=0), os.pread(target, 20, 0))
print(os.sendfile(target, source, 100, 10), os.pread(target, 30, 0)[10:])
[failing(os.copy_file_range, source, other_write, 5), failing(os.splice, source, other_write, 5, flags=1 << 10)]
