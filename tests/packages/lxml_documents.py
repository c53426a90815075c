"""XML parsed, searched by XPath, transformed by XSLT and validated by a schema; broken HTML repaired."""
# packages: lxml
# image: text
from lxml import etree, html

SHEET = """<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">
<xsl:template match="/"><names><xsl:for-each select="//book[price &gt; 90]"><n><xsl:value-of select="title"/></n>
</xsl:for-each></names></xsl:template></xsl:stylesheet>"""
SCHEMA = """<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema"><xs:element name="a" type="xs:int"/></xs:schema>"""


def work():
    books = "".join(
        f"<book id='{i}'><title>Title {i} \u00e9</title><price>{i % 100}</price></book>" for i in range(4000)
    )
    tree = etree.fromstring(f"<shop>{books}</shop>")
    names = etree.XSLT(etree.XML(SHEET))(tree)
    schema = etree.XMLSchema(etree.XML(SCHEMA))
    page = html.fromstring("<p>One<p>Two <b>bold<a href='/x?a=1&b=2'>link</a>")
    try:
        etree.fromstring("<a><b></a>")
    except etree.XMLSyntaxError as error:
        problem = str(error)
    return {
        "cheap": tree.xpath("count(//book[price < 10])"),
        "last": str(tree.xpath("string(//book[last()]/title)")),
        "names": len(names.getroot()),
        "valid": [schema.validate(etree.XML(text)) for text in ("<a>1</a>", "<a>x</a>")],
        "page": html.tostring(page, encoding="unicode"),
        "links": [str(link) for _, _, link, _ in page.iterlinks()],
        "problem": problem,
        "canonical": len(etree.tostring(tree, method="c14n")),
    }
