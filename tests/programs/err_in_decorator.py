# An exception while a decorated function is defined.
# raises: ValueError
def route(path):
    if not path.startswith("/"):
        raise ValueError(f"path {path!r} must begin with /")
    return lambda function: function


@route("/good")
def good(): ...


@route("bad")
def bad():
    """Never made."""
