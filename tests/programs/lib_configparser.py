# configparser, netrc-free: sections, interpolation, types, writing, errors.
import configparser
import io

config = configparser.ConfigParser()
config.read_string("""
[DEFAULT]
home = /srv
[paths]
data = %(home)s/data
on = yes
ratio: 2.5
lines =
    one
    two
[empty]
""")
print(config.sections(), config["paths"]["data"], config["paths"].getboolean("on"), config.getfloat("paths", "ratio"))
print(config["paths"]["lines"].split(), config.get("paths", "nope", fallback="default"))
config["new"] = {"k": "v"}
out = io.StringIO()
config.write(out)
print(out.getvalue())
errors = []
for bad in ("no section = 1", "[a]\nx=1\n[a]\n", "[a]\nx=%(y)s"):
    try:
        other = configparser.ConfigParser()
        other.read_string(bad)
        other.get("a", "x")
    except configparser.Error as error:
        errors.append(type(error).__name__)
errors
