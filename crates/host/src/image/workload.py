"""What nearly every program does, run once while an image is built.

The kernel notes the pages that this dirties and copies them in bulk at each later start. A page here costs every run
about 7 us, a page that is missing costs the runs that write it 35 us: so only what most programs touch belongs here.
"""

rows = call_tool("echo", rows=[{"id": number, "name": f"row {number}"} for number in range(3)])
print(len(rows))
sorted(row["name"] for row in rows)
