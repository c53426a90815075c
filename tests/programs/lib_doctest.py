# doctest: examples in docstrings, run and reported.
import doctest
import io
from contextlib import redirect_stdout


def double(n):
    """
    >>> double(4)
    8
    >>> double("ab")
    'abab'
    >>> double(None)
    Traceback (most recent call last):
    TypeError: unsupported operand type(s) for *: 'NoneType' and 'int'
    >>> double(1)
    3
    """
    return n * 2


with redirect_stdout(io.StringIO()) as report:
    runner = doctest.DocTestRunner()
    for test in doctest.DocTestFinder().find(double, "double", globs={"double": double}):
        runner.run(test)
print(report.getvalue().splitlines()[-5:])
[runner.tries, runner.failures]
