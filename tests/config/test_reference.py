"""docs/configuration.md is what the models say."""

from abusewatch.config.model import Config
from abusewatch.config.reference import reference


def test_the_page_is_the_one_the_models_make(root):
    assert (root / "docs/configuration.md").read_text() == reference()


def test_every_section_and_key_has_a_sentence():
    page = reference()
    for name, field in Config.model_fields.items():
        assert f"[{name}]" in page
        assert field is not None
    assert "| None |" not in page
