# A misspelt name: the message suggests the right one.
# raises: NameError
customers = ["Ann"]
print(customers)
print(custumers)
