"""Starts the loop: `python -m hypercell_guest`, as the image boots it."""

from hypercell_guest.start import main

main()
