"""SQL with grouping, windows and a join over 200,000 rows, JSON, CSV and Parquet files, and a transaction undone."""
# packages: duckdb
# image: columns
import os

import duckdb


def work():
    base = duckdb.connect()
    base.execute(
        "create table t as select i as id, i % 50 as grp, (i * 7919 % 1000) / 8.0 as value from range(200000) r(i)"
    )
    groups = base.execute("select grp, sum(value), count(*) from t group by grp order by grp limit 3").fetchall()
    window = "select id, sum(value) over (partition by grp order by id rows 3 preceding) as s from t"
    best = base.execute(f"select id, s from ({window}) order by s desc, id limit 2").fetchall()
    base.execute("copy (select * from t) to '/tmp/duck.parquet' (format parquet)")
    base.execute("copy (select * from t limit 5000) to '/tmp/duck.csv' (header)")
    parquet = base.execute("select count(*), avg(value) from '/tmp/duck.parquet'").fetchone()
    csv = base.execute("select count(*) from read_csv('/tmp/duck.csv')").fetchone()
    base.execute("begin; delete from t; rollback")
    os.remove("/tmp/duck.parquet")
    os.remove("/tmp/duck.csv")
    return {
        "groups": groups,
        "best": best,
        "parquet": parquet,
        "csv": csv,
        "rolled back": base.execute("select count(*) from t").fetchone(),
        "json": base.execute("""select json_extract('{"a": [1, 2]}', '$.a[1]')::int""").fetchone(),
        "text": base.execute("select regexp_replace('duck', 'd(.)', '\\1\\1'), strftime(date '2024-02-29', '%a')").fetchone(),
    }
