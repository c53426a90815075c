# A hundred threads wait for each other, and a thousand run one after another.
import threading

gate, seen = threading.Barrier(100), []


def pass_gate(number):
    gate.wait()
    seen.append(number)


threads = [threading.Thread(target=pass_gate, args=(number,)) for number in range(100)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
count = 0


def bump():
    global count
    count += 1


for _ in range(1000):
    thread = threading.Thread(target=bump)
    thread.start()
    thread.join()
[sorted(seen) == list(range(100)), count, threading.active_count()]
