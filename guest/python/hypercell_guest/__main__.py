"""`python -m hypercell_guest`: the program that the guest kernel starts."""

from hypercell_guest.bootstrap import main

main()
