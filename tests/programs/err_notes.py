# Notes added to an exception are part of its traceback.
# requires: 3.11
# raises: ValueError
try:
    float("nine")
except ValueError as error:
    error.add_note("in row 3")
    error.add_note("of the file\nprices.csv")
    print(error.__notes__)
    raise
