# Calls the tool for ever. The limit of calls must end the run.
ENDS = "ToolLimitError"
LIMITS = {"tool_calls": 50}
while True:
    try:
        add(a=1, b=2)
    except BaseException:
        pass
