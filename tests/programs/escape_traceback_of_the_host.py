# Makes the tool fail and looks for paths and frames of the host in what comes back.
EXPECTED = [False, False, False, False]
import traceback
try:
    call_tool("add", a="x", b=1)
except Exception as error:
    text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
["test_escape_programs" in text, host_file.rsplit("/", 2)[0] in text, "site-packages" in text, "_native" in text]
