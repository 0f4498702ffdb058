"""The way mail leaves is the one the configuration names."""

from abusewatch.config import load
from abusewatch.outbox import Maildir, SmtpTransport
from abusewatch.service.transport import transport_of


def made(tmp_path, mail):
    path = tmp_path / "abusewatch.toml"
    path.write_text(f'[network]\norganisation = "X"\ndomain = "x.example"\n[store]\npath = "state"\n[mail]\n{mail}')
    (tmp_path / "state").mkdir(exist_ok=True)
    return transport_of(load(path))


def test_without_a_smart_host_it_is_a_folder(tmp_path):
    assert isinstance(made(tmp_path, ""), Maildir)


def test_with_one_the_password_comes_from_its_file(tmp_path):
    (tmp_path / "password").write_text("secret\n")
    way = made(tmp_path, 'smarthost = "mx.example"\nport = 587\nusername = "abuse"\npassword_file = "password"\nbounces = "bounces"')
    assert isinstance(way, SmtpTransport)
    assert (way._settings.host, way._settings.port, way._settings.password) == ("mx.example", 587, "secret")
    assert way._seal.verp is not None
