# A program of several thousand lines made and run within the program.
source = "\n".join(f"def f{n}(x):\n    return x + {n}" for n in range(3000)) + "\n" + "total = " + " + ".join(f"f{n}(1)" for n in range(0, 3000, 100))
namespace = {}
exec(compile(source, "generated", "exec"), namespace)
print(len(source), len(namespace) > 3000)
[namespace["total"], len(compile("[" + ",".join(map(str, range(20_000))) + "]", "list", "eval").co_code) > 0]
