# An exception class of the program's own, with fields, a base of its own, and a text of its own.
# raises: PaymentError
class ShopError(Exception):
    """Base."""


class PaymentError(ShopError):
    def __init__(self, amount, limit):
        super().__init__(amount, limit)
        self.amount, self.limit = amount, limit

    def __str__(self):
        return f"{self.amount} exceeds {self.limit}"


try:
    raise PaymentError(5, 3)
except ShopError as error:
    print(repr(error), error.args)
raise PaymentError(amount=200, limit=100)
