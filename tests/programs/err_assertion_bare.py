# A failed assertion without a message.
# raises: AssertionError
numbers = [1, 2, 3]
assert sum(numbers) > 0
assert (
    sum(numbers)
    == 7
)
