"""Pages as a reader and a browser see them."""

import base64
import gzip
import hashlib
import re
from html import unescape

HOSTILE = """<script>alert("x")</script></style>'&{{title}}"""


def text_of(html):
    """What a reader sees, roughly."""
    body = re.sub(r"<script[^>]*>.*?</script>", "", html[html.index("<body>") : html.index("</footer>")], flags=re.S)
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]*>", " ", body)))


def scripts_of(html):
    """The scripts that a browser runs: that of every page and, with a surface, how the viewer is used, and the viewer."""
    packed = re.findall(r'<script type="text/plain" id="viewer">(.*?)</script>', html)
    viewers = [gzip.decompress(base64.b64decode(script)).decode() for script in packed]
    return re.findall(r"<script>(.*?)</script>", html, flags=re.S) + viewers


def policy_of(html):
    """The content security policy by directive."""
    told = unescape(re.search(r'Content-Security-Policy" content="([^"]*)"', html)[1])
    return {name: sources for name, *sources in (part.split() for part in told.split(";"))}


def assert_alone(html):
    """The page fetches nothing: no address, no source but data, a policy that forbids the rest, and sound names."""
    digests = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts_of(html)]
    assert policy_of(html)["script-src"] == [f"'sha256-{digest}'" for digest in digests]
    assert "http:" not in html
    assert "https:" not in html
    assert "default-src 'none'; img-src data:;" in html
    assert all(source.startswith("data:image/png;base64,") for source in re.findall(r'src="([^"]*)"', html))
    assert all(target.startswith(("#", "data:,")) for target in re.findall(r'href="([^"]*)"', html))
    assert not re.findall(r"@import|url\((?!#)", html)
    names = re.findall(r'\bid="([^"]*)"', html)
    assert len(names) == len(set(names))
    assert set(re.findall(r'(?:href="#|url\(#)([^")]+)', html)) <= set(names)
