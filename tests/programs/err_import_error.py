# Modules and names that cannot be imported.
# raises: ModuleNotFoundError
try:
    from math import square_root
except ImportError as error:
    print(error.name, str(error).split(" (")[0])
try:
    import json.nothing
except ImportError as error:
    print(error)
import no_such_package.inner
