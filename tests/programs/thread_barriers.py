# A barrier lets nobody go on before all have come, and breaks for all when one gives up.
import threading

barrier, log = threading.Barrier(4), []


def work(number):
    for step in range(3):
        log.append(step)
        barrier.wait()


threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
broken, lonely = [], threading.Barrier(3)


def give_up():
    try:
        lonely.wait(0.02)
    except threading.BrokenBarrierError:
        broken.append(1)


threads = [threading.Thread(target=give_up) for _ in range(2)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
[log, broken, lonely.broken]
