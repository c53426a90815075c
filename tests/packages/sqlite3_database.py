"""A database in a file: 20,000 rows, an index, a join, a window, full text, JSON, a function in Python, a backup."""
# packages:
# image: text
import os
import sqlite3


def work():
    if os.path.exists("/tmp/shop.db"):
        os.remove("/tmp/shop.db")
    base = sqlite3.connect("/tmp/shop.db")
    base.execute("create table item (id integer primary key, name text, price real)")
    base.execute("create table sale (item integer references item, count integer)")
    with base:
        base.executemany("insert into item values (?, ?, ?)", [(i, f"item {i}", i / 4) for i in range(1000)])
        base.executemany("insert into sale values (?, ?)", [(i * 7919 % 1000, i % 9) for i in range(20_000)])
    base.execute("create index by_item on sale (item)")
    base.create_function("shout", 1, lambda text: text.upper() + "!")
    joined = "select i.name, sum(s.count * i.price) t from sale s join item i on i.id = s.item group by i.id"
    try:
        with base:
            base.execute("delete from sale")
            raise ValueError
    except ValueError:
        pass
    copy = sqlite3.connect(":memory:")
    base.backup(copy)
    found = {
        "best": base.execute(f"select * from ({joined}) order by t desc, name limit 2").fetchall(),
        "rank": base.execute("select id, rank() over (order by price desc) from item limit 2").fetchall(),
        "json": base.execute("""select json_extract('{"a": [1, 2]}', '$.a[1]')""").fetchone(),
        "function": base.execute("select shout(name) from item where id = 7").fetchone(),
        "rows": copy.execute("select count(*) from sale").fetchone(),
        "checked": base.execute("pragma integrity_check").fetchone(),
    }
    copy.close()
    base.close()
    return found
