# Threads share a database file, each by a connection of its own.
import os
import sqlite3
import tempfile
import threading

path = os.path.join(tempfile.mkdtemp(), "shared.db")
with sqlite3.connect(path) as base:
    base.execute("create table t (n integer)")


def insert(start):
    connection = sqlite3.connect(path, timeout=20)
    for number in range(start, start + 20):
        with connection:
            connection.execute("insert into t values (?)", (number,))
    connection.close()


threads = [threading.Thread(target=insert, args=(start,)) for start in (0, 100, 200)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
sqlite3.connect(path).execute("select count(*), sum(n) from t").fetchone()
