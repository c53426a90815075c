# Writes output for ever, catching every error. The limit of output must end the run.
ENDS = "OutputLimitError"
LIMITS = {"output_bytes": 100_000}
while True:
    try:
        os.write(1, b"x" * 65536)
        os.write(2, b"y" * 65536)
    except BaseException:
        pass
