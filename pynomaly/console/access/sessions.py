"""Signed values: the session in a cookie, and the proof that a form came from one of our pages."""

from __future__ import annotations

import hmac
import secrets
from hashlib import sha256
from pathlib import Path

from itsdangerous import BadSignature, URLSafeTimedSerializer

from pynomaly.config import read_variable
from pynomaly.errors import ConfigError
from pynomaly.records.store import write_atomically

__all__ = ["SECRET_VARIABLE", "Sessions", "read_secret"]

SECRET_VARIABLE = "PYNOMALY_CONSOLE_SECRET"  # nosec B105  # the name of a variable, no password
_MIN_LENGTH = 32
_SALT = "pynomaly.console"


def read_secret(home: Path) -> str:
    """Return the key that signs sessions: of the environment, else one that is made once under the home.

    Raises
    ------
    ConfigError
        If the one of the environment has fewer than 32 characters.
    """
    secret = read_variable(SECRET_VARIABLE)
    if secret:
        if len(secret) < _MIN_LENGTH:
            raise ConfigError(f"${SECRET_VARIABLE} has {len(secret)} characters; {_MIN_LENGTH} or more")
        return secret
    file = home / "console.key"
    if not file.is_file():
        home.mkdir(parents=True, exist_ok=True)
        write_atomically(file, secrets.token_urlsafe(48).encode())
        file.chmod(0o600)
    return file.read_text(encoding="ascii").strip()


class Sessions:
    """Signs and reads what a browser keeps.

    Parameters
    ----------
    secret : str
        The same for all replicas.
    lasts_s : int
        Seconds for which a session is valid.
    """

    def __init__(self, secret: str, lasts_s: int = 12 * 3600) -> None:
        self._secret = secret.encode()
        self._signer = URLSafeTimedSerializer(secret)
        self.lasts_s = lasts_s

    def sign(self, content: dict[str, str], purpose: str = "session") -> str:
        """Return the content as a cookie's value that nobody else can write; good for one purpose alone."""
        return str(self._signer.dumps(content, salt=f"{_SALT}.{purpose}"))

    def read(self, cookie: str, purpose: str = "session", lasts_s: int = 0) -> dict[str, str] | None:
        """Return the content of a cookie; None if it is not ours, was changed, or is too old."""
        try:
            content = self._signer.loads(cookie, max_age=lasts_s or self.lasts_s, salt=f"{_SALT}.{purpose}")
        except BadSignature:
            return None
        return content if isinstance(content, dict) else None

    def prove(self, browser: str) -> str:
        """Return the proof that forms of this browser carry."""
        return hmac.new(self._secret, f"form:{browser}".encode(), sha256).hexdigest()

    def accepts(self, browser: str, proof: str) -> bool:
        """Return whether a form's proof is that of this browser."""
        return bool(browser) and hmac.compare_digest(self.prove(browser).encode(), proof.encode())
