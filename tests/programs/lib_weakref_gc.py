# weakref and gc: references that die, finalizers, cycles, finalization order.
import gc
import weakref

log = []


class Node:
    def __init__(self, name):
        self.name, self.peer = name, None

    def __del__(self):
        log.append(f"del {self.name}")


node = Node("a")
reference = weakref.ref(node, lambda r: log.append("ref died"))
finalizer = weakref.finalize(node, log.append, "finalized")
values = weakref.WeakValueDictionary(first=node)
keys = weakref.WeakSet([node])
print(reference() is node, len(values), len(keys), finalizer.alive)
del node
print(log, reference(), len(values), len(keys), finalizer.alive)

log.clear()
left, right = Node("left"), Node("right")
left.peer, right.peer = right, left
del left, right
before = len(log)
found = gc.collect()
print(before, sorted(log), found >= 2, gc.isenabled())


class Meth:
    def run(self):
        return "ran"


owner = Meth()
method = weakref.WeakMethod(owner.run)
print(method()())
del owner
[method(), sorted(log)]
