"""A value that is not written as it must be is told how."""

from pathlib import Path

import pytest
from pydantic import TypeAdapter, ValidationError

from abusewatch.config import forms
from abusewatch.config.forms import endpoint


@pytest.mark.parametrize(
    ("text", "parts"),
    [("127.0.0.1:2055", ("127.0.0.1", 2055)), ("[::1]:0", ("::1", 0)), ("[2001:DB8::0]:65535", ("2001:db8::", 65535))],
)
def test_endpoints(text, parts):
    assert endpoint(text) == parts


@pytest.mark.parametrize(
    "text", ["", ":", "127.0.0.1", "localhost:1", "::1:1", "[127.0.0.1]:1", "127.0.0.1:65536", "127.0.0.1:-1"]
)
def test_no_endpoints(text):
    with pytest.raises(ValueError, match="ADDRESS:PORT"):
        endpoint(text)


@pytest.mark.parametrize(
    ("form", "text", "words"),
    [
        (forms.Prefix, "198.51.100.1/24", "bits set beyond its length; write 198.51.100.0/24"), (forms.Prefix, "x", "is not a network"),
        (forms.OwnPrefix, "10.0.0.0/7", "none shorter than /8"), (forms.Mailbox, "no-reply@a.example", "cannot receive an answer"),
        (forms.KindName, "login_atack", "did you mean 'login_attack'"), (forms.SeverityName, "zzz", "there are low, medium"),
        (forms.Refused, "a@", "write abuse@one.example or @one.example"), (forms.Zone, "Europe/Atlantis", "there is no time zone"),
        (forms.ExistingPath, "/nowhere/at/all", "does not exist"),
    ],
)  # fmt: skip
def test_what_is_written_otherwise(form, text, words):
    with pytest.raises(ValidationError, match=words):
        TypeAdapter(form).validate_python(text)


def test_a_path_is_found_beside_the_file_that_names_it(tmp_path):
    (tmp_path / "a").touch()
    form, context = TypeAdapter(forms.ExistingPath), {"base": tmp_path}
    assert form.validate_python("a", context=context) == tmp_path / "a"
    assert form.validate_python("/dev/null", context=context) == Path("/dev/null")
