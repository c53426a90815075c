# logging: levels, handlers, formatters, filters, exceptions, and the default handler on stderr.
import io
import logging
import sys

stream = io.StringIO()
log = logging.getLogger("shop.orders")
log.setLevel(logging.DEBUG)
log.propagate = False
handler = logging.StreamHandler(stream)
handler.setFormatter(logging.Formatter("%(levelname)s:%(name)s:%(lineno)d:%(funcName)s:%(message)s"))
log.addHandler(handler)


def place():
    log.info("placed %d orders for %s", 3, "Ann")
    try:
        {}["missing"]
    except KeyError:
        log.exception("failed")


place()
log.addFilter(lambda record: record.levelno >= logging.WARNING)
log.debug("filtered")
log.warning("kept %(n)d", {"n": 5})
print(stream.getvalue())
logging.getLogger("other").warning("goes to stderr")
logging.basicConfig(format="%(levelname)s %(message)s", stream=sys.stdout, level=logging.INFO, force=True)
logging.info("to stdout")
[log.getEffectiveLevel(), logging.getLevelName(40), stream.getvalue().count("\n")]
