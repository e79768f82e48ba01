"""The command line and a small pipeline, for whoever means harm."""

from __future__ import annotations

from tests.flows.conftest import command as command
from tests.flows.conftest import pipeline_file as pipeline_file
