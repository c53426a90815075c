"""What many programs do with pandas, run while an image is built that imports it: as workload.py.

Where a version of pandas has something of this no longer, the image is as good without the rest.
"""

import contextlib
import io

import pandas as pd

with contextlib.suppress(Exception):
    frame = pd.DataFrame({"name": ["a", "b", "c"] * 20, "count": range(60), "price": [1.5, 2.5, 3.5] * 20})
    frame.groupby("name")["price"].sum().to_dict()
    frame["total"] = frame["count"] * frame["price"]
    frame[frame["total"] > 10].sort_values("total").head(3).to_dict("records")
    frame.groupby("name").agg({"count": "sum", "price": "mean"}).reset_index()
    frame.to_csv(index=False)
    pd.read_csv(io.StringIO("name,x\na,1\nb,2\n")).merge(frame, on="name")
    frame.describe()
    frame.head(2).to_string()

with contextlib.suppress(Exception):
    rows = pd.DataFrame([{"day": "2024-02-28", "n": 1}, {"day": "2024-03-01", "n": None}])
    rows["n"] = rows["n"].fillna(0).astype(int)
    rows["day"] = pd.to_datetime(rows["day"])
    rows["month"] = rows["day"].dt.month
    rows.set_index("day")["n"].resample("D").sum().tolist()
    print(pd.concat([frame, frame.rename(columns={"count": "n"})], ignore_index=True).drop_duplicates())
    frame["name"].value_counts().head(2)
    frame["count"].apply(lambda n: n + 1).nlargest(2).tolist()
    frame["name"].str.upper().str.contains("A").sum()
    frame.loc[frame["name"].isin(["a", "b"]), ["name", "price"]].iloc[0]
    frame.assign(even=frame["count"] % 2 == 0).pivot_table(
        index="name", columns="even", values="price", aggfunc="mean"
    )
    frame[["count", "price"]].corr().round(2).to_json()
