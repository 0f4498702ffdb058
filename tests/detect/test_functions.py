"""Every function stands in the documentation with its usage."""

from abusewatch.detect.functions import EXTREMES, FLAG_TESTS, MEASURES, SEASONS


def test_the_documentation_lists_every_function(root):
    text = (root / "docs" / "rule-language.md").read_text()
    for function in MEASURES.values():
        assert f"| `{function.usage}` | {function.says} |" in text
    for _, usage, says in FLAG_TESTS.values():
        assert f"| `{usage}` | {says} |" in text
    assert all(f"`{usage}`" in text for usage in EXTREMES.values())
    assert all(f"`{season}`" in text for season in SEASONS)
