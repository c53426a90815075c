# html: escaping, entities and the parser.
import html
from html.parser import HTMLParser


class Links(HTMLParser):
    def __init__(self):
        super().__init__()
        self.links, self.texts = [], []

    def handle_starttag(self, tag, attrs):
        if tag == "a":
            self.links.append(dict(attrs).get("href"))

    def handle_data(self, data):
        if data.strip():
            self.texts.append(data.strip())


print(html.escape("<a href='x'>\"&\"</a>"), html.unescape("&lt;&eacute;&#8364;&#x1F600;&nbsp;&notit;"))
parser = Links()
parser.feed("<p>One <a href='/1?a=1&amp;b=2'>first</a><br/>two <A HREF=/2>second</A><!-- no --> &copy; end")
parser.close()
[parser.links, parser.texts]
