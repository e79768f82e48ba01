from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pynomaly import config
from pynomaly.data.frame import FrameContract
from pynomaly.errors import ColumnError, ConfigError
from pynomaly.model.entities.scales import LEAST_ROWS, EntityScales, read_row_entities
from pynomaly.model.features import FeatureEncoder
from tests.naive import entity_levels_and_scales

SIZES = {"small": (20.0, 2.0), "middle": (120.0, 12.0), "large": (500.0, 50.0)}


def feeders(rows: int = 400, seed: int = 0) -> tuple[pd.DataFrame, np.ndarray]:
    """Rows of three feeders whose level and spread differ, in random order."""
    rng = np.random.default_rng(seed)
    names = rng.choice(list(SIZES), rows)
    levels, widths = (np.array([SIZES[name][place] for name in names]) for place in (0, 1))
    return pd.DataFrame({"current": rng.normal(levels, widths)}), names.astype(object)


def fit(rows: pd.DataFrame, entities: Any, **choices: Any) -> FeatureEncoder:
    return FeatureEncoder.fit(rows, None, config.Features(entities="own", **choices), entities)


def scale_one(encoder: FeatureEncoder, value: float, entity: str | None) -> float:
    row = pd.DataFrame({"current": [value]})
    return float(encoder.transform(row, None, np.array([entity], dtype=object))[0, 0])


@pytest.mark.parametrize("scaling", ["robust", "standard"])
def test_each_entity_is_measured_by_its_own_level_and_scale(scaling: str) -> None:
    encoder = fit(*feeders(6000), scaling=scaling)
    for name, (level, width) in SIZES.items():
        assert scale_one(encoder, level, name) == pytest.approx(0, abs=0.1)
        assert scale_one(encoder, level + 3 * width, name) == pytest.approx(3, rel=0.1)
    assert scale_one(encoder, 300, "middle") > 12 > 1 > scale_one(encoder, 300, "large")


def test_levels_and_scales_are_those_of_the_formula() -> None:
    rng = np.random.default_rng(3)
    groups = {
        f"e{i}": rng.normal(rng.normal(0, 3), rng.uniform(0.5, 2), 10 + 4 * i).tolist() for i in range(8)
    }
    groups["stuck"] = [7.0] * 11
    entities = np.array([name for name, values in groups.items() for _ in values], dtype=object)
    cells = np.concatenate(list(groups.values()))
    order = np.argsort(rng.random(len(cells)))
    groups = {name: cells[order][entities[order] == name].tolist() for name in groups}
    scales = EntityScales.fit({"a": cells[order]}, entities[order], {"a": (1.5, 4.0)}, "robust")
    assert scales.names == tuple(sorted(groups))
    expected = entity_levels_and_scales([groups[name] for name in scales.names], 1.5, 4.0)
    np.testing.assert_allclose(
        np.column_stack([scales.levels[:, 0], scales.scales[:, 0]]), expected, rtol=1e-9
    )


def test_few_rows_are_judged_by_the_pool() -> None:
    rows, entities = feeders(3000)
    few = pd.DataFrame({"current": [40.0] * 3 + [41.0, 42, 40, 41, 42, 43] * 2})
    names = np.array(["rare"] * 3 + ["new"] * 12, dtype=object)
    table, whose = pd.concat([rows, few], ignore_index=True), np.concatenate([entities, names])
    encoder = fit(table, whose)
    pooled = FeatureEncoder.fit(table, None, config.Features()).transform(few)[0, 0]
    assert encoder.baselines is not None
    assert "rare" not in encoder.baselines.names
    for unknown in ("rare", "never met", None):
        assert scale_one(encoder, 40.0, unknown) == pooled
    near, far = scale_one(encoder, 41.0, "new"), scale_one(encoder, 61.0, "new")
    assert abs(near) < 0.5 < far < 17  # its own level, and a scale above its own of 1.1


def test_levels_of_entities_that_do_not_differ_are_the_pools() -> None:
    rng = np.random.default_rng(5)
    rows = pd.DataFrame({"current": rng.normal(10, 1, 400)})
    encoder = fit(rows, np.repeat([f"e{i}" for i in range(40)], 10).astype(object))
    assert encoder.baselines is not None
    pool = float(rows["current"].median())
    own = rows["current"].groupby(np.repeat(np.arange(40), 10)).median()
    assert np.abs(encoder.baselines.levels - pool).max() < 0.5 * np.abs(own - pool).max()


def test_a_missing_cell_is_at_the_level_of_its_entity() -> None:
    encoder = fit(*feeders(2000))
    assert scale_one(encoder, np.nan, "large") == 0.0
    indicated = FeatureEncoder.fit(
        pd.DataFrame({"current": [1.0, np.nan] * 10}),
        None,
        config.Features(entities="own", missing="indicate"),
        np.array(["a"] * 20, dtype=object),
    )
    gap = indicated.transform(pd.DataFrame({"current": [np.nan]}), None, np.array(["a"], dtype=object))
    assert gap.tolist() == [[0.0, 1.0]]


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 99), rows=st.integers(2, 150))
def test_a_row_has_the_same_bits_alone_and_in_any_batch(seed: int, rows: int) -> None:
    encoder = fit(*feeders(300, seed=1))
    table, entities = feeders(rows, seed)
    entities[::7] = None
    entities[::11] = "never met"
    whole = encoder.transform(table, None, entities)
    order = np.random.default_rng(seed).permutation(rows)
    np.testing.assert_array_equal(encoder.transform(table.iloc[order], None, entities[order]), whole[order])
    alone = [encoder.transform(table.iloc[[i]], None, entities[[i]])[0] for i in range(rows)]
    np.testing.assert_array_equal(alone, whole)


def test_scales_are_restored_to_the_bit() -> None:
    rows, entities = feeders(300)
    entities = np.array([f"{name} ü\ud800" for name in entities], dtype=object)
    scales = fit(rows.assign(other=rows["current"] ** 2), entities).baselines
    assert scales is not None
    again = EntityScales.from_arrays(scales.to_arrays())
    assert (again.names, again.columns) == (scales.names, scales.columns)
    for name in ("rows", "levels", "scales", "means", "spreads", "correlation"):
        np.testing.assert_array_equal(getattr(again, name), getattr(scales, name))
    with pytest.raises(ValueError, match="levels has shape"):
        EntityScales.from_arrays(scales.to_arrays() | {"levels": np.zeros((1, 1))})


def test_extreme_values_stay_finite() -> None:
    rows = pd.DataFrame({"current": [1e308, -1e308, 1e308, 0.0, 5.0] * 4 + [1e-300] * 20})
    encoder = fit(rows, np.array(["wild"] * 20 + ["tiny"] * 20, dtype=object))
    numbers = encoder.transform(rows, None, np.array(["tiny"] * 20 + ["wild"] * 20, dtype=object))
    assert np.isfinite(numbers).all()


def test_neighbours_that_resemble_each_other_count_as_fewer_rows() -> None:
    rng = np.random.default_rng(2)
    noise = rng.normal(0, 1, (8, 40)) * rng.uniform(0.5, 4, (8, 1))
    walks = np.sort(noise, axis=1)  # the same values, neighbours alike
    entities, pool = np.repeat([f"e{i}" for i in range(8)], 40).astype(object), {"a": (0.0, 2.0)}
    apart, alike = (
        EntityScales.fit({"a": values.ravel()}, entities, pool, "robust") for values in (noise, walks)
    )
    assert (alike.scales > apart.scales).all()


def test_a_table_of_new_entities_alone_has_no_baseline() -> None:
    rows = pd.DataFrame({"current": np.arange(12.0)})
    encoder = fit(rows, np.array([f"e{i}" for i in range(12)], dtype=object))
    assert encoder.baselines is not None
    assert not encoder.baselines.names
    again = EntityScales.from_arrays(encoder.baselines.to_arrays())
    assert again.names == ()
    assert LEAST_ROWS > 1


def test_entities_are_needed_and_the_setting_is_named() -> None:
    rows, entities = feeders(50)
    with pytest.raises(ConfigError, match=r"data\.id"):
        fit(rows, None)
    with pytest.raises(ColumnError, match=r"features\.entities: own"):
        fit(rows, entities).transform(rows)
    with pytest.raises(ValueError, match=r"features\.scaling is none"):
        config.Features(entities="own", scaling="none")


@pytest.mark.parametrize(
    ("cells", "texts"),
    [
        (["a", "b", None, "a"], ["a", "b", None, "a"]),
        ([1, 2, 1], ["1", "2", "1"]),
        ([1.0, 2.5, None], ["1", "2.5", None]),
        ([1, True, "1", " "], ["1", "True", "1", None]),
        (pd.Categorical(["x", "y", None]), ["x", "y", None]),
        (pd.array(["x", None], dtype="string"), ["x", None]),
    ],
)
def test_entities_are_read_as_text_cell_by_cell(cells: Any, texts: list[str | None]) -> None:
    contract = FrameContract(("current",), (), id="device")
    assert read_row_entities(pd.DataFrame({"device": cells}), contract).tolist() == texts  # type: ignore[union-attr]
    assert read_row_entities(pd.DataFrame({"x": [1]}), FrameContract(("x",), ())) is None
    with pytest.raises(ColumnError, match="device"):
        read_row_entities(pd.DataFrame({"x": [1]}), contract)
