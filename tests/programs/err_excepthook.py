# sys.excepthook and sys.last_exc of the program are its own matter: an exception still comes back.
# raises: IndexError
import sys

sys.excepthook = lambda *info: print("hook called")
[][3]
