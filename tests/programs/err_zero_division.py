# A division by zero in the last expression.
# raises: ZeroDivisionError
def average(numbers):
    return sum(numbers) / len(numbers)


print(average([1, 2]))
average([])
