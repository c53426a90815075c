"""Data analysis with a mounted file and a plot: what a model would write to answer a question about a table.

    python examples/codeact_data_analysis.py [DIRECTORY]

The code reads /data/sensors.csv, which is on the host, prints a table, and writes a plot as SVG and the table as CSV to
/output. They come back with the result, and are written to DIRECTORY if one is given. The plot is drawn by plain
Python: the image of this example has the standard library alone. No model is needed.
"""

import csv
import math
import sys
import tempfile
from pathlib import Path

from hypercell.codeact import ExecuteCodeTool

CODE = """\
import csv, statistics

by_sensor = {}
with open("/data/sensors.csv") as file:
    for row in csv.DictReader(file):
        by_sensor.setdefault(row["sensor"], []).append((int(row["hour"]), float(row["celsius"])))

with open("/output/summary.csv", "w", newline="") as file:
    writer = csv.writer(file)
    writer.writerow(["sensor", "mean", "highest", "at_hour"])
    for sensor, points in sorted(by_sensor.items()):
        hour, highest = max(points, key=lambda point: point[1])
        mean = statistics.mean(celsius for _, celsius in points)
        writer.writerow([sensor, f"{mean:.1f}", highest, hour])
        print(f"{sensor:8} mean {mean:5.1f}, highest {highest:5.1f} at {hour:02}:00")

colours = ["#1f77b4", "#d62728", "#2ca02c"]
low = min(celsius for points in by_sensor.values() for _, celsius in points)
high = max(celsius for points in by_sensor.values() for _, celsius in points)
lines = []
for colour, (sensor, points) in zip(colours, sorted(by_sensor.items())):
    path = " ".join(f"{40 + hour * 20},{260 - (celsius - low) / (high - low) * 220:.1f}" for hour, celsius in points)
    lines.append(f'<polyline fill="none" stroke="{colour}" points="{path}"><title>{sensor}</title></polyline>')
with open("/output/plot.svg", "w") as file:
    file.write(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 520 300">{"".join(lines)}</svg>')

max((celsius, sensor, hour) for sensor, points in by_sensor.items() for hour, celsius in points)
"""


def write_table(path: Path) -> None:
    """Writes a day of three sensors."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["sensor", "hour", "celsius"])
        for number, sensor in enumerate(["attic", "cellar", "kitchen"]):
            for hour in range(24):
                celsius = 15 + 5 * number + 6 * math.sin((hour - 9 - number) / 24 * 2 * math.pi)
                writer.writerow([sensor, hour, f"{celsius:.1f}"])


def main() -> int:
    """Runs the block once and returns the exit status."""
    with tempfile.TemporaryDirectory() as directory:
        write_table(Path(directory) / "sensors.csv")
        tool = ExecuteCodeTool(file_mounts=[(directory, "/data")])
        result = tool.execute_code_sync(CODE)
    print(result.render())
    for file in result.files:
        if len(sys.argv) > 1 and file.data is not None:
            (Path(sys.argv[1]) / file.path).write_bytes(file.data)
    types = {file.path: file.media_type for file in result.files}
    is_right = result.value == (31.0, "kitchen", 17) and types == {
        "plot.svg": "image/svg+xml",
        "summary.csv": "text/csv",
    }
    return 0 if is_right else 1


if __name__ == "__main__":
    sys.exit(main())
