"""Slow, obvious versions of every formula of ours: what the fast ones are tested against."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

# --- detectors ---------------------------------------------------------------------------------------


def ecod_score(fitted: list[list[float]], row: list[float], both=max) -> float:
    """ECOD of one row against frozen rows, the row counting as one more value of its own."""
    total, n = 0.0, len(fitted)
    for place, cell in enumerate(row):
        column = [other[place] for other in fitted]
        left = -math.log((sum(value <= cell for value in column) + 1) / (n + 1))
        right = -math.log((sum(value >= cell for value in column) + 1) / (n + 1))
        mean = sum(column) / n
        skew = sum((value - mean) ** 3 for value in column) if max(column) > min(column) else 0.0
        skewed = left + right if skew == 0 else right if skew > 0 else left
        total += max(skewed, both(left, right))
    return total


def copod_score(fitted: list[list[float]], row: list[float]) -> float:
    """COPOD likewise: the mean of both tails in place of the rarer one."""
    return ecod_score(fitted, row, both=lambda left, right: (left + right) / 2)


def nearest(fitted: list[list[float]], row: list[float], k: int) -> list[tuple[float, int]]:
    """The k nearest rows as (distance, place), nearest first."""
    return sorted((math.dist(other, row), place) for place, other in enumerate(fitted))[:k]


def lof_score(fitted: list[list[float]], row: list[float], k: int) -> float:
    """Local outlier factor of a new row, by its definition."""

    def around(place: int) -> list[tuple[float, int]]:
        return [pair for pair in nearest(fitted, fitted[place], k + 1) if pair[1] != place][:k]

    reach = [around(place)[-1][0] for place in range(len(fitted))]

    def density(neighbours: list[tuple[float, int]]) -> float:
        return 1 / (sum(max(distance, reach[place]) for distance, place in neighbours) / k + 1e-10)

    mine = nearest(fitted, row, k)
    return sum(density(around(place)) for _, place in mine) / k / density(mine)


def network(layers: list[tuple[list[list[float]], list[float]]], row: list[float]) -> list[float]:
    """What a chain of tanh layers, the last one linear, makes of one row."""
    for place, (weights, bias) in enumerate(layers):
        row = [sum(cell * weights[i][j] for i, cell in enumerate(row)) + bias[j] for j in range(len(bias))]
        if place < len(layers) - 1:
            row = [math.tanh(cell) for cell in row]
    return row


# --- judging and sketches -----------------------------------------------------------------------------


def share_up_to(values: Iterable[float], point: float, strict: bool) -> float:
    """Share of values at most (`strict`: less than) `point`, counted one by one."""
    listed = list(values)
    return sum(1 for value in listed if value < point or (not strict and value == point)) / len(listed)


def average_precision(truth: Sequence[int], scores: Sequence[float]) -> float:
    """Mean over the anomalies of the precision among the rows scored at least as high."""
    found = []
    for label, score in zip(truth, scores, strict=True):
        if label == 1:
            above = [other for other, value in zip(truth, scores, strict=True) if value >= score]
            found.append(sum(above) / len(above))
    return sum(found) / len(found)


def roc_auc(truth: Sequence[int], scores: Sequence[float]) -> float:
    """Share of pairs (anomaly, normal row) in the right order, ties counted half."""
    wins = pairs = 0.0
    for label, score in zip(truth, scores, strict=True):
        for other, value in zip(truth, scores, strict=True):
            if label == 1 and other == 0:
                pairs += 1
                wins += 1.0 if score > value else 0.5 if score == value else 0.0
    return wins / pairs


def holm(p_values: Sequence[float]) -> list[float]:
    """Smallest level at which Holm's step-down procedure rejects each hypothesis."""
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    result = [0.0] * len(p_values)
    worst = 0.0
    for rank, i in enumerate(order):
        worst = max(worst, (len(p_values) - rank) * p_values[i])
        result[i] = min(1.0, worst)
    return result


def binomial_upper(hits: int, rows: int, rate: float) -> float:
    """Chance of at least `hits`, term by term."""
    return sum(math.comb(rows, k) * rate**k * (1 - rate) ** (rows - k) for k in range(hits, rows + 1))
