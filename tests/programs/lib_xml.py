# xml: ElementTree, minidom and SAX over one document, and what is refused.
import io
import xml.dom.minidom
import xml.etree.ElementTree as ET
import xml.sax

text = """<?xml version="1.0"?>
<shop xmlns:x="urn:extra"><item id="1" x:tag="new">Widget &amp; Co</item><item id="2"><![CDATA[<raw>]]></item><!-- end --></shop>"""
root = ET.fromstring(text)
print(root.tag, [(i.get("id"), i.text) for i in root.iter("item")], root.find("item").attrib)
ET.SubElement(root, "item", id="3").text = "ünïcode"
ET.indent(root)
print(ET.tostring(root, encoding="unicode"))
print(root.findall("./item[@id='2']")[0].text, ET.tostring(root)[:6])
print(xml.dom.minidom.parseString(text).getElementsByTagName("item")[1].firstChild.data)


class Collector(xml.sax.ContentHandler):
    def __init__(self):
        super().__init__()
        self.events = []

    def startElement(self, name, attrs):
        self.events.append((name, dict(attrs)))


collector = Collector()
xml.sax.parseString(text, collector)
print(collector.events)
events = [(event, element.tag) for event, element in ET.iterparse(io.BytesIO(text.encode()), ("start", "end"))]
for bad in ("<a><b></a>", "", "<a>&nope;</a>"):
    try:
        ET.fromstring(bad)
    except ET.ParseError as error:
        print(error)
events
