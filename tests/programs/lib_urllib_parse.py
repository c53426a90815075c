# urllib.parse: splitting, joining, quoting, queries.
from urllib.parse import parse_qs, parse_qsl, quote, quote_plus, unquote, urlencode, urljoin, urlsplit, urlunsplit

parts = urlsplit("https://user:pw@example.org:8443/a/b;c?q=1&q=two%20words&empty=#frag")
print(parts.scheme, parts.hostname, parts.port, parts.username, parts.path, parts.fragment)
print(parse_qs(parts.query, keep_blank_values=True), parse_qsl("a=1;b=2&c"))
print(quote("a b/ü?"), quote_plus("a b&c"), unquote("%E2%82%AC%20"), urlencode({"k": ["v 1", "v2"], "x": "é"}, doseq=True))
print([urljoin("http://h/a/b/c", rest) for rest in ("d", "../d", "/d", "//other/x", "?q", "#f")])
print(urlunsplit(parts._replace(netloc="example.org", query="")))
try:
    urlsplit("http://h:99999/").port
except ValueError as error:
    print(error)
[parts.geturl(), tuple(parts)]
