"""Each alert fires on its fault and on nothing else, and watches metrics that exist."""

import re
import subprocess

import pytest

from abusewatch.telemetry import Telemetry

CALM = {
    "abusewatch_ready": "1+0x90",
    'abusewatch_source_last_received_timestamp_seconds{source="edge"}': "0+60x90",
    'abusewatch_dropped_total{reason="kernel"}': "0+0x90",
    'abusewatch_records_total{source="edge"}': "0+1000x90",
    'abusewatch_exporter_lost_total{source="edge"}': "0+5x90",
    'abusewatch_exporter_restarts_total{source="edge"}': "0+0x43 1x47",
    'abusewatch_rejected_total{reason="template_changed"}': "0+0x90",
    'abusewatch_exporter_clock_ahead_seconds{source="edge"}': "-3+0x90",
    'abusewatch_breaker_open{audience="operator"}': "0+0x90",
    "abusewatch_engine_ends_total": "0+0x90",
    "abusewatch_leak_blocks_total": "0+0x90",
    "abusewatch_store_failures_total": "0+0x90",
    "abusewatch_casework_failures_total": "0+0x90",
    "abusewatch_smtp_attempts_total": "0+5x90",
    'abusewatch_smtp_failures_total{reply="4xx"}': "0+1x90",
    'abusewatch_outbox_messages{state="parked"}': "0+0x90",
    "abusewatch_clock_jumps_total": "0+0x90",
    "abusewatch_reload_failures_total": "0+0x90",
}
FAULTS = {
    "AbusewatchDown": ("abusewatch_ready", "0+0x90"),
    "AbusewatchSourceSilent": ('abusewatch_source_last_received_timestamp_seconds{source="edge"}', "0+0x90"),
    "AbusewatchDropping": ('abusewatch_dropped_total{reason="kernel"}', "0+9x90"),
    "AbusewatchEngineLost": ("abusewatch_engine_ends_total", "0+1x90"),
    "AbusewatchExporterLoss": ('abusewatch_exporter_lost_total{source="edge"}', "0+20x90"),
    "AbusewatchExporterStrange": ('abusewatch_rejected_total{reason="template_changed"}', "0+1x90"),
    "AbusewatchExporterClock": ('abusewatch_exporter_clock_ahead_seconds{source="edge"}', "-3600+0x90"),
    "AbusewatchBreakerOpen": ('abusewatch_breaker_open{audience="operator"}', "1+0x90"),
    "AbusewatchLeakBlocked": ("abusewatch_leak_blocks_total", "0+1x90"),
    "AbusewatchNotSaving": ("abusewatch_store_failures_total", "0+1x90"),
    "AbusewatchMailNotTaken": ('abusewatch_smtp_failures_total{reply="4xx"}', "0+5x90"),
    "AbusewatchMailStuck": ('abusewatch_outbox_messages{state="parked"}', "2+0x90"),
    "AbusewatchClockJumped": ("abusewatch_clock_jumps_total", "0+1x90"),
    "AbusewatchReloadRefused": ("abusewatch_reload_failures_total", "0+1x90"),
}


def test_every_metric_watched_exists(root):
    text = (root / "systemd/prometheus-alerts.yml").read_text()
    real = Telemetry().exposition().decode()
    for name in set(re.findall(r"abusewatch_\w+", text)):
        assert f"# TYPE {name} " in real, name
    assert set(re.findall(r"alert: (\w+)", text)) == set(FAULTS)


@pytest.mark.peer
@pytest.mark.needs("promtool")
def test_each_fault_fires_its_alert_and_no_other(root, tmp_path):
    lines = [f"rule_files: ['{root / 'systemd/prometheus-alerts.yml'}']", "evaluation_interval: 1m", "tests:"]
    for alert, (series, values) in {"": ("", ""), **FAULTS}.items():
        lines += ["  - interval: 1m", "    input_series:"]
        for name, calm in (CALM | ({series: values} if series else {})).items():
            lines += [f"      - series: '{name}'", f"        values: '{calm}'"]
        lines += ["    promql_expr_test:", "      - expr: count by (alertname) (ALERTS{alertstate='firing'})", "        eval_time: 75m" if alert == "AbusewatchMailStuck" else "        eval_time: 45m"]
        lines += ["        exp_samples:", f"          - labels: '{{alertname=\"{alert}\"}}'", "            value: 1"] if alert else []
    path = tmp_path / "alerts.yml"
    path.write_text("\n".join(lines) + "\n")
    done = subprocess.run(["promtool", "test", "rules", path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
