# Formatted strings: conversions, nested specs, the equals form, escapes, dates.
import datetime

name, value, width = "café", 1234.5678, 12
print(f"{name!r:>{width}}|{name!a}|{name!s:^9}|")
print(f"{value:,.2f} {value:e} {value:>{width}.1f} {value=} {value=:.1f}")
print(f"{255:#x} {255:#b} {255:o} {255:08b} {10**9:_} {-5:+d} {0.256:.1%}")
print(f"{{literal}} {'nested'!r} {[n for n in range(3)]} {(lambda: 7)()}")
print(f"{datetime.date(2024, 2, 29):%A %d %B %Y} {datetime.timedelta(hours=25)}")
print(f"multi" f"part {name}" "!")
[f"{name:.2}", f"{1e300 * 10:f}", f"{True:d}", f"{None}", f"{b'bytes'}"]
