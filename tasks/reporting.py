"""Tasks of reporting: write pages for people, link them in Prefect, and queue a message about them."""

from __future__ import annotations

from datetime import datetime

from prefect import get_run_logger
from prefect.artifacts import create_link_artifact

from pynomaly.config import Pipeline
from pynomaly.records.ledger import Decision
from pynomaly.steps.reports import Page, newest_pages, report_training, report_window
from pynomaly.steps.send_report import queue_report
from tasks.links import run_page
from tasks.step import step

__all__ = ["decided_pages", "newest_report", "training_page", "window_page"]


@step("write the model card", retries=0)
def training_page(pipeline: Pipeline, version: int) -> Page | None:
    """Write the page of a version and link it; a failure is logged and stops nothing."""
    try:
        return _linked(pipeline, report_training(pipeline, version))
    except Exception as error:  # the page is for people only: the training is valid without it
        get_run_logger().error(f"no model card of v{version}: {type(error).__name__}: {error}")
        return None


@step("write the window's page", retries=0)
def window_page(pipeline: Pipeline, window: str, version: int) -> Page | None:
    """Write the page of a judged window and link it; a failure is logged and stops nothing."""
    try:
        return _linked(pipeline, report_window(pipeline, window, version))
    except Exception as error:
        get_run_logger().error(f"no page of {window}: {type(error).__name__}: {error}")
        return None


def decided_pages(pipeline: Pipeline, decision: Decision) -> str:
    """Write the pages of the versions that a decision is about; returns the path of the first, or ""."""
    versions = (decision.evidence.get("version"), decision.evidence.get("replaces"))
    pages = [training_page(pipeline, int(version)) for version in versions if version is not None]
    return pages[0].path if pages and pages[0] else ""


@step("write and send the report", retries=0)
def newest_report(pipeline: Pipeline, as_of: datetime, send: bool) -> tuple[Page, ...]:
    """Write and link the champion's page and the last judged window's page; notify people if asked."""
    pages = tuple(_linked(pipeline, page) for page in newest_pages(pipeline))
    if send:
        links = {page.path: _address(pipeline, page) for page in pages if page.run_id}
        queue_report(pipeline, pages, as_of, links)
    return pages


def _address(pipeline: Pipeline, page: Page) -> str:
    return run_page(pipeline, page.run_id, "report.html")


def _linked(pipeline: Pipeline, page: Page) -> Page:
    if page.run_id:
        name = {"training": "model-card", "window": "window-report"}[page.kind]
        create_link_artifact(
            key=f"{pipeline.name.replace('_', '-')}-{name}",
            link=_address(pipeline, page),
            link_text=page.summary,
            description="A page for people, kept with the MLflow run",
        )
    else:
        get_run_logger().warning(f"{page.path} is not in MLflow: {page.error}")
    return page
