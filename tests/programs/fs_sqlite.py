# sqlite3 on a file: transactions, rollback, two connections, indexes, backup, vacuum.
import os
import sqlite3
import tempfile

os.chdir(tempfile.mkdtemp())
db = sqlite3.connect("data.db")
print(db.execute("pragma journal_mode").fetchone())
db.execute("create table item (id integer primary key, name text unique, price real)")
with db:
    db.executemany("insert into item (name, price) values (?, ?)", ((f"item {n}", n / 4) for n in range(5000)))
print(db.execute("select count(*), sum(price), max(name) from item").fetchone())
try:
    with db:
        db.execute("delete from item where id < 100")
        db.execute("insert into item (name) values ('item 4999')")
except sqlite3.IntegrityError as error:
    print(error)
print(db.execute("select count(*) from item").fetchone(), sorted(os.listdir(".")))
other = sqlite3.connect("data.db")
with other:
    other.execute("update item set price = -1 where id = 7")
print(db.execute("select price from item where id = 7").fetchone())
db.execute("create index by_price on item (price)")
print(db.execute("select id from item where price < 0").fetchall())
copy = sqlite3.connect("copy.db")
db.backup(copy)
copy.execute("delete from item where id > 10")
copy.commit()
copy.execute("vacuum")
print(copy.execute("select count(*) from item").fetchone(), os.path.getsize("copy.db") < os.path.getsize("data.db"))
print(db.execute("pragma integrity_check").fetchone())
for connection in (copy, other, db):
    connection.close()
again = sqlite3.connect("data.db")
rows = again.execute("select * from item order by id limit 3").fetchall()
again.close()
rows
