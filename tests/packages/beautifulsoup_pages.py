"""A broken page of 500 rows searched by name, selector and text with two parsers, changed and written again."""
# packages: beautifulsoup4 lxml
# image: text
from bs4 import BeautifulSoup


def work():
    rows = "".join(f"<tr class='r{i % 3}'><td>{i}<td><a href='/item/{i}'>Item &amp; {i}</a>" for i in range(500))
    page = f"<html><head><title>Shop</title><body><table>{rows}</table><p>End<br>of page"
    found = {}
    for kind in ("html.parser", "lxml"):
        soup = BeautifulSoup(page, kind)
        links = [a["href"] for a in soup.select("tr.r1 a[href$='7']")]
        soup.find("table").decompose()
        soup.title.string = "Changed"
        found[kind] = (len(links), links[:2], str(soup), soup.get_text(" ", strip=True))
    return found
