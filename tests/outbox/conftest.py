"""Certificates of an authority of our own, and a store on disk."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from abusewatch.retention import limits
from abusewatch.storage import SqliteStore


@pytest.fixture
def store(tmp_path):
    made = SqliteStore(tmp_path / "state" / "abusewatch.db", limits())
    yield made
    made.close()


@pytest.fixture(scope="session")
def certificates(tmp_path_factory):
    """ca.pem and, signed by it, localhost.pem and other.example.pem (key and certificate)."""
    folder = tmp_path_factory.mktemp("certificates")
    authority = ec.generate_private_key(ec.SECP256R1())
    ca = signed("Test authority", authority, None, authority, ca=True)
    (folder / "ca.pem").write_bytes(ca.public_bytes(serialization.Encoding.PEM))
    for name in ("localhost", "other.example"):
        key = ec.generate_private_key(ec.SECP256R1())
        pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        (folder / f"{name}.pem").write_bytes(pem + signed(name, key, ca, authority).public_bytes(serialization.Encoding.PEM))
    return folder


def signed(name, key, issuer, authority, *, ca=False):
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(issuer.subject if issuer else subject, subject, key.public_key(), x509.random_serial_number(), now - timedelta(days=1), now + timedelta(days=1))
    builder = builder.add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    builder = builder.add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.public_key()), critical=False)
    if not ca:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
    else:
        builder = builder.add_extension(x509.KeyUsage(*[n in {5, 6} for n in range(9)]), critical=True)
    return builder.sign(authority, hashes.SHA256())
