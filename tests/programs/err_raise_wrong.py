# Raising what is not an exception.
# raises: TypeError
for wrong in (lambda: exec("raise 5"), lambda: exec("raise ValueError from 5")):
    try:
        wrong()
    except TypeError as error:
        print(error)
raise "text"
