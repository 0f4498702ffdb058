"""What is asked of a daemon over its socket is answered from the setup in force, and a worker that does not move is said to be one."""

from concurrent.futures import Future
from types import SimpleNamespace

import numpy as np
import pytest

from abusewatch.service import answers
from abusewatch.service.answers import Answers
from abusewatch.usage.meter import Minute, Total


class Deaf:
    """An intake whose worker answers nobody."""

    feeds = ()

    def ask(self, _):
        return Future()

    look = ask


class Broken(Deaf):
    """One whose worker has ended."""

    def look(self, _):
        answer = Future()
        answer.set_exception(RuntimeError("the worker has ended"))
        return answer


@pytest.fixture
def daemon(setup_of):
    store = SimpleNamespace(counts=lambda: {"queued": 2}, open_incidents=lambda: [1, 2, 3])
    exceptions = SimpleNamespace(in_force=lambda _: [])
    return SimpleNamespace(setup=setup_of(), store=store, exceptions=exceptions, intake=Deaf(), endpoint_port=9464, problems=lambda: ["it is late"])


async def test_status(daemon):
    told = await Answers(daemon).status()
    assert (told["mode"], told["problems"], told["incidents"], told["outbox"], told["metrics_port"]) == ("shadow", ["it is late"], 3, {"queued": 2}, 9464)
    assert {rule["id"] for rule in told["rules"]} == {rule.id for rule in daemon.setup.rules}


async def test_after_a_reload_the_new_setup_answers(daemon, setup_of):
    asked = Answers(daemon)
    daemon.setup = setup_of('[mail]\nmode = "send"\n')
    assert (await asked.status())["mode"] == "send"


@pytest.mark.parametrize(("offender", "words"), [("nonsense", "is no address"), ("", "is no address"), ("203.0.113.9", "in none of the networks named as ours")])
async def test_an_address_that_cannot_be_explained(daemon, offender, words):
    assert words in (await Answers(daemon).explain({"offender": offender}))["error"]


async def test_a_worker_that_does_not_answer(daemon, monkeypatch):
    monkeypatch.setattr(answers, "ANSWER_SECS", 0.01)
    assert "nobody knows how the exporters are" in (await Answers(daemon).sources())["error"]
    assert "busy or stuck" in (await Answers(daemon).explain({"offender": "198.51.100.7"}))["error"]
    assert "busy or stuck" in (await Answers(daemon).top({}))["error"]


async def test_a_worker_that_has_ended(daemon):
    daemon.intake = Broken()
    assert await Answers(daemon).explain({"offender": "198.51.100.7"}) == {"error": "the worker has ended"}
    assert await Answers(daemon).top({}) == {"error": "the worker has ended"}


async def test_no_rule_of_that_name_is_no_account(daemon):
    assert await Answers(daemon).explain({"offender": "198.51.100.7", "rule": "none"}) == {"accounts": []}


@pytest.mark.parametrize(("words", "said"), [({"by": "peer"}, "top by 'peer'; known: out, in, packets, flows"), ({"lines": "0"}, "from 1 to 1000"), ({"lines": "x"}, "'x'")])
async def test_a_top_that_cannot_be_told(daemon, words, said):
    assert said in (await Answers(daemon).top(words))["error"]


class Counted(Deaf):
    """One whose worker has seen three customers: the busiest last, two of them alike."""

    def look(self, question):
        sums = np.array([[100, 0, 1, 0, 1, 0], [100, 7, 2, 0, 1, 0], [900, 0, 1, 0, 9, 0], [5, 0, 1, 0, 1, 0]], np.uint64)
        minute = Minute(1_767_571_200_000_000, 10.0, Total(np.array([2, 0, 1, -1]), sums))
        inventory = SimpleNamespace(holders=lambda numbers, _: [f"C-{n}" for n in numbers])
        answer = Future()
        answer.set_result(question(SimpleNamespace(meter=SimpleNamespace(minute=lambda: minute), inventory=inventory)))
        return answer


async def test_top(daemon):
    daemon.intake = Counted()
    told = await Answers(daemon).top({"lines": "2"})
    assert (told["until"], told["secs"], told["by"], told["not_shown"]) == ("2026-01-05T00:00:00.000Z", 10.0, "out", 1)
    assert [(one["customer"], one["bits_out_per_sec"]) for one in told["customers"]] == [("C-1", 720.0), ("C-0", 80.0)]
    assert (told["total"]["bits_out_per_sec"], told["total"]["bits_in_per_sec"], told["transit"]["bits_out_per_sec"]) == (880.0, 5.6, 4.0)
    assert [one["customer"] for one in (await Answers(daemon).top({"by": "packets"}))["customers"]] == ["C-0", "C-1", "C-2"]
