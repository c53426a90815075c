"""CSV read, groupby, merge, pivot, rolling mean, resample and string methods on 50,000 rows."""
# packages: pandas
# image: science
import io

import numpy as np
import pandas as pd


def table(rows):
    rng = np.random.default_rng(7)
    return pd.DataFrame(
        {
            "when": pd.date_range("2024-01-01", periods=rows, freq="min"),
            "shop": rng.choice(["north", "south", "east", "west"], rows),
            "item": rng.integers(0, 50, rows),
            "price": rng.normal(20, 5, rows).round(2),
        }
    )


def work():
    frame = table(50_000)
    text = frame.head(5000).to_csv(index=False)
    again = pd.read_csv(io.StringIO(text), parse_dates=["when"])
    sums = frame.groupby(["shop", "item"], as_index=False)["price"].agg(["sum", "count"])
    names = pd.DataFrame({"item": range(50), "name": [f"item {i:02}" for i in range(50)]})
    joined = sums.merge(names, on="item")
    pivot = frame.pivot_table(index="item", columns="shop", values="price", aggfunc="mean")
    daily = frame.set_index("when")["price"].resample("D").sum()
    return {
        "read back": bool((again["price"] == frame.head(5000)["price"]).all()),
        "sum": round(float(joined["sum"].sum()), 2),
        "names": joined["name"].str.upper().nunique(),
        "pivot": pivot.round(3).iloc[0].to_dict(),
        "rolling": round(float(frame["price"].rolling(100).mean().iloc[-1]), 6),
        "days": [round(float(v), 2) for v in daily.head(3)],
        "described": frame["price"].describe().round(4).to_dict(),
        "printed": frame.head(3).to_string(),
    }
