"""Amazon SageMaker Model Monitor: the constraints, statistics and violations of a baseline.

Fields as documented for ``constraints.json``, ``statistics.json`` and ``constraint_violations.json`` (Amazon
SageMaker developer guide).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import Field

from pynomaly.data.migration.converted import ConvertedExport
from pynomaly.data.migration.exports import Document, ForeignDocument, parse_document, read_table
from pynomaly.errors import SourceError

__all__ = ["TITLE", "convert_documents", "identify_document"]

TITLE = "Amazon SageMaker Model Monitor"


class _NumericConstraints(ForeignDocument):
    is_non_negative: bool = False


class _StringConstraints(ForeignDocument):
    domains: tuple[str, ...] = ()


class _Feature(ForeignDocument):
    name: str = Field(min_length=1)
    inferred_type: str = "Unknown"
    completeness: float | None = Field(None, ge=0, le=1)
    num_constraints: _NumericConstraints | None = None
    string_constraints: _StringConstraints | None = None


class _MonitoringConfig(ForeignDocument):
    domain_content_threshold: float = Field(1.0, ge=0, le=1)


class _Constraints(ForeignDocument):
    features: tuple[_Feature, ...] = Field(min_length=1)
    monitoring_config: _MonitoringConfig = _MonitoringConfig()


class _Violations(ForeignDocument):
    violations: tuple[dict[str, Any], ...]


def identify_document(document: Document) -> str | None:
    """Return the kind of a document of this product, from its fields; None if it is of another product."""
    if document.has_keys("violations"):
        return "violations"
    if not document.has_keys("features"):
        return None
    return "statistics" if document.has_keys("dataset") else "constraints"


def convert_documents(documents: Sequence[Document], tables: Sequence[Path]) -> ConvertedExport:
    """Convert constraints (or statistics alone), and the baseline's table if it is given.

    Raises
    ------
    SourceError
        If no document names features, or there is more than one baseline.
    """
    by_kind: dict[str, Document] = {}
    for document in documents:
        kind = identify_document(document) or ""
        if kind in by_kind:
            raise SourceError(
                f"{document.path} and {by_kind[kind].path}: two {kind}; convert one baseline at a time"
            )
        by_kind[kind] = document
    baseline = by_kind.get("constraints") or by_kind.get("statistics")
    if baseline is None:
        raise SourceError(f"{documents[0].path}: violations alone name no baseline; add its constraints.json")
    if len(tables) > 1:
        raise SourceError(f"{tables[1]}: a baseline is one table; bring its parts into one")
    constraints = parse_document(_Constraints, baseline)
    names = [feature.name for feature in constraints.features]
    path = baseline.path
    outcome = ConvertedExport(TITLE, path.parent.name if path.stem in _STANDARD_STEMS else path.stem)
    if tables:
        read_table(tables[0], names)
        outcome.file = tables[0]
    else:
        outcome.add_setting("data.source", "csv", "rows of the baseline, to be brought here")
        outcome.add_setting("data.path", "", "to be brought here")
    outcome.add_setting("data.columns", names, "features")
    if text_features := [
        feature.name for feature in constraints.features if feature.inferred_type == "String"
    ]:
        outcome.add_setting("data.categorical", text_features, "features of inferred_type String")
    rules = [
        rule
        for feature in constraints.features
        for rule in _build_rules(feature, constraints.monitoring_config)
    ]
    if rules:
        outcome.add_setting(
            "quality.expectations",
            rules,
            "constraints; they warn, as they did there: `error` would quarantine rows",
        )
    _list_left_out(outcome, constraints, by_kind)
    return outcome


_STANDARD_STEMS = ("constraints", "statistics")


def _build_rules(feature: _Feature, config: _MonitoringConfig) -> list[dict[str, Any]]:
    rules: list[dict[str, Any]] = []
    if feature.completeness is not None and feature.completeness > 0:
        rules.append(
            _build_rule("ExpectColumnValuesToNotBeNull", column=feature.name, mostly=feature.completeness)
        )
    if feature.num_constraints and feature.num_constraints.is_non_negative:
        rules.append(_build_rule("ExpectColumnValuesToBeBetween", column=feature.name, min_value=0))
    if feature.string_constraints and (values := list(feature.string_constraints.domains)):
        rules.append(
            _build_rule(
                "ExpectColumnValuesToBeInSet",
                column=feature.name,
                value_set=values,
                mostly=config.domain_content_threshold,
            )
        )
    return rules


def _build_rule(kind: str, **arguments: Any) -> dict[str, Any]:
    return {"type": kind, "arguments": arguments, "severity": "warning"}


def _list_left_out(outcome: ConvertedExport, constraints: _Constraints, by_kind: dict[str, Document]) -> None:
    config = dict(constraints.monitoring_config.model_extra or {})
    if distance := config.pop("distribution_constraints", None):
        outcome.leave_out(
            f"distribution_constraints: {distance}",
            "drift is judged by effect sizes and corrected p-values (block drift)",
        )
    for name in ("evaluate_constraints", "emit_metrics"):
        config.pop(name, None)  # always on here: `pynomaly monitor` does both
    for name, value in config.items():
        outcome.leave_out(
            f"monitoring_config.{name}: {value}",
            "a column that is no longer what the model learned blocks the window",
        )
    if "statistics" in by_kind:
        why = "distributions to compare with are made of the training's rows, and travel inside the model"
        outcome.leave_out(f"{by_kind['statistics'].path.name}: means, deviations, sketches", why)
    if "violations" in by_kind:
        number = len(parse_document(_Violations, by_kind["violations"]).violations)
        outcome.leave_out(
            f"{by_kind['violations'].path.name}: {number} violation(s)",
            "what another monitor found is no label",
        )
    for feature in constraints.features:
        if (feature.model_extra or {}).get("monitoringConfigOverrides"):
            outcome.leave_out(
                f"monitoringConfigOverrides of {feature.name}", "limits are the pipeline's, not a column's"
            )
