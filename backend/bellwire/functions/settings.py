"""What a function on AWS is told by its environment; infra/aws/template.yaml says all of it."""

import os
from collections.abc import Mapping
from functools import cache
from typing import Final, Literal, NamedTuple

from bellwire.errors import Internal
from bellwire.policies import Place

PREFIX: Final = "BELLWIRE_"


_REQUIRED: Final = ("stage", "account_id", "stack", "region")
_CHOICES: Final = {"guests": ("off", "on"), "fan_out": ("stream", "inline")}


class Settings(NamedTuple):
    """The environment of a function: each field is `BELLWIRE_` and its name in capitals.

    Attributes:
        stage: what topics begin with.
        account_id: the account of the stack.
        stack: the stack's name; its roles are called `STACK-session_role` and so on.
        pool_id: the identity pool.
        api_id: the HTTP API.
        developer_provider: the pool's name for the application's own login.
        guests: `on` or `off`.
        api_url: where the API is, without a slash at the end; empty: as API Gateway names it.
        iot_url: where browsers connect; empty: as AWS IoT describes its endpoint.
        cognito_url: empty: AWS's own of the region.
        presence: the namespaces in which it may be asked who is there, with commas.
        poll_after_ms: when a poller is to come back.
        token_lifetime_s: how long a member's bearer holds.
        retention_s: how long an update is held at least.
        id_window_s: how long a caller's id is remembered.
        log_table, keyed_table, directory_table, presence_table: DynamoDB's names of them.
        logins_parameter: the parameter of Systems Manager that says which logins are taken.
        login_secret: the secret that the application's login shares with us; empty: none.
        bearer_secret: the secret that bearers of narrowed sessions are signed with.
        fan_out: `stream`: the log's stream pushes; `inline`: whoever publishes does as well.
        dead_letters_queue: the URL of the queue for what cannot be done.
        jobs_dead_letters_queues: those that SQS itself moves jobs to, with a comma.
        doorbells_queue: the URL of the queue of channels to be pushed a little later.
        mapping: `module:function` that makes updates of the changes of a stream.
    """

    stage: str
    account_id: str
    stack: str
    region: str = ""
    pool_id: str = ""
    api_id: str = ""
    developer_provider: str = ""
    guests: Literal["on", "off"] = "off"
    api_url: str = ""
    iot_url: str = ""
    cognito_url: str = ""
    presence: str = ""
    poll_after_ms: int = 2_000
    token_lifetime_s: int = 3_600
    retention_s: int = 86_400
    id_window_s: int = 86_400
    log_table: str = ""
    keyed_table: str = ""
    directory_table: str = ""
    presence_table: str = ""
    logins_parameter: str = ""
    login_secret: str = ""
    bearer_secret: str = ""
    fan_out: Literal["stream", "inline"] = "stream"
    dead_letters_queue: str = ""
    jobs_dead_letters_queues: str = ""
    doorbells_queue: str = ""
    mapping: str = ""

    @property
    def place(self) -> Place:
        """What the policy documents leave open."""
        return Place(
            region=self.region,
            account_id=self.account_id,
            stage=self.stage,
            pool_id=self.pool_id,
            api_id=self.api_id,
            role_prefix=f"{self.stack}-",
        )

    @property
    def has_guests(self) -> bool:
        """Whether public channels are for everybody."""
        return self.guests == "on"

    @property
    def presence_namespaces(self) -> frozenset[str]:
        """Where it may be asked who is there."""
        return frozenset(filter(None, self.presence.split(",")))


@cache
def settings() -> Settings:
    """Read the environment, once."""
    return read_settings(os.environ)


def read_settings(environment: Mapping[str, str]) -> Settings:
    """Read an environment; `AWS_REGION` is Lambda's own.

    Raises:
        Internal: a name is missing, or its value is none of those that it can have.
    """
    given: dict[str, str | int] = {"region": environment.get("AWS_REGION", "")}
    for name in Settings._fields:
        text = environment.get(PREFIX + name.upper())
        if text is not None:
            is_number = isinstance(Settings._field_defaults.get(name), int)
            given[name] = _whole(name, text) if is_number else text
    missing = [name for name in _REQUIRED if not given.get(name)]
    if missing:
        names = ", ".join(PREFIX + name.upper() for name in missing)
        raise Internal(f"expected {names} in the environment, found nothing")
    for name, possible in _CHOICES.items():
        if given.get(name, possible[0]) not in possible:
            expected = " or ".join(possible)
            raise Internal(f"expected {PREFIX}{name.upper()} to be {expected}: {given[name]!r}")
    return Settings(**given)  # type: ignore[arg-type]  # by name


def _whole(name: str, text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise Internal(f"expected {PREFIX}{name.upper()} to be a whole number, found {text!r}")
    return int(text)
