"""Renders the catalogue as a Markdown page, with the methods that are not offered and the reasons.

A test compares ``docs/detectors.md`` with this page. Write it again with
``python -m pynomaly.detectors.catalogue_page > docs/detectors.md``.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from pynomaly.detectors.catalogue import DETECTORS
from pynomaly.detectors.contract.checks import CHECKS

__all__ = ["NOT_OFFERED", "render_catalogue"]

NOT_OFFERED: Mapping[str, str] = MappingProxyType(
    {
        "ROD": "ranks angles within the batch: a row scores otherwise alone",
        "SOS": "affinities are those of the batch; a row alone has none, and its score is not a number",
        "LMDD": "dissimilarity within the batch: a row alone scores otherwise; reads NaN as normal",
        "LOCI": "counts neighbours within the batch: a row scores otherwise alone",
        "CD": "Cook's distance of a regression on the batch; not a number for a row alone",
        "DIF": "a row scores otherwise alone",
        "RGraph": "a graph of the batch's rows: a row scores otherwise alone; far rows score lowest",
        "COF": "crashes on one row",
        "SOD": "crashes on one row",
        "AE1SVM": "crashes on one row",
        "VAE (PyOD's)": "draws noise when scoring: two calls differ; `vae` scores with the mean",
        "ALAD": "two calls differ, and a row scores otherwise alone",
        "QMCD": "the discrepancy repeats outside the fitted range: rows far out score lowest",
        "HDBSCAN": "an unseen row gets the mean of its neighbours' scores, however far it is from them",
        "SO_GAAL, MO_GAAL, AnoGAN": "adversarial training: obvious outliers rank among normal rows",
        "LUNAR": "nearest-neighbour distances weighed by a network; k-NN at many times its price",
        "MAD": "takes one column; `hbos` and `rare` do that for each of many",
        "FeatureBagging, SUOD, LSCP": "wrappers that need further packages; `ensemble_*` joins members",
        "XGBOD, DevNet": "need labels",
        "MatrixProfile (ts_)": "profiles the series it was fitted on, and refuses any other",
        "TimeSeriesOD, SpectralResidual, KShape, SAND (ts_)": (
            "rows that come later change the scores of earlier ones; `data.series` gives features of a row's "
            "past to any detector here"
        ),
        "DOMINANT, SCAN, Radar, ANOMALOUS, CoLA, CONAD, GUIDE, AnomalyDAE (graphs)": (
            "torch_geometric installs on a CPU, but they score only the graph they were fitted on: "
            "`decision_function` refuses any other"
        ),
        "EllipticEnvelope": "scikit-learn's is the estimate of `mcd`; `mahalanobis` is the Ledoit-Wolf one",
    }
)

_PAGE_HEAD = """# Detectors

All of them take finite numbers and give one finite score a row, higher is more anomalous. Each
passes the {checks} checks of the contract (`tests/detectors/contract/test_contract.py`, ids
`detector:check`): a row scores the same alone, in any batch, in any order, in another process and
after save and load; columns are found by name; constant, repeated and huge columns give finite
scores; obvious outliers that were not seen rank above normal rows; a changed byte in a saved file
is refused. Saved files are plain numbers and JSON; scoring imports no vendor.

**Cost** is how the fit grows with rows; **rows** is how many it takes before it samples, by seed;
**seed** says whether the fit depends on it; **keeps rows** whether a saved model holds values of
the rows it was fitted on, which matters when those are confidential. *As PyOD* or *as scikit-learn*
is the same score computed by code of ours, *PyOD* or *scikit-learn* alone is their fit under our
scoring.
"""

_PAGE_NOTES = """
## Missing and unknown cells

No detector sees a missing cell: `features.missing` decides before. `impute` puts the median in,
`indicate` adds a column that says where, `reject` refuses the rows by name. Under each, no score is
NaN, a row that is far out in its other cells still stands out, and scoring reports how many rows
were touched. A row whose every cell is missing becomes the median row under `impute` and looks
normal: that is what the count is for, and validation's share of missing cells quarantines or
blocks. A category never seen becomes a cell ten scales out. All but
two see it: a forest splits between values that it has seen (`iforest`), and nobody trained the
weights of a column that never varied (`deepsvdd`). `rare` is the detector for such values.

## Rows in time

A detector sees no order. Where one matters, `data.series` names columns to follow, and reading adds
what each row is beside the rows of its entity before it: its change, its height over their mean, and
their spread. The score still belongs to its row, past included: a later row changes nothing, nor does another
entity, nor more of the past than `data.series.history`, which is read before every window. The first
rows of an entity, and those after a gap, have no such features: their cells are missing, and counted.

## Repeated rows

With every row there eight times all detectors still rank new rows as they should, which is checked.
`abod` keeps each row once, because copies have no angle. Where one single row is most of the table
there is nothing to rank by: scores stay finite, or the fit refuses (`mcd`, whose tightest part then
has no spread).

## Not offered

What cannot pass is not in the catalogue. PyOD names are those of 3.6.7, as observed.

| name | why |
|---|---|
"""


def render_catalogue() -> str:
    """Return the page as Markdown."""
    lines = [_PAGE_HEAD.format(checks=len(CHECKS))]
    lines.append("| name | family | finds | fails on | source | cost | rows | seed | keeps rows |")
    lines.append("|---|---|---|---|---|---|---|---|---|")
    for row in DETECTORS.values():
        cells = (
            f"`{row.name}`",
            row.family,
            row.summary,
            row.limits,
            row.source,
            row.cost,
            f"{row.max_rows:,}" if row.max_rows else "all",
            "no" if row.deterministic else "yes",
            "yes" if row.keeps_rows else "no",
        )
        lines.append("| " + " | ".join(cells) + " |")
    page = "\n".join(lines) + "\n" + _PAGE_NOTES
    return page + "".join(f"| {name} | {why} |\n" for name, why in NOT_OFFERED.items())


if __name__ == "__main__":
    print(render_catalogue(), end="")
