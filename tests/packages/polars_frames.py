"""An eager and a lazy query, a join, windows, strings, CSV and Parquet written and read back, on threads."""
# packages: polars
# image: columns
import io

import polars as pl


def work():
    rows = 100_000
    frame = pl.DataFrame(
        {
            "id": range(rows),
            "group": [f"g{i % 50}" for i in range(rows)],
            "value": [i * 7919 % 1000 / 8 for i in range(rows)],
        }
    )
    names = pl.DataFrame({"group": [f"g{i}" for i in range(0, 50, 2)], "name": [f"name {i}" for i in range(25)]})
    query = (
        frame.lazy()
        .filter(pl.col("value") > 10)
        .group_by("group")
        .agg(pl.col("value").sum(), pl.col("id").max(), pl.len().alias("rows"))
        .join(names.lazy(), on="group")
        .sort("group")
    )
    packed = io.BytesIO()
    frame.write_parquet(packed)
    text = frame.head(5000).write_csv()
    return {
        "query": query.collect().head(3).rows(),
        "window": round(frame.select((pl.col("value") - pl.col("value").mean().over("group")).abs().sum()).item(), 4),
        "parquet": pl.read_parquet(io.BytesIO(packed.getvalue())).equals(frame),
        "csv": pl.read_csv(io.StringIO(text)).height,
        "text": frame["group"].str.replace("g", "G").unique().sort().to_list()[:3],
        "sorted": frame.sort("value", "id", descending=True)["id"].head(3).to_list(),
        "sql": pl.sql("select count(*) as n from frame where value < 1", eager=True).item(),
    }
