"""What a customer may write into his case: so much, and plain text only. No code that writes mail reads notes."""

import re

LONGEST = 2000
MOST = 100
"""Notes of one case, whoever wrote them, beyond which no more are taken from outside."""

_LINE_END = re.compile(r"\r\n?|[\u2028\u2029]")


def plain(text: str) -> str:
    """Take control characters, invisible marks and directions of writing out of a text; line ends stay, as line feeds."""
    lines = _LINE_END.sub("\n", text).replace("\t", " ")
    return "".join(c for c in lines if c == "\n" or c.isprintable()).strip()
