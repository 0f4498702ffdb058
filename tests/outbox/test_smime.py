"""A signed notice is verified by openssl, read as before by who knows nothing of it, and any change is seen."""

import subprocess
from datetime import UTC, datetime, timedelta
from email import message_from_bytes

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from msgspec.structs import replace

from abusewatch.outbox import Seal
from abusewatch.outbox.dkim import load_key
from abusewatch.outbox.smime import SmimeError, load
from abusewatch.reports.mime import Attachment, build
from tests.cases import message

SENDER = "abuse@provider.example"
NOW = datetime.now(UTC)
HEADERS = [
    ("From", SENDER), ("Sender", SENDER), ("To", "kunde@customer.example"), ("Subject", "[AW-2026-000001] Größe"), ("Date", "Sun, 01 Nov 2026 10:05:13 +0000"),
    ("Message-ID", f"<{'0' * 32}@provider.example>"), ("Auto-Submitted", "auto-generated"),
]  # fmt: skip
TEXT = "Your machine 198.51.100.7\n\n-- \nGrüße\n.\nFrom the start\n" + "x" * 300 + "\n"
NOTICE = build(HEADERS, TEXT, "b")
REPORT = build(HEADERS, TEXT, "b", (("Feedback-Type", "xarf"),), [Attachment("a.json", "application/json", b"{}")])

peer = pytest.mark.needs("openssl")


def certificate(folder, key, mailbox=SENDER, days=30, usage=ExtendedKeyUsageOID.EMAIL_PROTECTION):
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Example Hosting Abuse")])
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(7)
        .not_valid_before(NOW - timedelta(days=1)).not_valid_after(NOW + timedelta(days=days) if days > 0 else NOW - timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.RFC822Name(mailbox)]), critical=False)
        .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256())
    )  # fmt: skip
    (folder / "cert.pem").write_bytes(made.public_bytes(Encoding.PEM))
    (folder / "key.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return folder / "cert.pem", folder / "key.pem"


def keys():
    return {"rsa": rsa.generate_private_key(65537, 2048), "ec": ec.generate_private_key(ec.SECP256R1())}


def verified(folder, raw):
    (folder / "mail.eml").write_bytes(raw)
    command = ["openssl", "cms", "-verify", "-in", str(folder / "mail.eml"), "-CAfile", str(folder / "cert.pem"), "-signer", str(folder / "who.pem"), "-purpose", "smimesign"]
    return subprocess.run(command, capture_output=True, check=False)


@peer
@pytest.mark.parametrize("kind", ["rsa", "ec"])
def test_openssl_verifies_it_and_sees_any_change(tmp_path, kind):
    smime = load(*certificate(tmp_path, keys()[kind]), SENDER)
    signed = smime.sign(NOTICE)
    done = verified(tmp_path, signed)
    assert done.returncode == 0, done.stderr
    assert b"198.51.100.7" in done.stdout
    assert verified(tmp_path, signed.replace(b"198.51.100.7", b"198.51.100.8")).returncode != 0
    assert verified(tmp_path, signed.replace(b"charset", b"Charset")).returncode != 0


@peer
def test_it_survives_a_dkim_signature_above_it(tmp_path):
    smime = load(*certificate(tmp_path, keys()["rsa"]), SENDER)
    dkim = load_key("a", ed25519.Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    sealed = Seal("provider.example", (dkim,), smime=smime)
    raw = sealed.sign(replace(message(1), raw=NOTICE))
    assert raw.startswith(b"DKIM-Signature:")
    assert verified(tmp_path, raw).returncode == 0


def test_a_reader_that_knows_nothing_of_it_reads_the_same(tmp_path):
    signed = load(*certificate(tmp_path, keys()["ec"]), SENDER).sign(NOTICE)
    mail = message_from_bytes(signed)
    assert mail.get_content_type() == "multipart/signed"
    text, signature = mail.get_payload()
    assert text.get_payload(decode=True) == message_from_bytes(NOTICE).get_payload(decode=True)
    assert signature.get_content_type() == "application/pkcs7-signature"
    for name, value in message_from_bytes(NOTICE).items():
        if not name.lower().startswith("content-"):
            assert mail.get_all(name) == [value]
    assert max(map(len, signed.split(b"\r\n"))) <= 998
    assert b"\n" not in signed.replace(b"\r\n", b"")


def test_a_report_for_machines_is_left_as_it_is(tmp_path):
    assert load(*certificate(tmp_path, keys()["ec"]), SENDER).sign(REPORT) == REPORT


@pytest.mark.parametrize(
    ("change", "words"),
    [({"mailbox": "other@provider.example"}, "not for abuse@"), ({"days": 0}, "is valid from"), ({"usage": ExtendedKeyUsageOID.SERVER_AUTH}, "not for mail")],
)
def test_a_certificate_that_readers_would_warn_of_is_refused(tmp_path, change, words):
    with pytest.raises(SmimeError, match=words):
        load(*certificate(tmp_path, keys()["ec"], **change), SENDER)


def test_a_key_that_is_none_or_of_another_is_refused_without_being_shown(tmp_path):
    pem, key = certificate(tmp_path, keys()["ec"])
    other = tmp_path / "other"
    other.mkdir()
    _, strange = certificate(other, keys()["ec"])
    with pytest.raises(SmimeError, match="not that of the certificate"):
        load(pem, strange, SENDER)
    strange.write_text("no key")
    with pytest.raises(SmimeError, match="no private key"):
        load(pem, strange, SENDER)
    with pytest.raises(SmimeError, match="no certificate"):
        load(key, key, SENDER)
    with pytest.raises(SmimeError, match="neither RSA nor"):
        load(*certificate(tmp_path, ed25519.Ed25519PrivateKey.generate()), SENDER)
    assert "PRIVATE" not in repr(load(*certificate(tmp_path, keys()["ec"]), SENDER))
