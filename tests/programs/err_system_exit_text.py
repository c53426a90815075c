# sys.exit with a text: status 1.
# raises: SystemExit
# exits: 1
import sys

sys.exit("something went wrong")
