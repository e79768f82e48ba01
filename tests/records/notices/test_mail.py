"""Mail, through a real server on this machine: what arrives, and the pages of a report with it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pynomaly.config import Target
from pynomaly.errors import RecordError
from pynomaly.records.ledger import QueuedNotice
from pynomaly.records.notices import send_notice
from tests.mail import MailServer, run_mail_server
from tests.receivers import run_receiver

OPS = Target(name="ops", url_env="OPS_URL")
LINK = "https://console.example.org/pipelines/machines/alerts/6484b79d"


@pytest.fixture
def mail() -> Iterator[MailServer]:
    with run_mail_server() as server:
        yield server


def notice(**more: Any) -> QueuedNotice:
    title, body = "[pynomaly] machines: report", "- champion v1 <b>holds</b>"
    at = datetime(2026, 1, 19, tzinfo=UTC)
    return QueuedNotice("key", "ops", "machines", "report", title, body, at, **more)


def read_text(mail: MailServer) -> str:
    part = mail.mails[0].get_body(("html", "plain"))
    assert part is not None
    return str(part.get_content())


def test_a_mail_says_what_happened_as_text_and_where_to_look(mail: MailServer) -> None:
    send_notice(OPS, mail.address, notice(link=LINK))
    assert mail.mails[0]["Subject"] == "[pynomaly] machines: report"
    assert LINK in read_text(mail)
    # Plain text: what a name looks like to a browser does not matter.
    assert [item.get_content_type() for item in mail.mails[0].walk() if not item.is_multipart()] == [
        "text/plain"
    ]
    assert "<b>holds" in read_text(mail)


@pytest.mark.parametrize("attach", [True, False])
def test_the_pages_of_a_report_come_with_the_mail_unless_told_otherwise(
    mail: MailServer, tmp_path: Path, attach: bool
) -> None:
    pages = [tmp_path / "training-v1.html", tmp_path / "window.html"]
    for page in pages:
        page.write_text(f"<p>{page.name} ü</p>", encoding="utf-8")
    target = OPS.model_copy(update={"attach": attach})
    send_notice(target, mail.address, notice(files=tuple(map(str, pages))))
    files = {item.get_filename(): item.get_payload(decode=True) for item in mail.mails[0].iter_attachments()}
    assert set(files) == ({page.name for page in pages} if attach else set())
    for page in pages if attach else ():
        assert files[page.name] == page.read_bytes()


def test_a_page_that_is_gone_is_named_and_holds_up_nothing(mail: MailServer, tmp_path: Path) -> None:
    (tmp_path / "here.html").write_text("<p>here</p>")
    paths = (str(tmp_path / "gone.html"), str(tmp_path / "here.html"))
    send_notice(OPS, mail.address, notice(files=paths))
    assert [item.get_filename() for item in mail.mails[0].iter_attachments()] == ["here.html"]
    assert f"not attached, as it is not there any more: {paths[0]}" in read_text(mail)


def test_only_mail_has_pages_attached(tmp_path: Path) -> None:
    (tmp_path / "here.html").write_text("<p>here</p>")
    with run_receiver() as receiver:
        address = receiver.address.replace("http://", "json://")
        send_notice(OPS, address, notice(files=(str(tmp_path / "here.html"),)))
    assert receiver.asked[0].json.get("attachments", []) == []


def test_a_mail_that_is_refused_was_not_sent(mail: MailServer) -> None:
    mail.answer = "552 too large"
    with pytest.raises(RecordError, match="not accepted"):
        send_notice(OPS, mail.address, notice())
    assert mail.mails == []


def test_a_name_with_line_breaks_adds_no_header(mail: MailServer) -> None:
    title = "[pynomaly] machines: low alert of m1\r\nBcc: thief@example.org\n\nother text"
    message = QueuedNotice("k", "ops", "machines", "alert", title, "body", datetime(2026, 1, 19, tzinfo=UTC))
    send_notice(OPS, mail.address, message)
    assert mail.mails[0]["Bcc"] is None
    assert "thief@example.org" in mail.mails[0]["Subject"] + read_text(mail)
    assert read_text(mail).startswith("body")
