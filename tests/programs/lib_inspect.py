# inspect, ast, dis, symtable, tokenize, code, codeop: Python looking at Python.
import ast
import code
import codeop
import dis
import inspect
import io
import symtable
import tokenize


def area(width: int, height: int = 2, *, unit="m") -> str:
    """Area."""
    return f"{width * height}{unit}"


print(inspect.signature(area), inspect.getdoc(area), inspect.isfunction(area), inspect.getfullargspec(area).kwonlyargs)
print(inspect.getsource(area).splitlines()[0], inspect.signature(area).bind(1, unit="km").arguments)
tree = ast.parse("x = [n ** 2 for n in range(3) if n]")
print(ast.dump(tree.body[0].targets[0]), ast.unparse(tree), [type(n).__name__ for n in ast.walk(tree)][:6])
print(ast.literal_eval("{'a': [1, (2, None)]}"))
try:
    ast.literal_eval("__import__('os')")
except ValueError as error:
    print(str(error).split(":")[0].split(" on line")[0])


class Double(ast.NodeTransformer):
    def visit_Constant(self, node):
        return ast.copy_location(ast.Constant(node.value * 2), node)


print(eval(compile(Double().visit(ast.parse("3 + 4", mode="eval")), "ast", "eval")))
print("RETURN_VALUE" in {i.opname for i in dis.get_instructions(area)}, area.__code__.co_varnames)
scopes = symtable.symtable("def f(a):\n    global g\n    b = a\n", "s", "exec").get_children()
table = next(scope for scope in scopes if scope.get_name() == "f")
print(sorted(table.get_identifiers()), table.get_parameters(), table.lookup("g").is_global())
print([(tokenize.tok_name[t.type], t.string) for t in tokenize.generate_tokens(io.StringIO("a += 1 # c\n").readline)][:4])
interpreter = code.InteractiveInterpreter({"n": 20})
interpreter.runsource("m = n + 1")
print(interpreter.locals["m"], codeop.compile_command("if x:") is None)
[inspect.getmro(bool)[1].__name__, inspect.cleandoc("  a\n    b")]
