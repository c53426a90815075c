"""What every program does, run once while an image is built.

The kernel notes the pages that this dirties and copies them in bulk at each later start. A page here costs every VM
4 KiB and 5 us, a page that is missing costs the runs that write it 20 us. A tool call and a print would add 70 pages,
2 ms less for programs that do both, and push a live VM over the 2 MB that benches/budgets.toml promises.
"""

1 + 1
