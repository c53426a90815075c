# KeyboardInterrupt raised by the program itself is an exception like others.
# raises: KeyboardInterrupt
try:
    raise KeyboardInterrupt("once")
except KeyboardInterrupt as error:
    print("caught", error)
raise KeyboardInterrupt
