"""A real Postfix of our own on loopback takes both mails over verified STARTTLS and delivers them."""

import asyncio
import os
import shutil
import socket
import subprocess
import tempfile
import time
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from typing import NamedTuple

import pytest

from abusewatch.casework import Casework
from abusewatch.incidents import correlate
from abusewatch.outbox import Delivery, SmtpSettings, SmtpTransport
from abusewatch.reports.compose import Composer
from tests.cases import SECOND, T0, Owners, detection, message
from tests.needs import need, unable
from tests.outbox.servers import Server
from tests.test_casework import BOTH, MIXED, RESOLVER, SETTINGS

pytestmark = pytest.mark.peer

MAIN = """
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
maillog_file = {folder}/log/mail.log
maillog_file_prefixes = {folder}
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
mail_owner = postfix
setgid_group = postdrop
myhostname = mx.test.example
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mydestination =
mynetworks = 127.0.0.0/8
alias_maps =
alias_database =
virtual_mailbox_domains = a.example, b.example, customer.example
virtual_mailbox_base = {folder}/boxes
virtual_mailbox_maps = static:all/
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{gid}
virtual_minimum_uid = 1
smtpd_tls_security_level = encrypt
smtpd_tls_chain_files = {folder}/localhost.pem
import_environment = MAIL_CONFIG
relayhost = [127.0.0.1]:{hop}
smtp_tls_security_level = none
queue_run_delay = 2s
minimal_backoff_time = 2s
maximal_backoff_time = 4s
"""
MASTER = """
127.0.0.1:{port} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
smtp unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
proxymap unix - - n - - proxymap
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""


class Instance(NamedTuple):
    """Where it listens, where its mailboxes lie, where it sends all other mail, and how it is controlled."""

    port: int
    boxes: Path
    hop: int
    command: list


def free_ports():
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as two:
        return one.getsockname()[1], two.getsockname()[1]


@pytest.fixture
def postfix(certificates):
    """A running instance with its own configuration and queue; stopped afterwards."""
    need("postfix")
    if os.geteuid() != 0:
        unable("postfix needs root")
    folder = Path(tempfile.mkdtemp(prefix="abusewatch-postfix-"))
    folder.chmod(0o755)
    owner = subprocess.run(["id", "-u", "postfix"], capture_output=True, text=True, check=True).stdout.strip()
    port, hop = free_ports()
    for name in ("queue", "data", "log", "boxes", "etc"):
        (folder / name).mkdir()
    for name in ("data", "boxes"):
        shutil.chown(folder / name, "postfix", "postfix")
    shutil.copy(certificates / "localhost.pem", folder)
    (folder / "etc" / "main.cf").write_text(MAIN.format(folder=folder, uid=owner, gid=owner, hop=hop))
    (folder / "etc" / "master.cf").write_text(MASTER.format(port=port))
    command = ["/usr/sbin/postfix", "-c", str(folder / "etc")]
    try:
        started = subprocess.run([*command, "start"], capture_output=True, text=True, check=False)
        assert started.returncode == 0, started.stderr
        try:
            wait(lambda: answers(port))
        except AssertionError:
            pytest.fail((folder / "log" / "mail.log").read_text()[-2000:] + started.stderr)
        yield Instance(port, folder / "boxes", hop, command)
    finally:
        subprocess.run([*command, "stop"], capture_output=True, check=False)
        shutil.rmtree(folder, ignore_errors=True)


def answers(port):
    try:
        with socket.create_connection(("127.0.0.1", port), 1) as connection:
            return connection.recv(3) == b"220"
    except OSError:
        return False


def wait(condition, secs=15):
    """Another program works at its own pace; the only place here where time passes by itself."""
    until = time.monotonic() + secs
    while not condition():
        assert time.monotonic() < until, "Postfix did not get there in time"
        time.sleep(0.1)


def delivered(boxes):
    return [message_from_bytes(file.read_bytes(), policy=default) for file in boxes.glob("all/new/*")]


async def test_postfix_takes_and_delivers_both_mails(postfix, certificates, store):
    port, boxes, _, _ = postfix
    store.save(correlate([], [detection(MIXED)], T0, store.next_id))
    Casework(store, Owners(), RESOLVER, Composer(SETTINGS), hold=None).turn(T0)
    composed = {e.message.message_id: e.message for e in store.messages()}
    settings = SmtpSettings("localhost", port, tls="required", ca_file=certificates / "ca.pem", helo="client.example")
    turn = await Delivery(store, SmtpTransport(settings), lambda: T0 + SECOND).turn()
    assert [s.state for _, s in turn.outcomes] == ["sent"] * 3, turn.outcomes
    wait(lambda: len(delivered(boxes)) == 3)
    mails = {mail["Message-ID"]: mail for mail in delivered(boxes)}
    assert set(mails) == set(composed)
    assert sorted(mail["Delivered-To"] or mail["X-Original-To"] for mail in mails.values()) == sorted(recipient for _, recipient in BOTH)
    for ident, mail in mails.items():
        assert mail["To"] == composed[ident].recipient
        assert mail["Subject"] == composed[ident].subject
        assert "ESMTPS" in str(mail["Received"])  # over TLS (RFC 3848)
        assert mail.defects == []


NOTICES = int(os.environ.get("ABUSEWATCH_NOTICES", "60"))
"""A release asks for ten thousand (`ABUSEWATCH_NOTICES=10000`)."""


async def until(condition, secs):
    ends = time.monotonic() + secs
    while not condition():
        assert time.monotonic() < ends, "Postfix did not get there in time"
        await asyncio.sleep(0.2)


async def test_its_next_hop_is_down_it_is_restarted_and_all_arrive_once(postfix, certificates, store):
    """Everything handed over while the next hop is down arrives when it is up, none twice, over a restart of Postfix in between."""
    port, _, hop, command = postfix
    store.enqueue([message(n, f"r{n}@operator.example") for n in range(NOTICES)], None, T0)
    settings = SmtpSettings("localhost", port, tls="required", ca_file=certificates / "ca.pem", helo="client.example")
    delivery = Delivery(store, SmtpTransport(settings), lambda: T0 + SECOND)
    while (await delivery.turn(200)).outcomes:
        pass
    assert store.counts()["sent"] == NOTICES
    for word in ("stop", "start"):
        stopped = await asyncio.create_subprocess_exec(*command, word, stderr=subprocess.DEVNULL)
        await stopped.wait()
    await until(lambda: answers(port), 15)
    server = Server()
    listening = await asyncio.start_server(server.handle, "127.0.0.1", hop, limit=2**22)
    try:
        flushed = await asyncio.create_subprocess_exec("/usr/sbin/postqueue", "-c", command[2], "-f", stderr=subprocess.DEVNULL)
        await flushed.wait()
        await until(lambda: len(server.taken) >= NOTICES, 60 + NOTICES / 20)
        await asyncio.sleep(1)  # for one that would come twice
    finally:
        listening.close()
        for task in server.tasks:
            task.cancel()
        await asyncio.gather(*server.tasks, return_exceptions=True)
    arrived = [message_from_bytes(text)["Message-ID"] for _, text in server.taken]
    assert sorted(arrived) == sorted(message(n).message_id for n in range(NOTICES))
    print(f"notices {NOTICES}, arrived {len(arrived)}, twice {len(arrived) - len(set(arrived))}")  # noqa: T201
