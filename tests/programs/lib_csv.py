# csv: dialects, quoting, DictReader, DictWriter, Sniffer, errors.
import csv
import io

text = 'name,qty,note\r\nWidget,3,"says ""hi"", twice"\r\nGadget,1,"two\nlines"\r\n'
rows = list(csv.DictReader(io.StringIO(text, newline="")))
for row in rows:
    print(row)
out = io.StringIO()
writer = csv.DictWriter(out, ["qty", "name"], extrasaction="ignore", quoting=csv.QUOTE_NONNUMERIC)
writer.writeheader()
writer.writerows(rows)
print(repr(out.getvalue()))
csv.register_dialect("pipes", delimiter="|", quotechar="'", lineterminator="\n")
out = io.StringIO()
csv.writer(out, "pipes").writerows([["a|b", 1, None, 2.5], ["it's", "", "x"]])
print(out.getvalue(), end="")
dialect = csv.Sniffer().sniff("a;b;c\n1;2;3\n4;5;6\n")
print(dialect.delimiter, csv.Sniffer().has_header("name;size\na;1\nb;2\n"))
try:
    next(csv.reader(['"open'], strict=True))
except csv.Error as error:
    print(error)
[list(r.values()) for r in rows] + list(csv.reader(["1,2", "3"]))
