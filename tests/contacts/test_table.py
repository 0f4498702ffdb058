"""The operator's table says all its faults at once, each with file and line."""

import pytest

from abusewatch.contacts import ContactsError, load


def write(tmp_path, text, encoding="utf-8"):
    path = tmp_path / "contacts.csv"
    path.write_bytes(text.encode(encoding))
    return path


def test_reads_both_families_comments_and_networks_not_to_be_mailed(tmp_path):
    table = load(write(tmp_path, '\ufeffprefix,name,contact\n# ours\n203.0.113.0/24, "Example, Inc.", abuse@a.example\n\n2001:db8::/32,B,noc@b.example\n192.0.2.1,C,\n'))
    assert [(str(e.network), e.name, e.email) for e in table.entries] == [
        ("203.0.113.0/24", "Example, Inc.", "abuse@a.example"), ("2001:db8::/32", "B", "noc@b.example"), ("192.0.2.1/32", "C", None),
    ]  # fmt: skip
    assert table.lookup("2001:db8:1::1").name == "B"
    assert table.lookup("9.9.9.9") is None


def test_all_faults_at_once(tmp_path):
    path = write(
        tmp_path,
        "prefix,name,contact\n"
        "203.0.113.9/24,A,abuse@a.example\n"
        "nonsense,B,abuse@b.example\n"
        "192.0.2.0/24,,a@b.example victim@c.example\n"
        "198.18.0.0/15,D\n"
        "0.0.0.0/0,World,abuse@w.example\n"
        "66.0.0.0/8,E,abuse@e.example\n"
        "66.0.0.0/8,F,abuse@f.example\n"
        ",G,abuse@g.example\n"
        "fe80::1%eth0,H,abuse@h.example\n",
    )
    with pytest.raises(ContactsError) as error:
        load(path)
    faults = error.value.faults
    lines = [int(f.removeprefix(f"{path}:").partition(":")[0]) for f in faults]
    assert lines == sorted(lines)
    assert set(lines) == {2, 3, 4, 5, 6, 8, 9, 10}
    text = str(error.value)
    for part in ("did you mean 203.0.113.0/24?", "'nonsense'", "printable", "no host name", "2 cells", "wider than /8", "already on line 7", "no prefix"):
        assert part in text
    assert "victim" not in text


@pytest.mark.parametrize("text", ["", "\n", "network,owner,mail\n1.2.3.0/24,A,a@b.example\n", "prefix,name\n"])
def test_a_file_without_the_header_is_refused(tmp_path, text):
    with pytest.raises(ContactsError, match="header prefix,name,contact"):
        load(write(tmp_path, text))


@pytest.mark.parametrize("text", ['prefix,name,contact\n"203.0.113.0/24,A,a@b.example\n', "prefix,name,contact\n203.0.113.0/24,A\x00,a@b.example\n"])
def test_broken_csv_is_a_fault_not_a_traceback(tmp_path, text):
    with pytest.raises(ContactsError):
        load(write(tmp_path, text))


def test_bytes_that_are_no_text(tmp_path):
    with pytest.raises(ContactsError, match="not UTF-8"):
        load(write(tmp_path, "prefix,name,contact\n203.0.113.0/24,Ä,a@b.example\n", "latin-1"))
