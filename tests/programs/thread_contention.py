# Threads that compute and print take turns; every line is whole and none is lost.
# differs: stdout
# limitation: processes-threads-sockets.md
import threading

lock = threading.Lock()


def work(number):
    for step in range(20):
        value = sum(n * n for n in range(2000))
        with lock:
            print(f"{number} {step} {value}")


threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
