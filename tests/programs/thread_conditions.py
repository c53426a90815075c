# Conditions hand one turn after the other from thread to thread.
import threading

turn, order, condition = 0, [], threading.Condition()


def play(number, players, rounds):
    global turn
    for _ in range(rounds):
        with condition:
            condition.wait_for(lambda: turn % players == number)
            order.append(number)
            turn += 1
            condition.notify_all()


threads = [threading.Thread(target=play, args=(number, 4, 10)) for number in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
with condition:
    late = condition.wait(timeout=0.01)
[order == [0, 1, 2, 3] * 10, turn, late]
