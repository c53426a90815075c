# getopt, optparse, shlex, cmd: small parsers.
import cmd
import getopt
import io
import optparse
import shlex

print(getopt.gnu_getopt(["-a", "x", "--long=v", "rest"], "ab:", ["long="]))
try:
    getopt.getopt(["--nope"], "")
except getopt.GetoptError as error:
    print(error)
parser = optparse.OptionParser(prog="p")
parser.add_option("-n", type="int", default=1)
options, left = parser.parse_args(["-n", "5", "left"])
print(options.n, left)
print(shlex.split("a 'b c' \"d\\\"e\" f\\ g # h", comments=True), shlex.quote("it's"), shlex.join(["a b", "c"]))


class Shell(cmd.Cmd):
    prompt = ""
    use_rawinput = False

    def do_add(self, line):
        self.stdout.write(f"{sum(map(int, line.split()))}\n")

    def do_quit(self, line):
        return True


out = io.StringIO()
Shell(stdin=io.StringIO("add 1 2\nwhat\nquit\n"), stdout=out).cmdloop()
out.getvalue()
