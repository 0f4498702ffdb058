"""What a local file changes, and what it may not."""

from abusewatch.detect.override import overlay

SHIPPED = {
    "id": "x", "status": "observe", "confidence": 0.9, "match": {"window": "5m", "where": "a"},
    "raise": [{"severity": "low", "when": "a > 1"}, {"severity": "high", "when": "a > 9"}, {"severity": "high", "when": "b > 9"}],
}  # fmt: skip


def lay(local, *, promoted=False):
    return overlay(SHIPPED, local, promoted=promoted)


def test_the_same_again_is_no_change():
    laid = lay({"id": "x", "status": "observe", "match": {"window": "5m", "where": "a"}, "raise": [{"severity": "low", "when": "a > 1"}]})
    assert (laid.values, laid.taken, laid.faults) == (SHIPPED, {}, [])


def test_a_threshold_is_found_by_its_severity():
    laid = lay({"raise": [{"severity": "low", "when": "a > 2"}]})
    assert laid.values["raise"][0] == {"severity": "low", "when": "a > 2"}
    assert laid.taken == {"raise.0.when": "raise.0.when"}
    assert SHIPPED["raise"][0]["when"] == "a > 1"


def test_a_severity_that_is_not_there_or_not_alone():
    laid = lay({"raise": [{"severity": "medium", "when": "a > 2"}, {"severity": "high", "when": "a > 2"}, "nonsense"]})
    assert [(path, message.split()[4]) for path, message, _ in laid.faults] == [
        ("raise.0.severity", "no"), ("raise.1.severity", "several"), ("raise.2.severity", "no"),
    ]  # fmt: skip


def test_the_status_goes_down_freely_and_up_by_promotion():
    assert lay({"status": "sandbox"}).values["status"] == "sandbox"
    assert lay({"status": "stable"}).faults[0][0] == "status"
    assert lay({"status": "stable"}, promoted=True).values["status"] == "stable"


def test_a_table_of_the_wrong_kind_is_no_tunable():
    assert [path for path, _, _ in lay({"match": "all", "except": 5, "raise": 5, "title": "new"}).faults] == ["match", "except", "raise", "title"]
