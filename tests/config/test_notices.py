"""Settings of notices that cannot be meant so: each is one message that says what is allowed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from pynomaly.config import load_pipeline
from pynomaly.config.spelling.clock import parse_clock, read_days, read_hours
from pynomaly.errors import ConfigError

OPS = {"name": "ops", "url_env": "OPS_URL"}
LEAD = {"name": "lead", "url_env": "LEAD_URL", "roles": ["boss"]}


def write(folder: Path, **blocks: Any) -> Path:
    content = {
        "name": "p",
        "data": {"source": "bundled", "dataset": "breast_cancer"},
        "training": {"candidates": [{"detector": "ecod"}]},
    }
    (folder / "p.yaml").write_text(yaml.safe_dump(content | blocks))
    return folder / "p.yaml"


def notify(*targets: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"notify": {"targets": list(targets or (OPS, LEAD)), **more}}


BAD = [
    (notify({**OPS, "kind": "sms"}), "'apprise', 'pagerduty', 'slack' or 'teams'"),
    (notify({"name": "ops", "kind": "slack"}), "give either url_env or block"),
    (notify({"name": "ops", "kind": "slack", "block": "slack-webhook/ops"}), "kind slack needs url_env"),
    (notify({**OPS, "address": "https://events.eu.pagerduty.com"}), "address is for kind pagerduty"),
    (notify({**OPS, "kind": "pagerduty", "address": "events.pagerduty.com"}), "String should match pattern"),
    (notify({**OPS, "kind": "pagerduty", "digest": {"every": "4h"}}), "are not collected in a digest"),
    (notify(OPS, OPS), "two targets are called 'ops'"),
    (notify(OPS, {**LEAD, "roles": ["ops"]}), "the role 'ops' is also the name of a target"),
    (notify({**OPS, "roles": ["Boss"]}), "String should match pattern"),
    (notify({**OPS, "digest": {"every": "4h", "at": ["08:00"]}}), "give either every or at"),
    (notify({**OPS, "digest": {"every": "5h"}}), "must divide a day"),
    (notify({**OPS, "digest": {"every": "1m"}}), "at least 5m"),
    (notify({**OPS, "digest": {"every": "2d"}}), "must divide a day"),
    (notify({**OPS, "digest": {"at": ["25:00"]}}), "'25:00' is no time of day"),
    (notify({**OPS, "digest": {"at": ["8"]}}), "'8' is no time of day"),
    (notify({**OPS, "digest": {"unless": "grave"}}), "'critical', 'high', 'medium' or 'low'"),
    (notify({**OPS, "quiet": {"hours": "22:00"}}), "write them like '22:00-07:00'"),
    (notify({**OPS, "quiet": {"hours": "22:00-22:00"}}), "begin and end at the same time"),
    (notify({**OPS, "quiet": {"hours": "00:00-24:00"}}), "begin and end at the same time"),
    (notify({**OPS, "quiet": {"days": ["mon-sun"]}}), "they would never end"),
    (notify({**OPS, "quiet": {"days": ["monday"]}}), "'monday' is no day"),
    (notify({**OPS, "quiet": {"days": ["mon-tue-wed"]}}), "'mon-tue-wed' is no day"),
    (notify({**OPS, "quiet": {"days": 7}}), "7 are no days"),
    (notify({**OPS, "quiet": {"until": "07:00"}}), "unknown key 'notify.targets.0.quiet.until'"),
    (notify(routes=[{"to": ["leda"]}]), "no target or role 'leda'; did you mean 'lead'"),
    (notify(routes=[{"severity": "high"}]), "'notify.routes.0.to' is missing"),
    (notify(routes=[{"to": ["ops"], "severity": "grave"}]), "'critical', 'high', 'medium' or 'low'"),
    (notify(routes=[{"to": ["ops"], "kinds": []}]), "at least 1 item"),
    (notify(routes=[{"to": ["ops"], "kinds": ["alarm"]}]), "'alert', 'degraded'"),
    (notify(routes=[{"to": ["ops"], "entity": ""}]), "at least 1 character"),
    (notify(routes=[{"to": ["ops"], "hours": "8-18"}]), "'8' is no time of day"),
    (
        notify({**OPS, "on": ["drill"]}, routes=[{"to": ["ops"], "kinds": ["alert"]}]),
        "none of ops has 'alert' under on",
    ),
    (notify(escalation={"steps": [{"after": "30m", "to": "cto"}]}), "no target or role 'cto'"),
    (notify(escalation={"steps": [{"to": "lead"}]}), "'notify.escalation.steps.0.after' is missing"),
    (notify(escalation={"steps": [{"after": "10s", "to": "lead"}]}), "greater than or equal to"),
    (
        notify(escalation={"steps": [{"after": "2h", "to": "lead"}, {"after": "1h", "to": "ops"}]}),
        "must come later than the one to 'lead'",
    ),
    (
        notify(escalation={"steps": [{"after": "1h", "to": "ops"}, {"after": "2h", "to": "ops"}]}),
        "'ops' is told twice",
    ),
    (
        notify(escalation={"steps": [{"after": "1h", "to": "lead"}, {"after": "2h", "to": "boss"}]}),
        "'lead' is told twice",
    ),
    (notify(timezone="Mars/Base"), "not an IANA time zone"),
    (notify(expire="1m"), "greater than or equal to 1 hour"),
    ({"console": {"url": "console.example.org"}}, "String should match pattern"),
    ({"console": {"runbook": "wiki.example.org"}}, "String should match pattern"),
    ({"console": {"runbook": "https://{entity}.example.org/"}}, "String should match pattern"),
    ({"console": {"runbook": "https://wiki.example.org/{machine}"}}, "{machine} is not put in"),
    ({"console": {"runbook": "https://wiki.example.org/{entity!r}"}}, "is not put in"),
    ({"console": {"runbook": "https://wiki.example.org/{}"}}, "{} is not put in"),
    ({"console": {"runbook": "https://wiki.example.org/}{"}}, "a brace stands alone"),
    ({"console": {"url": "https://me:secret@console.example.org"}}, "String should match pattern"),
    ({"console": {"url": "https://console.example.org?x=1"}}, "String should match pattern"),
]


@pytest.mark.parametrize(("blocks", "message"), BAD, ids=[message[:40] for _, message in BAD])
def test_what_cannot_be_meant_so_is_refused_with_one_message(
    tmp_path: Path, blocks: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        load_pipeline(write(tmp_path, **blocks))
    text = str(caught.value)
    assert message in text
    assert "me:secret" not in text
    assert text.count(" is not allowed: ") + text.count("is missing") + text.count("unknown key") == 1


def test_times_are_read_as_yaml_gives_them(tmp_path: Path) -> None:
    file = write(tmp_path)
    lines = (
        "notify: {targets: [{name: ops, url_env: A, digest: {at: [8:30, 18:00]}, quiet: {days: sat-mon}}]}\n"
    )
    file.write_text(file.read_text() + lines)
    (target,) = load_pipeline(file).notify.targets
    assert target.digest.at == ("08:30", "18:00")
    assert target.quiet.days == ("mon", "sat", "sun")


def test_a_role_names_all_that_have_it_each_once(tmp_path: Path) -> None:
    desk = {"name": "desk", "url_env": "DESK", "roles": ["boss", "all"]}
    pipeline = load_pipeline(write(tmp_path, **notify(OPS, LEAD, desk)))
    names = [item.name for item in pipeline.notify.find_targets(("boss", "all", "desk"))]
    assert names == ["lead", "desk"]


@pytest.mark.parametrize("value", [True, -1, 1440, 8.5, "08:60", "a:b", "", None])
def test_what_is_no_time_of_day(value: object) -> None:
    with pytest.raises(ValueError, match="is no time of day"):
        parse_clock(value)


def test_days_and_hours_as_people_write_them() -> None:
    assert read_days("mon") == ("mon",)
    assert read_days(["Sat - Mon"]) == ("mon", "sat", "sun")
    assert read_days([]) == ()
    assert read_hours("18:00-24:00") == (1080, 0)
