# mimetypes, without the machine's own tables.
import mimetypes

table = mimetypes.MimeTypes(filenames=())
names = ["a.html", "b.tar.gz", "c.JSON", "d.unknown-extension", "e.png", "data:text/plain,hi"]
print([table.guess_type(name) for name in names])
table.add_type("text/x-hyper", ".hyper")
[table.guess_type("f.hyper"), table.guess_extension("text/x-hyper"), ".htm" in table.guess_all_extensions("text/html")]
