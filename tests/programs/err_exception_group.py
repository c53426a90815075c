# A group of exceptions that leaves the program.
# requires: 3.11
# raises: ExceptionGroup
def collect():
    errors = []
    for text in ("1", "x", None):
        try:
            int(text)
        except (ValueError, TypeError) as error:
            errors.append(error)
    raise ExceptionGroup("conversions failed", errors)


collect()
