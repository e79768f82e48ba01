"""Tokens of a Google service account. The only module that imports google.auth, the extra `sheets`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pynomaly.errors import ConfigError, ReceiverError

__all__ = ["GoogleToken"]


class GoogleToken:
    """A token of a service account, asked for when there is none or it ends.

    Parameters
    ----------
    credentials : str
        The account's JSON, or the path of the file that holds it.
    scope : str

    Raises
    ------
    ConfigError
        If the extra is missing, or these are no credentials.
    """

    def __init__(self, credentials: str, scope: str) -> None:
        try:
            from google.auth.transport.requests import Request
            from google.oauth2 import service_account
        except ImportError as error:
            raise ConfigError(
                f"kind: sheets needs an extra: pip install 'pynomaly-mlops[sheets]' ({error.name})"
            ) from None
        try:
            text = (
                credentials if credentials.lstrip().startswith("{") else Path(credentials).read_text("utf-8")
            )
            self._account: Any = service_account.Credentials.from_service_account_info(
                json.loads(text), scopes=[scope]
            )
        except (OSError, ValueError) as error:  # their texts may hold a part of the key
            raise ConfigError(
                "the credentials are neither the JSON of a service account nor the path of its file: "
                f"{type(error).__name__}"
            ) from None
        self._request: Any = Request()

    def authorize(self) -> dict[str, str]:
        """Return the header with a token; ReceiverError if Google gives none."""
        from google.auth.exceptions import GoogleAuthError

        if not self._account.valid:
            try:
                self._account.refresh(self._request)
            except GoogleAuthError as error:
                raise ReceiverError(f"Google gives no token: {type(error).__name__}") from None
        return {"Authorization": f"Bearer {self._account.token}"}
