"""Asking the explainer: of small scenarios (`account`), and of whole inputs as the command does (`explained`)."""

from functools import partial

from abusewatch.cli.judge import judge
from abusewatch.detect.explain import Explainer
from tests import scenarios as s
from tests.flows import flows


def engine_of(offender):
    """What makes the engine of a pipeline, and the list in which it will stand."""
    made = []

    def engine(*arguments):
        made.append(partial(Explainer, *arguments, offender=offender)())
        return made[-1]

    return engine, made


def account(rule, *lines, batch=None, offender=s.OWN, roles=(), rules=None):
    """What a rule made of an address."""
    engine, made = engine_of(offender)
    wanted = [each for each in s.shipped() if each.id == rule] if rules is None else rules
    spine = s.pipeline(lambda _: None, roles=roles, rules=wanted, engine=engine)
    spine.feed(flows(*lines) if batch is None else batch)
    spine.flush()
    (found,) = [each for each in made[0].accounts() if each.rule == rule]
    return found


def explained(batches, rules, inventory, offender):
    """The verdict of the engine that explains, and its accounts."""
    engine, made = engine_of(offender)
    verdict = judge(iter(batches), rules, inventory, engine=engine)
    return verdict, made[0].accounts()
