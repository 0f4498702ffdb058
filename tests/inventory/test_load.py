"""The inventory files: what they may hold, and all faults at once with their line."""

import pytest

from abusewatch.inventory import InventoryError, load, of_prefixes

GOOD = """
[[customer]]
id = "C-1042"
prefixes = ["198.51.100.0/28", "2001:db8:42::/48"]
contacts = ["security@customer.example"]
language = "en"
roles = ["mail_server"]
valid_from = 2025-03-01
"""


def write(tmp_path, text, name="inventory.toml"):
    path = tmp_path / name
    path.write_text(text)
    return path


def test_toml(tmp_path):
    (customer,) = load(write(tmp_path, GOOD)).customers
    assert customer.id == "C-1042"
    assert customer.prefixes == ("198.51.100.0/28", "2001:db8:42::/48")
    assert customer.roles == ("mail_server",)
    assert str(customer.valid_from) == "2025-03-01"


def test_csv(tmp_path):
    text = "id,prefix,contact,language,roles,valid_from,valid_to\nC-1,198.51.100.0/28,a@b.example,de,mail_server;monitor,2025-03-01,\nC-1,2001:db8::/48,,,,,\n"
    one, two = load(write(tmp_path, text, "i.csv")).customers
    assert one.roles == ("mail_server", "monitor")
    assert (two.id, two.prefixes, two.language) == ("C-1", ("2001:db8::/48",), "en")


def test_all_faults_at_once_with_their_line(tmp_path):
    text = """[[customer]]
id = "C-1"
prefixes = ["198.51.100.7/28"]
roles = ["mail_srever"]
valid_from = 2026-01-02
valid_to = 2026-01-01

[[customer]]
prefixes = ["0.0.0.0/0"]
contact = ["x"]
contacts = ["nobody"]
"""
    path = write(tmp_path, text)
    with pytest.raises(InventoryError) as caught:
        load(path)
    faults = "\n".join(caught.value.faults)
    for expected in (
        f"{path}:1: prefix '198.51.100.7/28': 198.51.100.7/28 has host bits set",
        f"{path}:1: unknown role 'mail_srever'; did you mean 'mail_server'?",
        f"{path}:1: valid_from 2026-01-02 is after valid_to 2026-01-01",
        f"{path}:8: a customer needs an id",
        f"{path}:8: prefix '0.0.0.0/0' is the whole Internet",
        f"{path}:8: unknown key 'contact'; did you mean 'contacts'?",
        f"{path}:8: contact 'nobody' is no e-mail address",
    ):
        assert expected in faults


def test_one_prefix_has_one_owner_at_a_time(tmp_path):
    text = '[[customer]]\nid = "A"\nprefixes = ["198.51.100.0/28"]\n[[customer]]\nid = "B"\nprefixes = ["198.51.100.0/28"]\n'
    with pytest.raises(InventoryError, match="belongs to 'A' at the same time"):
        load(write(tmp_path, text))


def test_ownership_may_change_hands(tmp_path):
    text = '[[customer]]\nid = "A"\nprefixes = ["198.51.100.0/28"]\nvalid_to = 2025-12-31\n[[customer]]\nid = "B"\nprefixes = ["198.51.100.0/28"]\nvalid_from = 2026-01-01\n'
    assert len(load(write(tmp_path, text)).customers) == 2


@pytest.mark.parametrize(("text", "expected"), [("[[customer]\n", "i.toml:1: not TOML"), ("", "no customer in it"), ("customers = 1\n", "unknown table 'customers'")])
def test_what_is_no_inventory_says_so(tmp_path, text, expected):
    with pytest.raises(InventoryError, match=expected):
        load(write(tmp_path, text, "i.toml"))


def test_a_wrong_csv_header_is_one_clear_line(tmp_path):
    with pytest.raises(InventoryError, match=r"i\.csv:1: header: missing prefix"):
        load(write(tmp_path, "id,net\nC-1,198.51.100.0/28\n", "i.csv"))


def test_own_prefixes_are_checked():
    with pytest.raises(InventoryError, match="--own nonsense"):
        of_prefixes(["nonsense"])


def test_a_port_is_an_exporter_and_an_interface(tmp_path):
    text = '[[customer]]\nid = "A"\nprefixes = ["198.51.100.0/28"]\nports = ["192.0.2.1:17", "192.0.2.1#18", "[2001:db8::1]:4", "2001:db8::1#5"]\n'
    ports = load(write(tmp_path, text)).ports
    assert ports == dict.fromkeys(("192.0.2.1#17", "192.0.2.1#18", "2001:db8::1#4", "2001:db8::1#5"), "A")


@pytest.mark.parametrize("port", ["192.0.2.1", "17", "192.0.2.1:eth0", ":17"])
def test_what_is_no_port_says_so(tmp_path, port):
    text = f'[[customer]]\nid = "A"\nprefixes = ["198.51.100.0/28"]\nports = ["{port}"]\n'
    with pytest.raises(InventoryError, match="SNMP index"):
        load(write(tmp_path, text))
