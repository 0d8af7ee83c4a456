"""Pages as a reader and a browser see them."""

import re
from html import unescape

HOSTILE = """<script>alert("x")</script></style>'&{{title}}"""


def text_of(html):
    """What a reader sees, roughly."""
    body = html[html.index("<body>") : html.rindex("<script>")]
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]*>", " ", body)))


def assert_alone(html):
    """The page fetches nothing: no address, no source but data, a policy that forbids the rest, and sound names."""
    assert "http:" not in html
    assert "https:" not in html
    assert "default-src 'none'; img-src data:;" in html
    assert all(source.startswith("data:image/png;base64,") for source in re.findall(r'src="([^"]*)"', html))
    assert all(target.startswith(("#", "data:,")) for target in re.findall(r'href="([^"]*)"', html))
    assert not re.findall(r"@import|url\((?!#)", html)
    names = re.findall(r'\bid="([^"]*)"', html)
    assert len(names) == len(set(names))
    assert set(re.findall(r'(?:href="#|url\(#)([^")]+)', html)) <= set(names)
