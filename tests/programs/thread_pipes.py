# A read of an empty pipe waits for a thread that writes, and a write to a full one for a thread that reads.
import os
import selectors
import socket
import threading
import time

read_end, write_end = os.pipe()
parts = []


def write_late():
    time.sleep(0.01)
    os.write(write_end, b"late")


thread = threading.Thread(target=write_late)
thread.start()
parts.append(os.read(read_end, 10))
thread.join()


def read_all():
    size = 0
    while size < 300_000:
        size += len(os.read(read_end, 50_000))
    parts.append(size)


thread = threading.Thread(target=read_all)
thread.start()
parts.append(os.write(write_end, bytes(300_000)))
thread.join()
one, other = socket.socketpair()
thread = threading.Thread(target=lambda: (time.sleep(0.01), other.sendall(b"ping"), parts.append(other.recv(4))))
thread.start()
with selectors.DefaultSelector() as selector:
    selector.register(one, selectors.EVENT_READ)
    parts.append(len(selector.select(5)))
parts.append(one.recv(10))
one.sendall(b"pong")
thread.join()
[parts[0], sorted(parts[1:3]), parts[3:]]
