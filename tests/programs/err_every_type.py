# Every built-in exception type can be raised and caught, with its place in the tree.
import builtins

kinds = sorted((k for k in vars(builtins).values() if isinstance(k, type) and issubclass(k, BaseException)), key=lambda k: k.__name__)
special = {"UnicodeDecodeError": ("utf-8", b"\xff", 0, 1, "why"), "UnicodeEncodeError": ("ascii", "é", 0, 1, "why"), "UnicodeTranslateError": ("é", 0, 1, "why"), "BaseExceptionGroup": ("g", [ValueError(1)]), "ExceptionGroup": ("g", [ValueError(1)])}
seen = {}
for kind in kinds:
    if kind.__name__.startswith("_") or kind.__name__ in seen:
        continue
    try:
        raise kind(*special.get(kind.__name__, ("message",)))
    except BaseException as error:
        seen[kind.__name__] = f"{kind.__base__.__name__} {error!r} {error}"
for name, text in seen.items():
    print(name, text)
seen
