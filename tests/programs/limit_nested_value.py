# A value nested sixty levels deep.
value = []
for n in range(29):
    value = {"level": n, "inner": [value]}
value
