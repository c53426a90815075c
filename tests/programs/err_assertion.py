# A failed assertion with a message.
# raises: AssertionError
def check(total):
    assert total == 4, f"total is {total}, not 4"
    return total


check(4)
check(5)
