# Threads that compute take turns, and none loses what it did.
import threading

lock, lines = threading.Lock(), []


def work(number):
    for step in range(20):
        value = sum(n * n for n in range(2000))
        with lock:
            lines.append(f"{number} {step} {value}")


threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
[len(lines), len(set(lines))]
