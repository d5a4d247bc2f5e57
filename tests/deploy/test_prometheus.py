"""What Prometheus and Alertmanager are given: read by their own tools."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import yaml

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"


@pytest.mark.parametrize(
    "command",
    [
        ("promtool", "check", "config", "prometheus/prometheus.yml"),
        ("promtool", "test", "rules", "prometheus/rules/tests.yml"),
        ("amtool", "check-config", "alertmanager/alertmanager.yml"),
    ],
    ids=lambda command: " ".join(command[:3]),
)
def test_their_own_tools_find_nothing_wrong(command: tuple[str, ...]) -> None:
    done = subprocess.run(command, cwd=DEPLOY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_is_tested() -> None:
    def of(name: str) -> dict[str, list[dict[str, list[dict[str, object]]]]]:
        found: dict[str, list[dict[str, list[dict[str, object]]]]] = yaml.safe_load(
            (DEPLOY / f"prometheus/rules/{name}.yml").read_text()
        )
        return found

    alerts = {rule["alert"] for group in of("alerts.rules")["groups"] for rule in group["rules"]}
    tested = {
        one["alertname"]
        for test in of("tests")["tests"]
        for one in test.get("alert_rule_test", [])
        if one["exp_alerts"]
    }
    assert alerts == tested
