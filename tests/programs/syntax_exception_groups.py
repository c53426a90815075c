# except* splits an exception group; what is left is raised on.
# requires: 3.11
def fail():
    raise ExceptionGroup("several", [ValueError("a"), TypeError("b"), ExceptionGroup("deep", [ValueError("c"), OSError(2, "d")])])


caught = []
try:
    try:
        fail()
    except* ValueError as group:
        caught.append([str(e) for e in group.exceptions])
    except* TypeError as group:
        caught.append(repr(group.exceptions))
except ExceptionGroup as rest:
    caught.append((rest.message, repr(rest.exceptions)))
print(*caught, sep="\n")

group = ExceptionGroup("numbers", [ValueError(n) for n in range(4)])
matching, others = group.split(lambda e: isinstance(e, ValueError) and e.args[0] % 2 == 0)
(repr(matching), repr(others), group.subgroup(KeyError))
