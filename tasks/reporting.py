"""Tasks of reporting: write pages for people, link them in Prefect, and queue a message about them."""

from __future__ import annotations

from datetime import datetime

from prefect import get_run_logger
from prefect.artifacts import create_link_artifact

from pynomaly.config import Pipeline
from pynomaly.records.ledger import Decision
from pynomaly.steps.reporting.reports import (
    WrittenPage,
    write_newest_pages,
    write_training_page,
    write_window_page,
)
from pynomaly.steps.reporting.send_report import queue_report
from tasks.links import build_run_url
from tasks.step import pipeline_task

__all__ = ["publish_decision_pages", "publish_newest_report", "publish_training_page", "publish_window_page"]


@pipeline_task("write the model card", retries=0)
def publish_training_page(pipeline: Pipeline, version: int) -> WrittenPage | None:
    """Write the page of a version and link it; a failure is logged and stops nothing."""
    try:
        return _link_page(pipeline, write_training_page(pipeline, version))
    except Exception as error:  # the page is for people only: the training is valid without it
        get_run_logger().error(f"no model card of v{version}: {type(error).__name__}: {error}")
        return None


@pipeline_task("write the window's page", retries=0)
def publish_window_page(pipeline: Pipeline, window: str, version: int) -> WrittenPage | None:
    """Write the page of a judged window and link it; a failure is logged and stops nothing."""
    try:
        return _link_page(pipeline, write_window_page(pipeline, window, version))
    except Exception as error:
        get_run_logger().error(f"no page of {window}: {type(error).__name__}: {error}")
        return None


def publish_decision_pages(pipeline: Pipeline, decision: Decision) -> str:
    """Write the pages of the versions that a decision is about; returns the path of the first, or ""."""
    versions = (decision.version, decision.replaces)
    pages = [publish_training_page(pipeline, version) for version in versions if version is not None]
    return pages[0].path if pages and pages[0] else ""


@pipeline_task("write and send the report", retries=0)
def publish_newest_report(pipeline: Pipeline, as_of: datetime, send: bool) -> tuple[WrittenPage, ...]:
    """Write and link the champion's page and the last judged window's page; notify people if asked."""
    pages = tuple(_link_page(pipeline, page) for page in write_newest_pages(pipeline))
    if send:
        links = {page.path: _build_page_url(pipeline, page) for page in pages if page.run_id}
        queue_report(pipeline, pages, as_of, links)
    return pages


def _build_page_url(pipeline: Pipeline, page: WrittenPage) -> str:
    return build_run_url(pipeline, page.run_id, "report.html")


def _link_page(pipeline: Pipeline, page: WrittenPage) -> WrittenPage:
    if page.run_id:
        name = {"training": "model-card", "window": "window-report"}[page.kind]
        create_link_artifact(
            key=f"{pipeline.name.replace('_', '-')}-{name}",
            link=_build_page_url(pipeline, page),
            link_text=page.summary,
            description="A page for people, kept with the MLflow run",
        )
    else:
        get_run_logger().warning(f"{page.path} is not in MLflow: {page.error}")
    return page
