# csv, zip, tar and gzip files: written, appended, listed and read back.
import csv
import gzip
import os
import tarfile
import tempfile
import zipfile

os.chdir(tempfile.mkdtemp())
rows = [{"name": f"row {n}", "value": n * 1.5, "note": 'with "quotes", commas\nand lines'} for n in range(2000)]
with open("table.csv", "w", newline="") as f:
    writer = csv.DictWriter(f, ["name", "value", "note"])
    writer.writeheader()
    writer.writerows(rows)
with open("table.csv", newline="") as f:
    read = list(csv.DictReader(f))
print(len(read), read[1999], sum(float(row["value"]) for row in read), os.path.getsize("table.csv"))
with zipfile.ZipFile("archive.zip", "w", zipfile.ZIP_DEFLATED) as z:
    z.write("table.csv")
    z.writestr("inner/text.txt", "text")
with zipfile.ZipFile("archive.zip", "a") as z:
    z.writestr("later", b"\x00" * 100_000)
with zipfile.ZipFile("archive.zip") as z:
    print(z.namelist(), z.testzip(), z.getinfo("later").file_size, zipfile.is_zipfile("archive.zip"))
    with z.open("table.csv") as f:
        print(f.readline(), f.read(10))
    z.extractall("out")
print(sorted(os.listdir("out")), open("out/inner/text.txt").read())
with tarfile.open("archive.tar.gz", "w:gz") as t:
    t.add("out", arcname="packed")
with tarfile.open("archive.tar.gz") as t:
    print(sorted(t.getnames()), t.extractfile("packed/inner/text.txt").read())
with gzip.open("text.gz", "wt") as f:
    f.writelines(f"line {n}\n" for n in range(1000))
with gzip.open("text.gz", "rt") as f:
    f.readline()
    print(f.readline(), sum(1 for _ in f))
os.path.getsize("out/later")
