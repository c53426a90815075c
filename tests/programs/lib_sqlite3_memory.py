# sqlite3 in memory: queries, parameters, functions, transactions, rows, errors.
import sqlite3

db = sqlite3.connect(":memory:")
db.row_factory = sqlite3.Row
db.executescript("""
    CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, region TEXT);
    CREATE TABLE orders (user_id INTEGER REFERENCES users(id), amount REAL);
""")
with db:
    db.executemany("INSERT INTO users (name, region) VALUES (?, ?)", [("Ann", "EU"), ("Bob", "US"), ("Cid", "EU")])
    db.executemany("INSERT INTO orders VALUES (:user, :amount)", [{"user": 1, "amount": 10.5}, {"user": 1, "amount": 4}, {"user": 3, "amount": 7}])
db.create_function("shout", 1, lambda text: text.upper() + "!")
query = """
    SELECT shout(u.name) AS name, count(o.amount) AS n, coalesce(sum(o.amount), 0) AS total
    FROM users u LEFT JOIN orders o ON o.user_id = u.id GROUP BY u.id ORDER BY total DESC
"""
rows = [dict(row) for row in db.execute(query)]
for row in rows:
    print(row)
try:
    with db:
        db.execute("INSERT INTO users (name) VALUES ('Dan')")
        db.execute("INSERT INTO users (name) VALUES ('Ann')")
except sqlite3.IntegrityError as error:
    print(error)
print(db.execute("SELECT count(*) FROM users").fetchone()[0], db.total_changes)
print([tuple(r) for r in db.execute("WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 5) SELECT n, n * n FROM c")])
for bad in ("SELEC 1", "SELECT * FROM missing"):
    try:
        db.execute(bad)
    except sqlite3.OperationalError as error:
        print(error)
rows
