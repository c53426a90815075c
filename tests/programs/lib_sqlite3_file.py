# sqlite3 in a file: locks, journals, rollback, reopening, a second connection.
import os
import sqlite3
import tempfile

with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, "shop.db")
    db = sqlite3.connect(path)
    db.execute("CREATE TABLE t (n INTEGER, data BLOB)")
    with db:
        db.executemany("INSERT INTO t VALUES (?, ?)", [(n, bytes([n % 256]) * 500) for n in range(2000)])
    other = sqlite3.connect(path, timeout=0)
    print(other.execute("SELECT count(*), sum(n), sum(length(data)) FROM t").fetchone())
    db.execute("BEGIN IMMEDIATE")
    db.execute("DELETE FROM t WHERE n % 2")
    try:
        other.execute("INSERT INTO t VALUES (1, x'00')")
    except sqlite3.OperationalError as error:
        print(error)
    print(sorted(os.listdir(folder)))
    db.rollback()
    db.close()
    with other:
        other.execute("CREATE INDEX i ON t (n)")
        other.execute("DELETE FROM t WHERE n >= 10")
    other.execute("VACUUM")
    other.close()
    with sqlite3.connect(path) as again:
        rows = again.execute("SELECT n, substr(data, 1, 2) FROM t ORDER BY n DESC LIMIT 3").fetchall()
        print(again.execute("PRAGMA integrity_check").fetchone())
    again.close()
    print(os.path.getsize(path) % 4096, sorted(os.listdir(folder)))
rows
