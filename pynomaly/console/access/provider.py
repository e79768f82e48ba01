"""The provider that people sign in at: the only module that speaks OpenID Connect.

Authorization code with PKCE: a browser is sent to the provider with a ``state``, a ``nonce`` and the hash of
a secret; it comes back with a code, which is exchanged for a signed statement of who signed in. All of it is
checked: signature, issuer, audience, times, nonce.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import urlencode

import httpx
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.httpx_client import OAuth2Client
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import ExpiredTokenError, InvalidClaimError, InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet

from pynomaly.console.access.sign_in_settings import ProviderSettings

__all__ = ["Claims", "Departure", "Provider", "SignInError"]

_TIMEOUT_S = 10.0
_KEEP_S = 3600.0
_ASK_AGAIN_S = 60.0
_SIGNATURES = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""Signatures of a key that the provider alone holds; one by a shared secret is none of these."""
_CLOCK_CLAIMS = ("exp", "iat", "nbf")


class SignInError(Exception):
    """A person was not signed in: the status of the answer, and why, without a secret."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Departure:
    """What a browser keeps while its person is at the provider."""

    state: str
    nonce: str
    verifier: str
    next: str

    @classmethod
    def of_now(cls, next_page: str) -> Departure:
        """Return one that nobody can guess."""
        state, nonce, verifier = (secrets.token_urlsafe(48) for _ in range(3))
        return cls(state, nonce, verifier, next_page)

    def to_dict(self) -> dict[str, str]:
        """Return the fields as text."""
        return asdict(self)


@dataclass(frozen=True)
class Claims:
    """What the provider says of a person.

    Attributes
    ----------
    subject : str
        What it calls them for good.
    name : str
        How they are called.
    email : str
        Their address, if it has verified it; else "".
    values : tuple of str
        Values of the claim of roles.
    expires : float
        Until when it says so, in seconds since 1970.
    """

    subject: str
    name: str
    email: str
    values: tuple[str, ...]
    expires: float


class Provider:
    """One provider; what it publishes about itself is kept for an hour.

    Parameters
    ----------
    settings : ProviderSettings
    secret : str
        The client's secret, or "".
    clock : callable
        Seconds since 1970.
    """

    def __init__(
        self, settings: ProviderSettings, secret: str, clock: Callable[[], float] = time.time
    ) -> None:
        self.settings, self.clock, self._secret = settings, clock, secret
        self._lock = threading.Lock()
        self._metadata: tuple[float, Mapping[str, Any]] | None = None
        self._keys: tuple[float, KeySet] | None = None

    def describe_way(self, departure: Departure) -> str:
        """Return the address at the provider that a browser is sent to.

        Raises
        ------
        SignInError
            503 if the provider does not answer, or not as a provider.
        """
        with self._open_client() as client:
            url, _ = client.create_authorization_url(
                self._read_metadata()["authorization_endpoint"],
                state=departure.state,
                code_verifier=departure.verifier,
                nonce=departure.nonce,
            )
        return str(url)

    def redeem(self, departure: Departure, answer: Mapping[str, str]) -> Claims:
        """Return who signed in, for what the provider sent back with the browser.

        Raises
        ------
        SignInError
            401 if the person or provider said no, or an answer does not hold; 503 if the provider is away.
        """
        metadata = self._read_metadata()
        issuer = answer.get("iss", "")
        if issuer != metadata["issuer"] and (
            issuer or metadata.get("authorization_response_iss_parameter_supported")
        ):
            raise SignInError(401, "the answer is from another provider than the one that was asked")
        if error := answer.get("error"):
            reason = answer.get("error_description", "")[:200] or error[:100]
            raise SignInError(401, f"the provider did not sign you in: {reason}")
        with self._open_client() as client:
            token = self._call(
                lambda: client.fetch_token(
                    metadata["token_endpoint"],
                    grant_type="authorization_code",
                    code=answer.get("code", ""),
                    code_verifier=departure.verifier,
                )
            )
            claims = self._check_statement(token, departure.nonce)
            wanted = {self.settings.name_claim, self.settings.roles_claim.split(".")[0]}
            if wanted - claims.keys() and "userinfo_endpoint" in metadata:
                answered = self._call(lambda: client.get(metadata["userinfo_endpoint"]))
                more = _read_object(answered)
                if more.get("sub") != claims["sub"]:
                    raise SignInError(401, "the provider speaks of two people in one answer")
                claims = {**more, **claims}
        return self._describe(claims)

    def describe_way_out(self, next_page: str) -> str:
        """Return the address where a person ends the provider's session; "" if it has none or is away."""
        try:
            place = self._read_metadata().get("end_session_endpoint", "")
        except SignInError:
            return ""
        if not place:
            return ""
        back = f"{self.settings.address.rstrip('/')}{next_page}"
        mark = "&" if "?" in place else "?"
        query = {"client_id": self.settings.client, "post_logout_redirect_uri": back}
        return f"{place}{mark}{urlencode(query)}"

    def _open_client(self) -> Any:
        supported: Sequence[str] = ()
        if self._secret:
            supported = self._read_metadata().get("token_endpoint_auth_methods_supported", ())
        by_post = "client_secret_post" in supported and "client_secret_basic" not in supported
        method = "none" if not self._secret else "client_secret_post" if by_post else "client_secret_basic"
        return OAuth2Client(
            self.settings.client,
            self._secret or None,
            token_endpoint_auth_method=method,
            scope=" ".join(self.settings.scopes),
            redirect_uri=self.settings.redirect,
            code_challenge_method="S256",
            timeout=_TIMEOUT_S,
            leeway=0,  # the token is used at once, however short it lasts
        )

    def _call(self, ask: Callable[[], Any]) -> Any:
        """Return what the provider answers; its errors as ours."""
        try:
            return ask()
        except httpx.HTTPError as error:
            raise self._describe_silence(error) from error
        except AuthlibBaseError as error:
            raise SignInError(
                401, f"the provider did not accept the answer ({error.error}); sign in again"
            ) from error
        except ValueError as error:  # an answer that is no JSON
            raise self._describe_silence(error) from error

    def _describe_silence(self, error: Exception) -> SignInError:
        return SignInError(
            503, f"{self.settings.issuer} does not answer ({type(error).__name__}); try again, or use a token"
        )

    def _read_metadata(self) -> Mapping[str, Any]:
        with self._lock:
            kept, now = self._metadata, time.monotonic()
        if kept is not None and now - kept[0] < _KEEP_S:
            return kept[1]
        metadata = self._fetch(f"{self.settings.issuer.rstrip('/')}/.well-known/openid-configuration")
        for name in ("issuer", "authorization_endpoint", "token_endpoint", "jwks_uri"):
            if not isinstance(metadata.get(name), str):
                raise SignInError(503, f"{self.settings.issuer} does not say its {name}; it is no provider")
        if metadata["issuer"] != self.settings.issuer:
            raise SignInError(
                503,
                f"the provider calls itself {str(metadata['issuer'])[:200]!r}; provider.issuer is "
                f"{self.settings.issuer!r}",
            )
        with self._lock:
            self._metadata = (now, metadata)
        return metadata

    def _read_keys(self, *, again: bool = False) -> KeySet:
        with self._lock:
            kept, now = self._keys, time.monotonic()
        if kept is not None and now - kept[0] < (_ASK_AGAIN_S if again else _KEEP_S):
            return kept[1]
        content = self._fetch(self._read_metadata()["jwks_uri"])
        try:
            keys = KeySet.import_key_set(content)  # type: ignore[arg-type]  # checked there
        except (JoseError, ValueError, TypeError, KeyError) as error:
            raise SignInError(503, f"the keys of {self.settings.issuer} cannot be read") from error
        with self._lock:
            self._keys = (now, keys)
        return keys

    def _fetch(self, place: str) -> dict[str, Any]:
        try:
            return _read_object(httpx.get(place, timeout=_TIMEOUT_S))
        except httpx.HTTPError as error:
            raise self._describe_silence(error) from error

    def _check_statement(self, token: Mapping[str, Any], nonce: str) -> dict[str, Any]:
        text, issuer, client = token.get("id_token"), self.settings.issuer, self.settings.client
        if not isinstance(text, str):
            raise SignInError(401, "the provider answered without an ID token; is 'openid' among its scopes?")
        try:
            try:
                statement = jwt.decode(text, self._read_keys(), algorithms=_SIGNATURES)
            except InvalidKeyIdError:
                statement = jwt.decode(text, self._read_keys(again=True), algorithms=_SIGNATURES)
            options = {
                "iss": {"essential": True, "value": issuer},
                "aud": {"essential": True, "value": client},
            }
            params = {"nonce": nonce, "client_id": client, "access_token": token.get("access_token")}
            claims = CodeIDToken(statement.claims, statement.header, options, params)
            claims.validate(now=int(self.clock()), leeway=int(self.settings.tolerance.total_seconds()))
        except (JoseError, AuthlibBaseError, ValueError) as error:
            raise SignInError(401, self._explain(error)) from error
        return dict(claims)

    def _explain(self, error: Exception) -> str:
        claim = getattr(error, "claim", "")
        if isinstance(error, ExpiredTokenError) or (
            isinstance(error, InvalidClaimError) and claim in _CLOCK_CLAIMS
        ):
            seconds = self.settings.tolerance.total_seconds()
            return (
                f"the clocks of the provider and of this machine differ by more than {seconds:g} s "
                f"(provider.tolerance): its statement is not valid now"
            )
        if claim == "nonce":
            return "the provider's statement is for another sign-in (wrong nonce); sign in again"
        what = f"its {claim} is wrong" if claim else type(error).__name__
        return f"the provider's statement does not hold: {what}"

    def _describe(self, claims: Mapping[str, Any]) -> Claims:
        subject, name = claims.get("sub"), claims.get(self.settings.name_claim) or claims.get("sub")
        if not isinstance(subject, str) or not 0 < len(subject) <= 255:
            raise SignInError(401, "the provider does not say who signed in (sub)")
        name = "".join(char for char in str(name) if char.isprintable()).strip()[:200]
        email = claims.get("email") if claims.get("email_verified") is True else ""
        values: Any = claims
        for part in self.settings.roles_claim.split("."):
            values = values.get(part) if isinstance(values, Mapping) else None
        if isinstance(values, str):
            values = values.split()
        roles = tuple(item for item in values if isinstance(item, str)) if isinstance(values, list) else ()
        return Claims(subject, name or subject, str(email or "")[:320], roles, float(claims["exp"]))


def _read_object(answer: httpx.Response) -> dict[str, Any]:
    """Return the object that an answer holds; an answer without one counts as none."""
    answer.raise_for_status()
    try:
        content = answer.json()
    except ValueError as error:
        raise httpx.DecodingError("no JSON") from error
    if not isinstance(content, dict):
        raise httpx.DecodingError("no object")
    return content
