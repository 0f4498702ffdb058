"""S/MIME signatures (RFC 8551): a customer's mail program shows that a notice of a break-in is really ours (RFC 6561 5).

Detached, so that who knows nothing of it reads the text as before. Only mail that is text alone is signed: a report for
machines must have multipart/report on top (RFC 5965 2), and readers look for nothing else; those are signed by DKIM.
"""

import base64
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.hazmat.primitives.serialization.pkcs7 import PKCS7Options, PKCS7SignatureBuilder
from cryptography.x509.oid import ExtendedKeyUsageOID

_FIELD = re.compile(rb"[!-9;-~]+:[^\r\n]*(?:\r\n[ \t][^\r\n]*)*\r\n")
_LINE = 76


class SmimeError(ValueError):
    """A certificate or key that cannot sign. Never quotes the key."""


@dataclass(frozen=True, slots=True)
class Smime:
    """A certificate with its key, and those above it that a reader may need."""

    certificate: x509.Certificate
    key: RSAPrivateKey | EllipticCurvePrivateKey = field(repr=False)
    chain: tuple[x509.Certificate, ...] = ()

    def sign(self, raw: bytes) -> bytes:
        """Sign a finished mail (CRLF) whose body is text; any other is given back as it is."""
        block, _, body = raw.partition(b"\r\n\r\n")
        fields = _FIELD.findall(block + b"\r\n")
        inner = [one for one in fields if one.lower().startswith(b"content-")]
        if not any(one.lower().startswith(b"content-type: text/plain") for one in inner):
            return raw
        entity = b"".join(inner) + b"\r\n" + body
        signature = self._detached(entity)
        boundary = b"=_s" + hashlib.sha256(entity).hexdigest()[:32].encode("ascii")
        top = (
            b'Content-Type: multipart/signed; protocol="application/pkcs7-signature"; micalg="sha-256"; boundary="'
            + boundary
            + b'"\r\n'
        )
        outer = b"".join(one for one in fields if one not in inner) + top
        part = (
            b'Content-Type: application/pkcs7-signature; name="smime.p7s"\r\nContent-Transfer-Encoding: base64\r\n'
            b'Content-Disposition: attachment; filename="smime.p7s"\r\n\r\n' + _lines(signature)
        )
        fence = b"--" + boundary
        return b"\r\n".join([outer, fence, entity, fence, part + fence + b"--", b""])

    def _detached(self, entity: bytes) -> bytes:
        builder = PKCS7SignatureBuilder().set_data(entity).add_signer(self.certificate, self.key, hashes.SHA256())
        for one in self.chain:
            builder = builder.add_certificate(one)
        return builder.sign(Encoding.DER, [PKCS7Options.DetachedSignature, PKCS7Options.Binary])


def load(certificate: Path, key: Path, sender: str, now: datetime | None = None) -> Smime:
    """Read a certificate (PEM, with those above it behind it) and its key; SmimeError when they cannot sign for `sender`.

    OSError when a file cannot be read.
    """
    try:
        first, *above = x509.load_pem_x509_certificates(certificate.read_bytes())
    except ValueError:
        raise SmimeError(f"{certificate} is no certificate in PEM") from None
    private = _key(key)
    if _public(private.public_key()) != _public(first.public_key()):
        raise SmimeError(f"the key in {key} is not that of the certificate in {certificate}")
    moment = now or datetime.now(UTC)
    if not first.not_valid_before_utc <= moment < first.not_valid_after_utc:
        raise SmimeError(
            f"the certificate in {certificate} is valid from {first.not_valid_before_utc:%Y-%m-%d} to {first.not_valid_after_utc:%Y-%m-%d}"
        )
    if sender.lower() not in {one.lower() for one in _mailboxes(first)}:
        raise SmimeError(f"the certificate in {certificate} is not for {sender}; mail programs would warn of it")
    if not _for_mail(first):
        raise SmimeError(f"the certificate in {certificate} is not for mail (emailProtection)")
    return Smime(first, private, tuple(above))


def _key(path: Path) -> RSAPrivateKey | EllipticCurvePrivateKey:
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise SmimeError(f"{path} is no private key in PEM without a password") from None
    if not isinstance(key, RSAPrivateKey | EllipticCurvePrivateKey):
        raise SmimeError(f"the key in {path} is neither RSA nor elliptic curve; S/MIME readers know no other")
    return key


def _public(key: object) -> bytes:
    encoded: bytes = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)  # type: ignore[attr-defined]  # every public key has it
    return encoded


def _mailboxes(certificate: x509.Certificate) -> Sequence[str]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return [str(one.value) for one in certificate.subject.get_attributes_for_oid(x509.NameOID.EMAIL_ADDRESS)]
    return names.get_values_for_type(x509.RFC822Name)


def _for_mail(certificate: x509.Certificate) -> bool:
    try:
        usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return True
    return ExtendedKeyUsageOID.EMAIL_PROTECTION in usage


def _lines(data: bytes) -> bytes:
    text = base64.b64encode(data)
    return b"".join(text[at : at + _LINE] + b"\r\n" for at in range(0, len(text), _LINE))
