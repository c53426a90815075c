# graphlib: topological order, readiness in steps, cycles.
from graphlib import CycleError, TopologicalSorter

graph = {"deploy": {"test", "build"}, "test": {"build"}, "build": {"fetch"}, "fetch": set()}
order = list(TopologicalSorter(graph).static_order())
print(order)
sorter = TopologicalSorter({"d": {"b", "c"}, "b": {"a"}, "c": {"a"}})
sorter.prepare()
waves = []
while sorter.is_active():
    ready = sorted(sorter.get_ready())
    waves.append(ready)
    sorter.done(*ready)
try:
    list(TopologicalSorter({"x": ["y"], "y": ["x"]}).static_order())
except CycleError as error:
    print(error.args[0], len(error.args[1]))
[order, waves]
