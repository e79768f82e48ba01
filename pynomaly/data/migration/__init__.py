"""Convert exports of other products into a table, settings and incidents of a pipeline.

Each product has one module, listed in :data:`PRODUCTS`; the fields of its documents identify the product. A
product's predictions never become labels: they are kept in a table of their own. What has no equivalent here
is listed with the reason. Writes no files.

Called by `flows`. May import `places`, `shape`, `relations`, `sources`, the modules of `data` and the wings
below `data`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pynomaly.data.migration import azure, equipment, metrics, monitor
from pynomaly.data.migration.converted import ConvertedExport
from pynomaly.data.migration.exports import Document, gather_files
from pynomaly.errors import SourceError

__all__ = ["PRODUCTS", "ConvertedExport", "Product", "convert_export"]


@dataclass(frozen=True)
class Product:
    """A product whose exports can be read.

    Attributes
    ----------
    title : str
    shape : callable
        Returns the kind of a document of this product, or None if it is of another product.
    convert : callable
        Converts the documents and tables of one export.
    """

    title: str
    shape: Callable[[Document], str | None]
    convert: Callable[[Sequence[Document], Sequence[Path]], ConvertedExport]


PRODUCTS: Mapping[str, Product] = {
    "azure-anomaly-detector": Product(azure.TITLE, azure.identify_document, azure.convert_documents),
    "lookout-for-equipment": Product(
        equipment.TITLE, equipment.identify_document, equipment.convert_documents
    ),
    "lookout-for-metrics": Product(metrics.TITLE, metrics.identify_document, metrics.convert_documents),
    "sagemaker-model-monitor": Product(monitor.TITLE, monitor.identify_document, monitor.convert_documents),
}


def convert_export(paths: Sequence[str | Path]) -> ConvertedExport:
    """Convert one export; its documents identify the product.

    Parameters
    ----------
    paths : sequence of str or Path
        Its documents and tables, or folders of them.

    Raises
    ------
    SourceError
        If a file cannot be read, is of no known product, or the files are of two products.
    ColumnError
        If a table lacks a column that a document names.
    """
    documents, tables = gather_files(paths)
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
