# A long expression over several lines: the marked part of the traceback.
# raises: TypeError
values = {"price": 3.5, "quantity": None}
total = (
    values["price"]
    + 1
    + values["price"] * values["quantity"]
    + 2
)
