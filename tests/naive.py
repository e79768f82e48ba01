"""Slow, obvious versions of every formula of the project; tests compare the fast versions with them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, time, timedelta
from fractions import Fraction
from itertools import combinations, pairwise
from typing import Any

# --- detectors ---------------------------------------------------------------------------------------


def ecod_score(fitted: list[list[float]], row: list[float], both=max) -> float:
    """Returns the ECOD score of one row against frozen rows; the row itself counts as one more value."""
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
    """Returns the COPOD score of one row: like ECOD, with the mean of both tails instead of the rarer one."""
    return ecod_score(fitted, row, both=lambda left, right: (left + right) / 2)


def find_nearest_rows(fitted: list[list[float]], row: list[float], k: int) -> list[tuple[float, int]]:
    """Returns the k nearest rows as (distance, place), nearest first."""
    return sorted((math.dist(other, row), place) for place, other in enumerate(fitted))[:k]


def lof_score(fitted: list[list[float]], row: list[float], k: int) -> float:
    """Returns the local outlier factor of a new row, by its definition."""

    def neighbours_of(place: int) -> list[tuple[float, int]]:
        return [pair for pair in find_nearest_rows(fitted, fitted[place], k + 1) if pair[1] != place][:k]

    reach = [neighbours_of(place)[-1][0] for place in range(len(fitted))]

    def density(neighbours: list[tuple[float, int]]) -> float:
        return 1 / (sum(max(distance, reach[place]) for distance, place in neighbours) / k + 1e-10)

    row_neighbours = find_nearest_rows(fitted, row, k)
    return sum(density(neighbours_of(place)) for _, place in row_neighbours) / k / density(row_neighbours)


def apply_network(layers: list[tuple[list[list[float]], list[float]]], row: list[float]) -> list[float]:
    """Returns the output of a chain of tanh layers, the last one linear, for one row."""
    for place, (weights, bias) in enumerate(layers):
        row = [sum(cell * weights[i][j] for i, cell in enumerate(row)) + bias[j] for j in range(len(bias))]
        if place < len(layers) - 1:
            row = [math.tanh(cell) for cell in row]
    return row


def shapley_values(value: Callable[[frozenset[int]], float], players: int) -> list[float]:
    """Shapley values by their definition: every subset of the others, weighed by how often it comes first."""
    values = []
    for one in range(players):
        others = [player for player in range(players) if player != one]
        total = 0.0
        for size in range(players):
            weight = math.factorial(size) * math.factorial(players - size - 1) / math.factorial(players)
            for coalition in combinations(others, size):
                total += weight * (value(frozenset({*coalition, one})) - value(frozenset(coalition)))
        values.append(total)
    return values


def mean_depth_with_known(tree, columns: list[int], row: list[float], known: frozenset[int], extra) -> float:
    """Returns the mean depth at which a scikit-learn tree isolates `row` if only `known` columns are used."""

    def below(node: int, depth: int) -> float:
        left, right = tree.children_left[node], tree.children_right[node]
        if left == -1:
            return depth + extra(tree.n_node_samples[node])
        column = columns[tree.feature[node]]
        if column in known:
            return below(left if row[column] <= tree.threshold[node] else right, depth + 1)
        shares = [tree.n_node_samples[side] / tree.n_node_samples[node] for side in (left, right)]
        return shares[0] * below(left, depth + 1) + shares[1] * below(right, depth + 1)

    return below(0, 0)


# --- judging and sketches -----------------------------------------------------------------------------


def share_up_to(values: Iterable[float], point: float, strict: bool) -> float:
    """Share of values at most (`strict`: less than) `point`, counted one by one."""
    listed = list(values)
    return sum(1 for value in listed if value < point or (not strict and value == point)) / len(listed)


def average_precision(truth: Sequence[int], scores: Sequence[float]) -> float:
    """Mean over the anomalies of the precision among the rows scored at least as high."""
    precisions = []
    for label, score in zip(truth, scores, strict=True):
        if label == 1:
            labels_above = [other for other, value in zip(truth, scores, strict=True) if value >= score]
            precisions.append(sum(labels_above) / len(labels_above))
    return sum(precisions) / len(precisions)


def roc_auc(truth: Sequence[int], scores: Sequence[float]) -> float:
    """Share of pairs (anomaly, normal row) in the right order, ties counted half."""
    wins = pairs = 0.0
    for label, score in zip(truth, scores, strict=True):
        for other, value in zip(truth, scores, strict=True):
            if label == 1 and other == 0:
                pairs += 1
                wins += 1.0 if score > value else 0.5 if score == value else 0.0
    return wins / pairs


def recall_at_share(truth: Sequence[int], scores: Sequence[float], share: Fraction) -> float:
    """Share of anomalies found while `share` of the normal rows alerts, from the top; ties are split."""
    left = share * sum(1 for label in truth if label == 0)
    total = Fraction(0)
    for value in sorted(set(scores), reverse=True):
        tied = [label for label, score in zip(truth, scores, strict=True) if score == value]
        normal, odd = tied.count(0), tied.count(1)
        part = Fraction(1) if normal <= left else left / normal
        total += odd * part
        left -= normal * part
        if part < 1:
            break
    return float(total / int(sum(truth)))


def saved_cost(truth: Sequence[int], scores: Sequence[float], false_alarms: float) -> float:
    """Returns the largest share of the cost of never alerting that any threshold saves."""
    positives, negatives = sum(truth), len(truth) - sum(truth)
    best = 0.0
    for threshold in scores:
        alerts = [label for label, score in zip(truth, scores, strict=True) if score >= threshold]
        missed = (positives - sum(alerts)) / positives
        false = (len(alerts) - sum(alerts)) / negatives
        best = max(best, 1.0 - (missed + false_alarms * false))
    return best


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


# --- calibration --------------------------------------------------------------------------------------


def conformal_p(held_out: Sequence[float], score: float) -> float:
    """Share of the held-out scores and the new one that are at least as high as the new one."""
    return (1 + sum(known >= score for known in held_out)) / (len(held_out) + 1)


def benjamini_hochberg(p_values: Sequence[float], level: float) -> list[bool]:
    """Step up: the largest p-value under its line, and all that are at most as large, are rejected."""
    m = len(p_values)
    limit = -1.0
    for rank, p in enumerate(sorted(p_values), start=1):
        if p <= level * rank / m:
            limit = p
    return [p <= limit for p in p_values]


def pareto_mixture(
    shapes: Sequence[float], scales: Sequence[float], weights: Sequence[float], x: float
) -> float:
    """Survival of a mixture of generalised-Pareto distributions at an excess x, by SciPy."""
    from scipy.stats import genpareto

    return sum(w * genpareto.sf(x, c, scale=s) for c, s, w in zip(shapes, scales, weights, strict=True))


def pareto_loglikelihood(shape: float, scale: float, excesses: Sequence[float]) -> float:
    """Log-likelihood of excesses under one generalised-Pareto distribution, by SciPy."""
    from scipy.stats import genpareto

    return float(sum(genpareto.logpdf(x, shape, scale=scale) for x in excesses))


def cost_threshold(missed: float, false_alarm: float, prevalence: float) -> float:
    """p-value where an alert and silence cost the same, found by halving."""
    low, high = 0.0, 1 / math.e
    for _ in range(200):
        p = (low + high) / 2
        odds = prevalence / (1 - prevalence) / (-math.e * p * math.log(p))
        low, high = (p, high) if odds * missed >= false_alarm else (low, p)
    return low


def online_p_values(
    held_out: Sequence[float], scores: Sequence[float], uniforms: Sequence[float]
) -> list[float]:
    """Smoothed rank of each score among all before it and itself."""
    known, p_values = list(held_out), []
    for score, uniform in zip(scores, uniforms, strict=True):
        known.append(score)
        greater = sum(other > score for other in known)
        equal = sum(other == score for other in known)
        p_values.append((greater + uniform * equal) / len(known))
    return p_values


def simple_jumper(p_values: Sequence[float], jump: float) -> list[float]:
    """Returns the stake after each p-value, in the steps of the published algorithm."""
    parts = {-1: 1 / 3, 0: 1 / 3, 1: 1 / 3}
    stakes, stake = [], 1.0
    for p in p_values:
        parts = {bet: (1 - jump) * part + jump / 3 * stake for bet, part in parts.items()}
        parts = {bet: part * (1 + bet * (p - 0.5)) for bet, part in parts.items()}
        stake = sum(parts.values())
        stakes.append(stake)
    return stakes


def pareto_front(points: Sequence[Sequence[float]]) -> list[int]:
    """Returns the places of the points that no other point dominates (at most in all, less in one)."""
    front = []
    for at, point in enumerate(points):
        dominated = False
        for other in points:
            at_most = all(other[i] <= point[i] for i in range(len(point)))
            less = any(other[i] < point[i] for i in range(len(point)))
            dominated = dominated or (at_most and less)
        if not dominated:
            front.append(at)
    return front


def friedman_statistic(rows: Sequence[Sequence[float]]) -> tuple[list[float], float]:
    """Returns mean ranks, 1 for the highest, and Friedman's chi-square: between columns over within rows."""
    blocks, count = len(rows), len(rows[0])
    ranks = [
        [
            sum(other > value for other in row) + (sum(other == value for other in row) + 1) / 2
            for value in row
        ]
        for row in rows
    ]
    means = [sum(row[at] for row in ranks) / blocks for at in range(count)]
    centre = (count + 1) / 2
    between = blocks * sum((mean - centre) ** 2 for mean in means)
    within = sum((rank - centre) ** 2 for row in ranks for rank in row) / (blocks * (count - 1))
    return means, between / within if within else 0.0


def corrected_t(differences: Sequence[float], share: float) -> float:
    """Nadeau and Bengio's statistic, term by term."""
    folds = len(differences)
    mean = sum(differences) / folds
    variance = sum((value - mean) ** 2 for value in differences) / (folds - 1)
    error = ((1 / folds + share) * variance) ** 0.5
    return mean / error if error else float("inf")


def clopper_pearson(hits: int, draws: int, level: float) -> tuple[float, float]:
    """Returns the rates at which each tail beyond `hits` has half of the probability outside `level`."""
    half = (1 - level) / 2

    def at_most(count: int, rate: float) -> float:
        return sum(math.comb(draws, i) * rate**i * (1 - rate) ** (draws - i) for i in range(count + 1))

    def solve(far: Callable[[float], bool]) -> float:
        low, high = 0.0, 1.0
        for _ in range(60):
            middle = (low + high) / 2
            low, high = (low, middle) if far(middle) else (middle, high)
        return low

    lowest = 0.0 if hits == 0 else solve(lambda rate: 1 - at_most(hits - 1, rate) > half)
    highest = 1.0 if hits == draws else solve(lambda rate: at_most(hits, rate) < half)
    return lowest, highest


def list_episodes(
    entity: Sequence[str], truth: Sequence[float], alerts: Sequence[bool]
) -> list[tuple[int, int, bool]]:
    """First and last row of every run of anomalies of one entity, and whether a row of it alerted."""
    episodes = []
    for who in set(entity):
        run: list[int] = []
        rows = [i for i, name in enumerate(entity) if name == who]
        for i in [*rows, None]:
            if i is not None and truth[i] == 1:
                run.append(i)
            elif run:
                episodes.append((run[0], run[-1], any(alerts[j] for j in run)))
                run = []
    return sorted(episodes)


# --- alerts ------------------------------------------------------------------------------------------


def flag_confirmed_rows(entity: Sequence[str], alerted: Sequence[bool], needed: int, of: int) -> list[bool]:
    """Returns K of N, row by row: looks back over the entity's newest rows and counts."""
    confirmed = []
    for place, flag in enumerate(alerted):
        newest_rows = [other for other in range(place + 1) if entity[other] == entity[place]][-of:]
        confirmed.append(bool(flag) and sum(alerted[other] for other in newest_rows) >= needed)
    return confirmed


def list_all_samples(population: Sequence[int], size: int) -> list[tuple[int, ...]]:
    """Returns every sample of `size` without replacement; all are equally likely."""
    from itertools import combinations

    return [
        tuple(population[place] for place in chosen) for chosen in combinations(range(len(population)), size)
    ]


def total_interval(population: int, sampled: int, anomalies: int, tail: float) -> tuple[int, int]:
    """Returns the lowest and highest total for which neither tail of the sample count is at most `tail`."""

    def chance(total: int, hits: int) -> Fraction:
        ways = math.comb(total, hits) * math.comb(population - total, sampled - hits)
        return Fraction(ways, math.comb(population, sampled))

    totals = []
    for total in range(anomalies, population - (sampled - anomalies) + 1):
        fewer = sum(chance(total, hits) for hits in range(anomalies + 1))
        more = sum(chance(total, hits) for hits in range(anomalies, sampled + 1))
        if fewer > tail and more > tail:
            totals.append(total)
    return min(totals), max(totals)


def list_protected_things(history, retention, now):
    """Returns kind and name of everything that pruning must leave, checked one by one and rule by rule."""
    versions_present = sorted(t.version for t in history.things if t.kind == "version")
    versions = (
        set(history.aliases.values()) | set(history.unfinished) | set(versions_present[-retention.newest :])
    )
    changes = [s for s in history.decisions if s.kind in ("promote", "rollback")]
    versions |= set(changes[-1].versions) if changes else set()
    for decision in history.decisions:
        if decision.waits:
            versions |= set(decision.versions)
    for thing in history.things:
        if thing.kind == "version" and now - thing.at <= retention.versions:
            versions.add(thing.version)
    calm = {"degradation": ["normal"], "bake": ["ok"], "retrain": ["none"]}
    relevant_decisions = [
        s for s in history.decisions if set(s.versions) & versions and s.outcome not in calm.get(s.kind, [])
    ]
    models = [t for t in history.things if t.kind == "version" and t.version in versions]
    runs = {run for s in relevant_decisions for run in s.runs} | {t.run for t in models}
    roots = {t.family for t in history.things if t.kind == "run" and (t.run in runs or t.busy)}
    protected_things = set()
    for thing in history.things:
        in_decision_span = thing.span and any(
            a < thing.span[1] and thing.span[0] < b for s in relevant_decisions for a, b in s.spans
        )
        if (
            (thing.kind == "version" and thing.version in versions)
            or (thing.kind == "run" and thing.family in roots)
            or (thing.kind == "report" and thing.span is None and thing.version in versions)
            or (thing.kind == "rows" and thing.sha256 and thing.sha256 in {t.sha256 for t in models})
            or (thing.kind in ("scores", "shadow", "report", "quarantine") and in_decision_span)
            or (
                thing.kind in ("scores", "quarantine")
                and thing.span
                and any(a < thing.span[1] and thing.span[0] < b for a, b in history.asked)
            )
        ):
            protected_things.add((thing.kind, thing.name))
    scores = [t for t in history.things if t.kind == "scores"]
    if scores:
        latest = max(scores, key=lambda t: t.span[1] if t.span else t.at)
        protected_things.add(("scores", latest.name))
    return protected_things


def find_held_back_naively(rows, expected, scales, direction, least):
    """Whether each row is held back by one direction and one smallest deviation of every column."""
    answers = []
    for row in rows:
        sizes = [
            0.0 if cell != cell else abs(cell - expected) / scale
            for cell, scale in zip(row, scales, strict=True)
        ]
        farthest = max(sizes)
        carrying = [cell - expected for cell, size in zip(row, sizes, strict=True) if size >= farthest / 2]
        wanted = [
            deviation
            for deviation in carrying
            if not (direction == "high" and deviation < 0)
            and not (direction == "low" and deviation > 0)
            and abs(deviation) >= least
        ]
        answers.append(farthest >= 1 and not wanted)
    return answers


def entity_levels_and_scales(
    groups: Sequence[Sequence[float]], level: float, scale: float
) -> list[tuple[float, float]]:
    """Returns the level and scale of each entity, shrunk to those of the others; values in time order."""

    def quantile(values: Sequence[float], share: float) -> float:
        ordered, place = sorted(values), (len(values) - 1) * share
        low = math.floor(place)
        high = min(low + 1, len(values) - 1)
        return ordered[low] * (1 - (place - low)) + ordered[high] * (place - low)

    def spread(values: Sequence[float]) -> float:
        quartiles = (quantile(values, 0.75) - quantile(values, 0.25)) / 1.3489795003921634
        mean = sum(values) / len(values)
        return quartiles or math.sqrt(sum((value - mean) ** 2 for value in values) / len(values))

    def correlate(pairs: list[tuple[float, float]]) -> float:
        square = sum(a * a for a, _ in pairs) * sum(b * b for _, b in pairs)
        plain = sum(a * b for a, b in pairs) / math.sqrt(square) if square else 0.0
        total = sum(len(values) - 1 for values in groups)
        length = sum(len(values) * (len(values) - 1) for values in groups) / total
        return min(1.0, max(0.0, (length * plain + 1) / (length - 3)))

    def variance(values: Sequence[float]) -> float:
        return sum((value - sum(values) / len(values)) ** 2 for value in values) / (len(values) - 1)

    own = [quantile(values, 0.5) for values in groups]
    spreads = [spread(values) for values in groups]
    varying = [value for value in spreads if value > 0]
    usual = quantile(varying, 0.5) if varying else scale
    widths = [width or min(usual, scale) for width in spreads]
    pairs = []
    for values, middle, width in zip(groups, own, widths, strict=True):
        scaled = [min(3.0, max(-3.0, (value - middle) / width)) for value in values]
        pairs += list(pairwise(scaled))
    correlation = correlate(pairs)
    rows = [max(1.25, len(values) * (1 - correlation) / (1 + correlation)) for values in groups]
    widths = [width / math.sqrt(1 - 1 / count) for width, count in zip(widths, rows, strict=True)]
    excess = variance([middle / usual for middle in own])
    excess -= math.pi / 2 * sum(1 / count for count in rows) / len(rows)
    for_level = min(1 / excess, 1000) if excess > 0 else 1000
    between = variance([math.log(w) for w, width in zip(widths, spreads, strict=True) if width])
    between -= 1.36 * sum(1 / n for n, width in zip(rows, spreads, strict=True) if width) / len(varying)
    for_scale = min(1.36 / between, 1000) if between > 0 else 1000
    results = []
    for count, middle, width in zip(rows, own, widths, strict=True):
        weight, trust = count / (count + for_level), count / (count + for_scale)
        log_scale = trust * math.log(width) + (1 - trust) * math.log(usual)
        log_scale += math.sqrt((1 - trust) * max(between, 0))
        wider = math.sqrt(1 + math.pi / 2 / count)
        results.append((weight * middle + (1 - weight) * level, math.exp(log_scale) * wider))
    return results


def find_event_limit(p, entities, moments, rates, level, least=1):
    """Largest p-value at which expected false events are at most a share `level` of the events, or -1."""
    gap = rates.gap.total_seconds() * 1e6
    limit = -1.0
    for x in sorted(set(p)):
        sizes = []
        for entity in set(entities):
            times = sorted(moments[i] for i in range(len(p)) if entities[i] == entity and p[i] <= x)
            for i in range(len(times)):
                if i == 0 or times[i] - times[i - 1] > gap:
                    sizes.append(0)
                sizes[-1] += 1
        events = sum(size >= least for size in sizes)
        if x <= level and len(p) * x * min(rates.share(x)[0], 1 / least) <= level * events:
            limit = x
    return limit


def list_pasts(
    rows: list[tuple[str, float, float]], past: int, step: float, gap: int, delay: float
) -> list[tuple[list[float], list[float]]]:
    """What each row (machine, seconds, value) of a sorted list may read before and after it.

    Rows of a machine stand on a grid of `step` seconds; at most `gap` missing places are filled by a line;
    a row reads at most `past` places before it, none older than that many steps and a half, and those up to
    the last row within `delay` seconds after it.
    """
    results: list[tuple[list[float], list[float]]] = []
    for machine, own, _ in rows:
        first_at: dict[float, float] = {}
        for name, at, value in rows:
            if name == machine:
                first_at.setdefault(at, value)
        moments = list(first_at)
        stretches: list[list[tuple[float, float]]] = []  # seconds and value
        for number, at in enumerate(moments):
            steps = max(1, round((at - moments[number - 1]) / step)) if number else 0
            if not number or steps > gap + 1:
                stretches.append([])
            else:
                before, rise = moments[number - 1], first_at[at] - first_at[moments[number - 1]]
                for filled in range(1, steps):
                    share = filled / steps
                    line = first_at[before] + rise * share
                    stretches[-1].append((before + (at - before) * share, line))
            stretches[-1].append((at, first_at[at]))
        stretch = next(part for part in stretches if any(at == own for at, _ in part))
        oldest, last = own - (past + 0.5) * step, max(at for at in moments if at <= own + delay)
        results.append(
            (
                [value for at, value in stretch if oldest <= at < own][-past:],
                [value for at, value in stretch if own < at <= last],
            )
        )
    return results


def autocorrelation_time(values: Sequence[float]) -> float:
    """Autocorrelation time in rows by Geyer's initial monotone sequence, from the sums themselves."""
    count, mean = len(values), sum(values) / len(values)
    centred = [value - mean for value in values]

    def correlate(lag: int) -> float:
        return sum(centred[at] * centred[at + lag] for at in range(count - lag)) / sum(x * x for x in centred)

    total, last = 0.0, math.inf
    for lag in range(0, count // 2, 2):
        pair = correlate(lag) + correlate(lag + 1)
        if pair <= 0:
            break
        last = min(last, pair)
        total += last
    return max(1.0, 2 * total - 1)


def place_runs(blocks: Sequence[int], entity: Sequence[int], truth: Sequence[int]) -> list[int]:
    """The block of each row, ordered by time: of a run of anomalies of an entity, that of its first row."""
    placed = list(blocks)
    for row in range(len(blocks)):
        earlier = [before for before in range(row) if entity[before] == entity[row]]
        if earlier and truth[row] == 1 and truth[earlier[-1]] == 1:
            placed[row] = placed[earlier[-1]]
    return placed


def sum_pairs(new: Any, old: Any, blocks: Any) -> dict[str, float]:
    """What two versions' alerts and p-values sum to over blocks, one block at a time."""
    names = (
        "rows new_alerts old_alerts new_squares old_squares products distance distance_squares pieces blocks"
    )
    sums = dict.fromkeys(names.split(), 0.0)
    for number in sorted(set(blocks)):
        rows = [row for row in range(len(blocks)) if blocks[row] == number]
        alerts = [sum(bool(version[0][row]) for row in rows) for version in (new, old)]
        reach = []
        for version in (new, old):
            p = sorted(float(version[1][row]) for row in rows)
            steps = [max((rank + 1) / len(p) - each, each - rank / len(p)) for rank, each in enumerate(p)]
            reach.append(max(steps))
        sums["rows"] += len(rows)
        sums["new_alerts"] += alerts[0]
        sums["old_alerts"] += alerts[1]
        sums["new_squares"] += alerts[0] ** 2
        sums["old_squares"] += alerts[1] ** 2
        sums["products"] += alerts[0] * alerts[1]
        sums["distance"] += reach[0] - reach[1]
        sums["distance_squares"] += (reach[0] - reach[1]) ** 2
        sums["pieces"] += 1
        sums["blocks"] += 1
    return sums


def nearest_window_distance(values, spot, weights, centred, reference):
    """Distance of the weighed window that ends at `spot` to the nearest reference window."""
    window = values[spot - len(weights) + 1 : spot + 1]
    power = sum(weight * weight for weight in weights)
    cells = zip(weights, window, strict=True)
    middle = sum(weight * weight * cell for weight, cell in cells) / power if centred else 0.0
    weighed = [weight * (cell - middle) for weight, cell in zip(weights, window, strict=True)]
    return min(math.dist(weighed, other) for other in reference)


def forecast_error(values, spot, lags, weights):
    """Size of the difference between a value and what the differences before it predict."""
    steps = [values[spot - lag] - values[spot - lag - 1] for lag in lags]
    predicted = values[spot - 1] + sum(weight * step for weight, step in zip(weights, steps, strict=True))
    return abs(values[spot] - predicted)


def average_row_spots(place, before, after, back, offsets, shares, measure):
    """Power mean, exponent 1.5, of the spots around one row that it may read; None if there is none."""
    may = [
        (share, measure(place + offset))
        for offset, share in zip(offsets, shares, strict=True)
        if offset - back >= -before and offset <= after
    ]
    weight = sum(share for share, _ in may)
    return (sum(share * amount**1.5 for share, amount in may) / weight) ** (2 / 3) if may else None


def t_test_factor(before, after):
    """Bayes factor of a shift between two samples: t densities, a normal shift of variance 1 integrated."""
    from scipy.integrate import quad
    from scipy.stats import nct, norm, t, ttest_ind

    statistic = float(ttest_ind(after, before).statistic)
    dof, scale = len(before) + len(after) - 2, 1 / math.sqrt(1 / len(before) + 1 / len(after))
    moved = quad(lambda shift: nct.pdf(statistic, dof, shift * scale) * norm.pdf(shift), -8, 8)[0]
    return float(moved / t.pdf(statistic, dof))


def mixture_martingale(total: float, time: float, variance: float) -> float:
    """Mean over normal stakes of this variance of what betting on a drift has made of 1: by a fine sum."""
    width = math.sqrt(variance)
    step = 12 * width / 20_000
    value = 0.0
    for place in range(-10_000, 10_001):
        stake = place * step
        density = math.exp(-(stake**2) / (2 * variance)) / math.sqrt(2 * math.pi * variance)
        value += step * density * math.exp(stake * total - stake**2 * time / 2)
    return value


def place_sampled(
    blocks: Sequence[int], moments: Sequence[float], entity: Sequence[int], truth: Sequence[int], reach: float
) -> list[int]:
    """The block of each sampled row: of a chain of near anomalies of an entity, that of its first row."""
    placed = list(blocks)
    for row in sorted(range(len(blocks)), key=lambda row: moments[row]):
        near = [
            other
            for other in range(len(blocks))
            if entity[other] == entity[row]
            and truth[other] == truth[row] == 1
            and 0 <= moments[row] - moments[other] < reach
            and (moments[other], other) < (moments[row], row)
        ]
        if near:
            placed[row] = placed[max(near, key=lambda other: (moments[other], other))]
    return placed


def naive_stake(ratios):
    """Average over the parts of bets that start before each observation, and the money that never starts."""
    from pynomaly.judging.account.stake import PARTS

    total = 1.0 / (len(ratios) + 1)
    for start in range(len(ratios)):
        for part in PARTS:
            money = 1.0 / ((start + 1) * (start + 2)) / len(PARTS)
            for ratio in ratios[start:]:
                money *= 1 - part + part * ratio
            total += money
    return total


def stream_allowances(level, length, spends, discoveries, lag):
    """What each of the windows of a period may spend; those `lag` windows before it and earlier pay."""
    allowed = []
    for number, finest in enumerate(spends):
        earned = max(1, sum(discoveries[: max(0, number - lag)]))
        left = level * earned - sum(allowed)
        wanted = max(finest, left / length)
        allowed.append(wanted if wanted <= left else 0.0)
    return allowed


def powered_share(
    ranks: Sequence[float], answers: Sequence[int], population: int, folds: int
) -> tuple[float, float, float]:
    """Returns estimate, weight and squared errors left of a cross-fitted, power-tuned share, row by row."""
    from scipy.optimize import minimize

    def chance(rank: float, curve: Sequence[float]) -> float:
        return 1 / (1 + math.exp(-curve[0] - curve[1] * math.sqrt(12) * (rank - 0.5)))

    deviations = []
    for place, rank in enumerate(ranks):
        others = [number for number in range(len(ranks)) if number % folds != place % folds]

        def loss(curve: Sequence[float], others: list[int] = others) -> float:
            total = 0.5 * (1e-3 * curve[0] ** 2 + 0.1 * curve[1] ** 2)
            for number in others:
                p = chance(ranks[number], curve)
                total -= math.log(p if answers[number] else 1 - p)
            return total

        curve = minimize(loss, [0.0, 0.0], options={"gtol": 1e-9}).x
        everywhere = sum(chance((k + 0.5) / population, curve) for k in range(population)) / population
        deviations.append(chance(rank, curve) - everywhere)
    n = len(ranks)
    mean_answer, mean_deviation = sum(answers) / n, sum(deviations) / n
    spread = sum((item - mean_deviation) ** 2 for item in deviations)
    together = sum(
        (answer - mean_answer) * (item - mean_deviation)
        for answer, item in zip(answers, deviations, strict=True)
    )
    weight = min(1.0, max(0.0, together / spread))
    corrected = [answer - weight * item for answer, item in zip(answers, deviations, strict=True)]
    share = sum(corrected) / n
    return share, weight, sum((item - share) ** 2 for item in corrected)


# --- notices -----------------------------------------------------------------------------------------


def covers_minute(hours: str, days: Sequence[str], local: datetime) -> bool:
    """Whether hours of the days hold a moment: the spans of that day and the day before are written out."""
    wall = local.replace(tzinfo=None)
    for back in (0, 1):
        midnight = datetime.combine(wall.date() - timedelta(days=back), time())
        begin, end = midnight, midnight + timedelta(days=1)
        if hours:
            first, last = (timedelta(hours=int(text[:2]), minutes=int(text[3:])) for text in hours.split("-"))
            begin, end = midnight + first, midnight + last + timedelta(days=int(last <= first))
        if begin <= wall < end and (not days or f"{midnight:%a}".lower() in days):
            return True
    return False


# --- edges ---------------------------------------------------------------------------------------------


def describe_edge(edges, row, graph, cycle_edges=64):
    """Returns the features of one edge by their definitions.

    `edges` and `row` are (time, source, target, weight); None is missing, and times are whole microseconds.
    """
    at, source, target, weight = row
    if None in (at, source, target):
        return dict.fromkeys(graph.names)
    us = timedelta(microseconds=1)
    history = graph.history // us
    same = (lambda end, other: False) if graph.bipartite else (lambda end, other: end == other)
    past = [edge for edge in edges if None not in edge[:3] and at - history <= edge[0] < at]
    ends = {graph.source: source, graph.target: target}

    def is_sent(edge, name):
        return edge[1] == source if name == graph.source else same(edge[1], target)

    def is_got(edge, name):
        return edge[2] == target if name == graph.target else same(edge[2], source)

    def within(length):
        return [edge for edge in past if edge[0] >= at - length]

    def flow(chosen):
        units = [Fraction(0 if not math.isfinite(edge[3]) else round(edge[3] * 2**20)) for edge in chosen]
        return float(sum(units, Fraction(0)) / 2**20)

    def partners(chosen, name):
        out = {("out", edge[2]) for edge in chosen if is_sent(edge, name)}
        return out | {("in", edge[1]) for edge in chosen if is_got(edge, name)}

    def age(chosen):
        return (min((at - edge[0] for edge in chosen), default=history)) / 3_600_000_000

    pair = f"{graph.source}-{graph.target}"
    pairs = [edge for edge in past if edge[1] == source and edge[2] == target]
    features = {f"{pair}:first": float(not pairs), f"{pair}:since": age(pairs)}
    own = 0.0 if not math.isfinite(weight) else round(weight * 2**20) / 2**20
    for name in ends:
        sent = [edge for edge in past if is_sent(edge, name)]
        got = [edge for edge in past if is_got(edge, name)]
        features[f"{name}:since"] = age(sent + got)
        usual = sent if name == graph.source else got
        total = flow(usual)
        factor = weight * len(usual) / total if total > 0 else 1.0
        features[f"{name}:times_usual"] = factor if math.isfinite(weight) else None
    for window, span in zip(graph.windows, graph.spans, strict=True):
        length = window // us
        here = within(length)
        features[f"{pair}:repeats_{span}"] = sum(edge[1] == source and edge[2] == target for edge in here)
        features[f"{pair}:returns_{span}"] = sum(edge[1] == target and edge[2] == source for edge in here)
        features[f"{pair}:closes_{span}"] = count_cycles(here, source, target, cycle_edges)
        for name in ends:
            sent = [edge for edge in here if is_sent(edge, name)]
            got = [edge for edge in here if is_got(edge, name)]
            features[f"{name}:sends_{span}"], features[f"{name}:receives_{span}"] = len(sent), len(got)
            features[f"{name}:fan_out_{span}"] = len({edge[2] for edge in sent})
            features[f"{name}:fan_in_{span}"] = len({edge[1] for edge in got})
            features[f"{name}:flow_out_{span}"], features[f"{name}:flow_in_{span}"] = flow(sent), flow(got)
            came = flow(got) + (own if name == graph.target else 0.0)
            went = flow(sent) + (own if name == graph.source else 0.0)
            less, more = min(came, went), max(came, went)
            features[f"{name}:passed_{span}"] = less / more if less > 0 else 0.0
            now = partners(here, name)
            before = partners([edge for edge in past if edge[0] < at - length], name)
            rate = len(before) * (length / history) + 1
            features[f"{name}:new_{span}"] = (len(now - before) + 1) / rate
            all_edges = sum(is_sent(edge, name) + is_got(edge, name) for edge in past)
            rate = all_edges * (length / history) + 1
            features[f"{name}:change_{span}"] = (len(sent) + len(got) + 1) / rate
    return {name: features[name] for name in graph.names}


def count_cycles(edges, source, target, most):
    """Returns how many entities `target` sent to that sent to `source`, by its newest edges."""
    sent = sorted((edge for edge in edges if edge[1] == target), key=lambda edge: -edge[0])
    if len(sent) > most:
        sent = [edge for edge in sent if edge[0] > sent[most][0]]
    middles = {edge[2] for edge in sent} - {source, target}
    return sum(any(edge[1] == middle and edge[2] == source for edge in edges) for middle in middles)
