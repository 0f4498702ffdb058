"""The page of rules is the one the rule files make, and leaves none out."""


def test_the_page_in_docs_is_current(abusewatch, root):
    ran = abusewatch("rules", "page")
    assert ran.code == 0
    assert ran.out == (root / "docs/rules.md").read_text(), "run: abusewatch rules page > docs/rules.md"


def test_every_rule_has_its_section_with_a_reason(abusewatch, root):
    page = abusewatch("rules", "page").out
    for file in root.glob("rules/*.toml"):
        section = page.partition(f"\n## {file.stem}\n")[2].split("\n## ")[0]
        assert " when `" in section
        assert "- resembles: " in section
