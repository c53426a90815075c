# sys.exit with a status.
# raises: SystemExit
# exits: 3
import sys

try:
    sys.exit("caught")
except SystemExit as error:
    print(error.code)
try:
    print("leaving")
    sys.exit(3)
finally:
    print("finally")
