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
