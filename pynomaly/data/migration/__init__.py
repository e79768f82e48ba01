"""What other products export, brought into a table, settings and incidents of a pipeline.

One module a product, all in :data:`PRODUCTS`; which one an export is of is told by the fields of its
documents. A product's own predictions are never labels: they are kept beside, to look at. Whatever has no
equal here is named with the reason. Nothing is written; called by the command line.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pynomaly.data.migration import azure, equipment, metrics, monitor
from pynomaly.data.migration.converted import Converted
from pynomaly.data.migration.exports import Document, gather
from pynomaly.errors import SourceError

__all__ = ["PRODUCTS", "Converted", "Product", "convert"]


@dataclass(frozen=True)
class Product:
    """A product whose exports can be read.

    Attributes
    ----------
    title : str
    shape : callable
        Document to what it is there, or None.
    convert : callable
        Documents and tables of one export to what they come to.
    """

    title: str
    shape: Callable[[Document], str | None]
    convert: Callable[[Sequence[Document], Sequence[Path]], Converted]


PRODUCTS: Mapping[str, Product] = {
    name: Product(module.TITLE, module.shape, module.convert)
    for name, module in (
        ("azure-anomaly-detector", azure),
        ("lookout-for-equipment", equipment),
        ("lookout-for-metrics", metrics),
        ("sagemaker-model-monitor", monitor),
    )
}


def convert(paths: Sequence[str | Path]) -> Converted:
    """Read one export.

    Parameters
    ----------
    paths : sequence of str or Path
        Its documents and tables, or folders of them.

    Raises
    ------
    SourceError
        If a file cannot be read, is of no known product, or files of two products come together.
    ColumnError
        If a table lacks a column that a document names.
    """
    documents, tables = gather(paths)
    if not documents:
        raise SourceError(
            f"{tables[0]}: a table alone is no export; `pynomaly init {tables[0]}` drafts a pipeline for it"
        )
    owners: dict[str, Document] = {}
    for document in documents:
        owner = next((name for name, product in PRODUCTS.items() if product.shape(document)), None)
        if owner is None:
            keys = ", ".join(map(repr, list(document.content or document.lines[0])[:8]))
            known = ", ".join(product.title for product in PRODUCTS.values())
            raise SourceError(
                f"{document.path}: no document of a known product (its fields: {keys}); known: {known}"
            )
        owners.setdefault(owner, document)
    if len(owners) > 1:
        (first, one), (second, other) = list(owners.items())[:2]
        raise SourceError(
            f"{one.path} is of {PRODUCTS[first].title}, {other.path} of {PRODUCTS[second].title}: "
            "convert them one at a time"
        )
    return PRODUCTS[next(iter(owners))].convert(documents, tables)
