"""Truths: which column is the label, what its words mean, and what else is known only afterwards."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.data.intake.kinds import ROWS, Kind, Kinds, check_kind, draw, flags, list_hours, pick, write_rows

kinds = Kinds()
T = list_hours()


@kinds("tnnxl")
def kinds_of_attack_beside_the_label() -> str:
    attacks = flags(1)
    words = ["DoS" if flag else "Normal" for flag in attacks]
    return write_rows("time,a,b,attack_cat,label", T, draw(1), draw(2), words, attacks)


@kinds("tnnl", meanings={"1": 0, "0": 1})
def one_means_normal() -> str:
    return write_rows("time,a,b,is_normal", T, draw(1), draw(2), [1 - flag for flag in flags(1)])


@kinds("nnl", meanings={"1": 1, "-1": 0})
def minus_one_and_one() -> str:
    return write_rows("s1,s2,Pass/Fail", draw(1), draw(2), [2 * flag - 1 for flag in flags(1)])


@kinds("itnnnl", meanings={"NORMAL": 0, "RECOVERING": 1, "BROKEN": 1})
def pump_with_states() -> str:
    words = [
        "BROKEN" if row % 80 == 79 else "RECOVERING" if row % 80 > 75 else "NORMAL" for row in range(ROWS)
    ]
    return write_rows(",timestamp,sensor_00,sensor_01,sensor_02,machine_status", range(ROWS), T,
                      draw(1), draw(2), draw(3), words)  # fmt: skip


@kinds("tnncl", meanings={"yes": 1, "no": 0})
def a_heater_that_is_on_and_a_failure() -> str:
    failures = ["yes" if flag else "no" for flag in flags(1)]
    return write_rows("time,a,b,heater,failure", T, draw(1), draw(2), pick(1, ["on", "off"]), failures)


@kinds("tnl", meanings={"Normal": 0, "Attack": 1}, settings={"strip_names": True})
def water_plant_with_blanks_in_names() -> str:
    words = ["Attack" if flag else "Normal" for flag in flags(1, 0.1)]
    return write_rows(" Timestamp, FIT101, Normal/Attack", T.strftime("%d/%m/%Y %I:%M:%S %p"), draw(1), words)


@kinds("tnnx")
def three_classes_without_a_normal_one() -> str:
    words = pick(1, ["setosa", "virginica", "versicolor"])
    return write_rows("time,a,b,target", T, draw(1), draw(2), words)


@kinds("tnl", file="A1.csv")
def yahoo_series() -> str:
    return write_rows(
        "timestamp,value,is_anomaly", [1416726000 + 3600 * row for row in range(ROWS)], draw(1), flags(1)
    )


@kinds("tnnlx", settings={"separator": ";"})
def test_bench_with_changepoints() -> str:
    points = [float(row in (50, 90)) for row in range(ROWS)]
    anomalies = [float(50 <= row < 90) for row in range(ROWS)]
    return write_rows(
        "datetime;Current;Pressure;anomaly;changepoint", T, draw(1), draw(2), anomalies, points, mark=";"
    )


@kinds("nccnnnx", settings={"header": False})
def connections_without_a_header() -> str:
    classes = pick(9, ["normal", "neptune"], [0.6, 0.4])
    words = pick(0, [0, 1, 5, 9, 300]), pick(1, ["tcp", "udp"]), pick(2, ["http", "smtp"])
    return write_rows(None, *words, draw(1), draw(2), draw(3), classes)


@kinds("nnnnl", meanings={"BENIGN": 0, "DDoS": 1})
def flows_of_an_intrusion_set() -> str:
    words = pick(4, ["BENIGN", "DDoS"], [0.8, 0.2])
    return write_rows(" Destination Port, Flow Duration, Fwd Packets, Flow Bytes/s, Label",
                      pick(1, [80, 443, 22, 53, 8080]), draw(2), draw(3), draw(5), words)  # fmt: skip


@kinds("innnl")
def credit_cards_by_time() -> str:
    return write_rows(
        '"Time","V1","V2","Amount","Class"',
        range(ROWS),
        draw(1),
        draw(2),
        draw(3),
        [f'"{f}"' for f in flags(1)],
    )


@kinds("nccnl", meanings={"yes": 1, "no": 0})
def bank_campaign() -> str:
    words = [f'"{"yes" if flag else "no"}"' for flag in flags(1, 0.1)]
    jobs, debts = pick(2, ['"admin."', '"services"']), pick(3, ['"yes"', '"no"'], [0.02, 0.98])
    names = '"age";"job";"default";"balance";"y"'
    return write_rows(names, pick(1, range(20, 60)), jobs, debts, draw(2), words, mark=";")


@kinds("tnnx")
def remaining_life_is_no_feature() -> str:
    return write_rows("time,a,b,RUL", T, draw(1), draw(2), range(ROWS, 0, -1))


@kinds("tnnx")
def attacks_known_in_some_rows_alone() -> str:
    return write_rows(
        "DATETIME,L_T1,F_PU1,ATT_FLAG",
        T.strftime("%d/%m/%y %H"),
        draw(1),
        draw(2),
        [1 if f else -999 for f in flags(1)],
    )


@kinds("tnnc")
def good_and_bad_values_of_a_historian() -> str:
    return write_rows(
        "time,a,b,quality", T, draw(1), draw(2), ["Bad" if flag else "Good" for flag in flags(1)]
    )


@kinds("tccn")
def running_and_alarm_are_no_truth() -> str:
    return write_rows(
        "time,running,valve,temp", T, pick(1, [True, False]), pick(2, ["open", "closed"]), draw(1)
    )


@kinds("tnnl")
def ground_truth_by_another_name() -> str:
    return write_rows("time,a,b,ground_truth", T, draw(1), draw(2), flags(1))


@kinds("tnnxl")
def score_of_another_detector() -> str:
    found = flags(1)
    return write_rows("time,a,b,predicted_anomaly,anomaly_label", T, draw(1), draw(2), flags(2), found)


@pytest.mark.parametrize("kind", kinds, ids=str)
def test_truths_are_told(kind: Kind, tmp_path: Path) -> None:
    check_kind(kind, tmp_path)
