"""Settings of how people sign in, and of who may what: the file behind ``pynomaly console --sign-in``.

A secret stands in no file: the settings name the environment variable that holds it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import Field, ValidationError, field_validator, model_validator

from pynomaly.config.delivery import HttpAddress, Variable
from pynomaly.config.settings import Settings
from pynomaly.config.spelling.environment import read_variable
from pynomaly.config.spelling.plain_yaml import parse_plain_yaml
from pynomaly.config.spelling.units import Duration
from pynomaly.console.access.actors import Grant, Role
from pynomaly.errors import ConfigError, list_allowed

__all__ = ["GrantRule", "ProviderSettings", "SignInSettings", "load_sign_in"]

LOCAL_HOSTS = frozenset(("localhost", "127.0.0.1", "::1"))
Text = Annotated[str, Field(min_length=1, max_length=255)]


class ProviderSettings(Settings):
    """A provider of OpenID Connect, and what this console is called there."""

    issuer: HttpAddress = Field(description="its address, exactly as it calls itself")
    client: Text = Field(description="id of the console as a client")
    secret_env: Variable = Field(
        "PYNOMALY_OIDC_SECRET", description="variable with the client's secret; empty: a client without one"
    )
    address: HttpAddress = Field(description="where browsers reach this console")
    scopes: tuple[Text, ...] = Field(("openid", "profile", "email"), description="what is asked for")
    name_claim: Text = Field("preferred_username", description="how people are called in the ledger")
    roles_claim: Text = Field("groups", description="values that rules give roles for; dots lead inside")
    tolerance: Duration = Field(
        timedelta(seconds=60), ge=timedelta(0), le=timedelta(minutes=10), description="between two clocks"
    )

    @field_validator("issuer", "address")
    @classmethod
    def _insist_on_tls(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme != "https" and parts.hostname not in LOCAL_HOSTS:
            raise ValueError("https, except on this machine: whoever reads along signs in, too")
        return value

    @field_validator("scopes")
    @classmethod
    def _ask_for_openid(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if "openid" not in value:
            raise ValueError("'openid' must be among them")
        return value

    @property
    def redirect(self) -> str:
        """The address that the provider sends people back to; it is to be registered there."""
        return f"{self.address.rstrip('/')}/login/callback"


class GrantRule(Settings):
    """A role for whoever has one of the values, or is one of the people."""

    role: Role
    pipelines: tuple[Text, ...] = Field(("*",), min_length=1, description="names, * for any characters")
    values: tuple[Text, ...] = Field((), description="values of the claim of roles")
    people: tuple[Text, ...] = Field((), description="subjects, or addresses that the provider has verified")

    @model_validator(mode="after")
    def _name_somebody(self) -> GrantRule:
        if not (self.values or self.people):
            raise ValueError("it names neither values nor people")
        return self


class SignInSettings(Settings):
    """How people sign in, and the rules that give them roles."""

    provider: ProviderSettings
    grants: tuple[GrantRule, ...] = Field(min_length=1)

    def list_grants(self, subject: str, email: str, values: Sequence[str]) -> tuple[Grant, ...]:
        """Return the roles of a person.

        Parameters
        ----------
        subject : str
            What the provider calls the person for good.
        email : str
            An address that the provider has verified, or "".
        values : sequence of str
            Values of the claim of roles.
        """
        return tuple(
            Grant(rule.role, rule.pipelines)
            for rule in self.grants
            if set(rule.values) & set(values)
            or any(person == subject or person.lower() == email.lower() for person in rule.people)
        )

    def list_values(self) -> frozenset[str]:
        """Return the values of the claim that a rule names; others are of no use here."""
        return frozenset(value for rule in self.grants for value in rule.values)

    def read_secret(self) -> str:
        """Return the client's secret.

        Raises
        ------
        ConfigError
            If the variable that is to hold it is not set.
        """
        variable = self.provider.secret_env
        if not variable:
            return ""
        secret = read_variable(variable)
        if not secret:
            raise ConfigError(
                f"provider.secret_env: ${variable} is not set; it holds the secret of the client "
                f"{self.provider.client!r} (secret_env: '' for a client without one)"
            )
        return secret


def load_sign_in(file: Path) -> SignInSettings:
    """Read the file.

    Raises
    ------
    ConfigError
        If it is missing, is no YAML, or has a key or value that is not allowed.
    """
    try:
        content = parse_plain_yaml(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"--sign-in {file}: {error}") from error
    try:
        return SignInSettings.model_validate(content)
    except ValidationError as error:
        problems = []
        for item in error.errors():
            key = ".".join(map(str, item["loc"])) or "the file"
            if item["type"] == "extra_forbidden":
                model: type[Settings] = SignInSettings
                if len(item["loc"]) > 1:
                    model = ProviderSettings if item["loc"][0] == "provider" else GrantRule
                problems.append(
                    f"unknown key {key!r}; {list_allowed(str(item['loc'][-1]), list(model.model_fields))}"
                )
            else:
                problems.append(f"{key}: {item['msg'].removeprefix('Value error, ')}")
        raise ConfigError(f"--sign-in {file}: {'; '.join(problems)}") from error
