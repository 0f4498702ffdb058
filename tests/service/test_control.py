"""The local socket answers its commands, outlives nonsense, and is for our group only."""

import asyncio
import json
import stat

import pytest

from abusewatch.service.control import NAME, Control, ControlError, ask, control_path


@pytest.fixture
async def control(tmp_path):
    async def status():
        return {"well": True}

    async def echo(words):
        return {"heard": dict(words)}

    served = Control(tmp_path / NAME, {"status": status}, {"echo": echo})
    await served.start()
    yield tmp_path / NAME
    await served.stop()
    assert not (tmp_path / NAME).exists()


async def test_a_command_is_answered(control):
    assert await asyncio.to_thread(ask, control, "status") == {"well": True}


async def test_a_question_is_given_the_whole_request(control):
    found = await asyncio.to_thread(ask, control, "echo", words={"offender": "192.0.2.1"})
    assert found == {"heard": {"command": "echo", "offender": "192.0.2.1"}}


async def test_only_owner_and_group_may_ask(control):
    assert stat.S_IMODE(control.stat().st_mode) == 0o660


async def test_an_unknown_command_names_the_known(control):
    with pytest.raises(ControlError, match="known: status"):
        await asyncio.to_thread(ask, control, "explode")


@pytest.mark.parametrize("line", [b"{}\n", b"[]\n", b'{"command": 3}\n', b"\xff\n", b"\n", b"{" * 70_000 + b"\n"])
async def test_nonsense_ends_that_talk_only(control, line):
    reader, writer = await asyncio.open_unix_connection(control)
    writer.write(line)
    answer = await reader.readline()
    assert answer == b"" or "error" in json.loads(answer)
    writer.close()
    await writer.wait_closed()
    assert await asyncio.to_thread(ask, control, "status") == {"well": True}


async def test_a_socket_left_behind_is_replaced(tmp_path):
    (tmp_path / NAME).touch()
    served = Control(tmp_path / NAME, {})
    await served.start()
    await served.stop()


def test_nobody_there_is_said(tmp_path):
    with pytest.raises(ControlError, match="no daemon answers"):
        ask(tmp_path / NAME, "status")


def test_the_runtime_folder_of_systemd_comes_first(tmp_path, monkeypatch):
    monkeypatch.delenv("RUNTIME_DIRECTORY", raising=False)
    assert control_path(tmp_path) == tmp_path / NAME
    monkeypatch.setenv("RUNTIME_DIRECTORY", "/run/abusewatch:/run/other")
    assert str(control_path(tmp_path)) == f"/run/abusewatch/{NAME}"
