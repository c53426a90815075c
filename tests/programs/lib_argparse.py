# argparse: parsing, subcommands, help text, errors as SystemExit with usage on stderr.
import argparse
import contextlib
import io

parser = argparse.ArgumentParser(prog="tool", description="A tool.")
parser.add_argument("--level", type=int, choices=range(3), default=1, help="how loud (default: %(default)s)")
parser.add_argument("-v", action="count", default=0)
commands = parser.add_subparsers(dest="command", required=True)
add = commands.add_parser("add", help="adds")
add.add_argument("numbers", nargs="+", type=float)
add.add_argument("--round", action="store_true")
print(sorted(vars(parser.parse_args(["-vv", "--level", "2", "add", "1", "2.5", "--round"])).items()))
print(parser.parse_known_args(["add", "1", "--other"])[1])
exits = []
for bad in (["add"], ["--level", "9", "add", "1"], ["sub"], []):
    with contextlib.redirect_stderr(io.StringIO()) as err:
        try:
            parser.parse_args(bad)
        except SystemExit as stop:
            exits.append((stop.code, err.getvalue().splitlines()[-1].split(" ", 2)[1]))
print(exits)
simple = argparse.ArgumentParser(prog="p", add_help=False, formatter_class=argparse.RawTextHelpFormatter, usage="p [x]")
simple.add_argument("x", help="first\nsecond")
simple.format_help()
