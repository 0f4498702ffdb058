"""How mail leaves by a configuration: to its smart host, signed and with envelope senders of our own, or into a Maildir."""

from abusewatch.config.assemble import dkim_keys, smime_of
from abusewatch.config.load import Credentials
from abusewatch.config.model import Config
from abusewatch.outbox import Maildir, Seal, SmtpSettings, SmtpTransport, Transport, Verp
from abusewatch.storage.keys import key_of


def transport_of(config: Config) -> Transport:
    """Make the transport; OSError when a key or the password cannot be read."""
    mail = config.mail
    if mail.smarthost is None:
        return Maildir(mail.maildir or config.store.path / "maildir")
    return SmtpTransport(
        SmtpSettings(mail.smarthost, mail.port, mail.tls, username=mail.username, password=_password(config)),
        Seal(
            config.sender.rpartition("@")[2],
            dkim_keys(config),
            verp_of(config) if mail.bounces else None,
            smime_of(config),
        ),
    )


def verp_of(config: Config) -> Verp:
    """Make what makes envelope senders."""
    return Verp(key_of(config.store.path, "message-id"), config.network.domain)


def _password(config: Config) -> str | None:
    """Read the password from its own file, or from what systemd handed over."""
    if config.mail.password_file:
        return config.mail.password_file.read_text("utf-8").strip()
    secret = Credentials().smtp_password
    return secret.get_secret_value() if secret else None
