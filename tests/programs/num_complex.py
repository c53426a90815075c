# Complex numbers: arithmetic, repr, powers, errors.
z = 3 + 4j
print(z, z.conjugate(), abs(z), z * 1j, z / (1 - 1j), z**2, z**0.5, complex("1-2j"), complex(1), -z, +z)
print(repr(complex(-0.0, 1)), 1j**2, z == 3 + 4j, hash(complex(2)) == hash(2), bool(0j), complex(float("inf"), float("nan")))
messages = []
for bad in (lambda: z < 1, lambda: z // 1, lambda: int(z), lambda: complex("x"), lambda: z / 0):
    try:
        bad()
    except (TypeError, ValueError, ZeroDivisionError) as error:
        messages.append(f"{type(error).__name__}: {error}")
messages + [z.real, z.imag]
