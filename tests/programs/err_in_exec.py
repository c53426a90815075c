# Code from exec and eval has a file name of its own in tracebacks.
# raises: ZeroDivisionError
namespace = {}
exec("def inner(n):\n    return 10 // n\n", namespace)
print(eval("inner(5)", namespace))
try:
    eval("1 +")
except SyntaxError as error:
    print(error.msg, error.filename, error.text)
try:
    compile("x = ", "named.py", "exec")
except SyntaxError as error:
    print(error)
namespace["inner"](0)
