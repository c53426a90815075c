# plistlib, shelve and dbm.dumb: small stores.
import dbm.dumb
import os
import plistlib
import shelve
import tempfile
from datetime import datetime

data = {"name": "Zoë", "when": datetime(2024, 1, 2, 3, 4, 5), "blob": b"\x00\x01", "n": [1, 2.5, True]}
for form in (plistlib.FMT_XML, plistlib.FMT_BINARY):
    print(plistlib.loads(plistlib.dumps(data, fmt=form)) == data)
with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, "store")
    with dbm.dumb.open(path, "c") as store:
        store["k"] = "v"
        store[b"bin"] = bytes(5)
    with shelve.Shelf(dbm.dumb.open(path + "2", "c")) as shelf:
        shelf["list"] = [1, {"a": 2}]
    with shelve.Shelf(dbm.dumb.open(path + "2", "r")) as shelf:
        print(shelf["list"], list(shelf))
    with dbm.dumb.open(path, "r") as store:
        print(sorted(store.keys()), store["k"])
    names = sorted(os.listdir(folder))
names
