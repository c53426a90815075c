# warnings: shown once on stderr with the program's own line, filtered, recorded, turned into errors.
import warnings


def old():
    warnings.warn("old() is old", DeprecationWarning, stacklevel=2)


warnings.warn("look out")
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    old()
    warnings.warn("second", UserWarning)
print([(w.category.__name__, str(w.message), w.lineno) for w in caught])
with warnings.catch_warnings():
    warnings.simplefilter("error")
    try:
        old()
    except DeprecationWarning as error:
        print("raised", error)
for _ in range(3):
    warnings.warn("only once", RuntimeWarning)
old()
warnings.formatwarning("m", UserWarning, "<code>", 2, "text")
