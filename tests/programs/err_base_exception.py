# An exception outside of Exception.
# raises: Stop
class Stop(BaseException):
    pass


try:
    raise Stop("not caught by Exception")
except Exception:
    print("never")
finally:
    print("finally")
