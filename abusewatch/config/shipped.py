"""Where the rules and captures that come with the program lie: inside the installed package, or beside it in a checkout."""

from pathlib import Path

import abusewatch

PACKAGE = Path(abusewatch.__file__).parent


def shipped(name: str) -> Path:
    """Find a shipped folder, `rules` or `captures`."""
    installed = PACKAGE / "_shipped" / name
    return installed if installed.is_dir() else PACKAGE.parent / name
