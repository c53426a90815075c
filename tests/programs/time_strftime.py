# strftime, strptime, struct_time, and conversions of fixed moments.
import time

moment = time.gmtime(1_709_210_096)
print(time.strftime("%Y-%m-%d %H:%M:%S %a %A %b %B %j %U %w %y %% %p %I", moment))
print(time.asctime(moment), time.ctime(0), tuple(moment), moment.tm_zone, moment.tm_gmtoff)
parsed = time.strptime("29 Feb 2024 12:34:56", "%d %b %Y %H:%M:%S")
print(parsed.tm_yday, parsed.tm_wday, time.mktime(parsed), time.strftime("%c", parsed))
messages = []
for bad in (lambda: time.strptime("30 Feb 2024", "%d %b %Y"), lambda: time.strptime("x", "%Y"), lambda: time.gmtime(1e20), lambda: time.mktime((1, 2))):
    try:
        bad()
    except (ValueError, OverflowError, TypeError) as error:
        messages.append(f"{type(error).__name__}: {error}")
print("\n".join(messages))
[tuple(time.gmtime(0)), time.strftime("%H", time.localtime(0))]
