"""Alerts look at figures that there are, and say what to do."""

import re
from collections.abc import Iterator
from typing import Any

from fakes.manifests import DEPLOY, Manifests, rendered

ROOT = DEPLOY.parent
OTHERS = {
    # Prometheus' own, of each pod that it asks.
    "up",
    # The Python client's, of each process.
    "process_cpu_seconds_total",
    # Etcd's: https://etcd.io/docs/latest/metrics
    "etcd_disk_wal_fsync_duration_seconds_bucket",
    "etcd_mvcc_db_total_size_in_bytes",
    "etcd_server_has_leader",
    "etcd_server_quota_backend_bytes",
    # kube-state-metrics'.
    "kube_cronjob_created",
    "kube_cronjob_status_last_successful_time",
}
"""Figures that are not ours."""

LABELS = re.compile(r"\{[^}]*\}|\[[^\]]*\]|by \([^)]*\)")
NAME = re.compile(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)+|\bup\b")
FUNCTIONS = {"histogram_quantile"}
SUFFIXES = ("_total", "_bucket", "_sum", "_count")


def alerts(manifests: Manifests) -> Iterator[dict[str, Any]]:
    for rule in manifests.of("PrometheusRule"):
        for group in rule["spec"]["groups"]:
            yield from group["rules"]


def asked(expression: str) -> set[str]:
    """Return the figures that an expression looks at."""
    return set(NAME.findall(LABELS.sub("", expression))) - FUNCTIONS


def ours() -> dict[str, str]:
    """Return the figures that our code gives, by name, with the code around them."""
    found: dict[str, str] = {}
    for path in (*(ROOT / "src").rglob("*.py"), *(ROOT / "services").rglob("*.py")):
        text = path.read_text()
        for match in re.finditer(r'"(holdfast_[a-z_]+)"', text):
            around = text[max(0, match.start() - 200) : match.start()]
            found.setdefault(match[1], around)
    return found


def test_alerts_look_at_figures_that_there_are() -> None:
    """One that looks at nothing is silent for ever."""
    known = ours()
    for alert in alerts(rendered("prod")):
        for name in asked(alert["expr"]):
            bare = name
            for suffix in SUFFIXES:
                bare = bare.removesuffix(suffix)
            assert name in OTHERS or bare in known, (alert["alert"], name)


def test_counters_are_asked_for_as_prometheus_names_them() -> None:
    """With `_total` behind their names, and nothing behind a gauge's."""
    known = ours()
    for alert in alerts(rendered("prod")):
        for name in asked(alert["expr"]) - OTHERS:
            is_counter = (
                "CounterMetricFamily(" in known[name.removesuffix("_total")][-80:]
            )
            assert name.endswith("_total") is is_counter, (alert["alert"], name)


def test_scaling_looks_at_figures_that_there_are() -> None:
    """As the alerts do."""
    queries = [
        trigger["metadata"]["query"]
        for each in rendered("prod").of("ScaledObject")
        for trigger in each["spec"]["triggers"]
        if trigger["type"] == "prometheus"
    ]

    assert queries
    assert set().union(*map(asked, queries)) <= ours().keys()


def anchors() -> set[str]:
    """Return what can be linked to in the runbook."""
    headings = re.findall(
        r"^#+ (.+)$", (ROOT / "docs/runbook.md").read_text(), re.MULTILINE
    )
    return {
        re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-")
        for heading in headings
    }


def test_every_alert_names_an_entry_of_the_runbook() -> None:
    """Which is there."""
    known = anchors()
    for alert in alerts(rendered("prod")):
        path, _, anchor = alert["annotations"]["runbook"].partition("#")
        assert path == "docs/runbook.md"
        assert anchor in known, alert["alert"]


def test_the_runbook_has_every_alert_by_name() -> None:
    """So that who is woken up by one finds it."""
    runbook = (ROOT / "docs/runbook.md").read_text()
    missing = [
        a["alert"] for a in alerts(rendered("prod")) if a["alert"] not in runbook
    ]

    assert missing == []


def test_alerts_say_how_urgent_they_are() -> None:
    """`page` wakes somebody up, `ticket` waits."""
    for alert in alerts(rendered("prod")):
        assert alert["labels"]["severity"] in {"page", "ticket"}
        assert alert["annotations"]["summary"]
