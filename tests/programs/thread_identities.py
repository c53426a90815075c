# Threads have names and numbers of their own, and tell who lives.
import threading

numbers, gate = [], threading.Barrier(4)


def note():
    numbers.append((threading.get_ident(), threading.get_native_id()))
    gate.wait()


threads = [threading.Thread(target=note) for _ in range(3)]
for thread in threads:
    thread.start()
living = threading.active_count()
gate.wait()
for thread in threads:
    thread.join()
mine = threading.get_ident(), threading.get_native_id()
[living, len({ident for ident, _ in numbers}), len({native for _, native in [*numbers, mine]}), threading.enumerate() == [threading.main_thread()]]
