"""Tables filtered, grouped, joined and sorted, Parquet, IPC and CSV written and read back."""
# packages: pyarrow
# image: columns
import io

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq


def work():
    rows = 100_000
    table = pa.table(
        {
            "id": pa.array(range(rows)),
            "group": pa.array([f"g{i % 50}" for i in range(rows)]).dictionary_encode(),
            "value": pa.array([i * 7919 % 1000 / 8 for i in range(rows)]),
        }
    )
    packed = io.BytesIO()
    pq.write_table(table, packed, compression="zstd")
    again = pq.read_table(io.BytesIO(packed.getvalue()), columns=["group", "value"])
    sums = table.group_by("group").aggregate([("value", "sum"), ("id", "max")]).sort_by("id_max")
    names = pa.table({"id": [3, 5, 99_999], "name": ["c", "e", "z"]})
    stream = pa.BufferOutputStream()
    with pa.ipc.new_stream(stream, table.schema) as writer:
        writer.write_table(table)
    text = io.BytesIO()
    pa.csv.write_csv(table.slice(0, 5000).select(["id", "value"]), text)
    return {
        "read back": again["value"].equals(table["value"]),
        "sums": sums.slice(0, 3).to_pydict(),
        "joined": table.join(names, "id", join_type="inner").sort_by("id")["name"].to_pylist(),
        "filtered": table.filter(pc.greater(table["value"], 100)).num_rows,
        "ipc": pa.ipc.open_stream(stream.getvalue()).read_all().num_rows,
        "csv": pa.csv.read_csv(io.BytesIO(text.getvalue())).num_rows,
        "quantile": pc.quantile(table["value"], [0.5, 0.9]).to_pylist(),
    }
