"""What the functions of AWS are told: their environment, and the stack's rules of logins."""

import json
from contextlib import suppress
from typing import Any

import boto3
import pytest
from hypothesis import given
from hypothesis import strategies as st
from moto import mock_aws

from bellwire.errors import Internal, Upstream
from bellwire.functions import clients
from bellwire.functions.login_rules import FRESH_S, LoginRules, read_logins
from bellwire.functions.settings import PREFIX, Settings, read_settings
from bellwire.json_web_tokens import SharedSecret
from bellwire.jwks import JwksKeys
from bellwire.logins import Logins, Provider
from infra.aws.template_file import read_template, resources

NEEDED = {
    "AWS_REGION": "eu-west-1",
    "BELLWIRE_STAGE": "green",
    "BELLWIRE_ACCOUNT_ID": "210987654321",
    "BELLWIRE_STACK": "wire",
}
SECRET = b"s" * 40


def test_the_environment_is_read_with_its_defaults() -> None:
    told = read_settings({**NEEDED, "BELLWIRE_GUESTS": "on", "BELLWIRE_POLL_AFTER_MS": "750"})
    assert told == Settings(
        "green", "210987654321", "wire", region="eu-west-1", guests="on", poll_after_ms=750
    )
    assert (told.has_guests, told.presence_namespaces) == (True, frozenset())
    assert told.place.role_prefix == "wire-"
    named = read_settings({**NEEDED, "BELLWIRE_PRESENCE": "group,user"})
    assert named.presence_namespaces == {"group", "user"}


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"BELLWIRE_STAGE": ""}, "expected BELLWIRE_STAGE in the environment, found nothing"),
        ({"AWS_REGION": ""}, "expected BELLWIRE_REGION in the environment"),
        ({"BELLWIRE_GUESTS": "yes"}, "expected BELLWIRE_GUESTS to be off or on: 'yes'"),
        ({"BELLWIRE_FAN_OUT": ""}, "expected BELLWIRE_FAN_OUT to be stream or inline"),
        ({"BELLWIRE_RETENTION_S": "1.5"}, "expected BELLWIRE_RETENTION_S to be a whole number"),
        ({"BELLWIRE_POLL_AFTER_MS": "\u0663"}, "expected BELLWIRE_POLL_AFTER_MS to be a whole"),
    ],
)
def test_an_environment_that_cannot_be_says_so(changed: dict[str, str], message: str) -> None:
    with pytest.raises(Internal, match=message):
        read_settings({**NEEDED, **changed})


def test_the_template_tells_what_the_functions_read() -> None:
    told = set(read_template()["Globals"]["Function"]["Environment"]["Variables"])
    for function in resources("AWS::Serverless::Function").values():
        told |= set(function.get("Environment", {}).get("Variables", {}))
    read = {PREFIX + name.upper() for name in Settings._fields} - {"BELLWIRE_REGION"}
    assert told == read | {"BELLWIRE_TRACING"}


def test_logins_are_as_the_parameter_says() -> None:
    text = json.dumps(
        {
            "own": {"issuer": "https://app.example", "groups_claim": "teams", "leeway_s": 5},
            "providers": {
                "accounts.google.com": {"issuer": "https://accounts.google.com"},
                "graph.facebook.com": {},
            },
        }
    )
    logins = read_logins(text, SECRET)
    assert logins.own is not None
    assert isinstance(logins.own.keys, SharedSecret)
    assert (logins.own.issuer, logins.own.groups_claim, logins.own.leeway_s) == (
        "https://app.example",
        "teams",
        5,
    )
    assert logins.providers == {
        "accounts.google.com": Provider("https://accounts.google.com"),
        "graph.facebook.com": Provider(),
    }
    by_url = read_logins('{"own": {"jwks_url": "https://app.example/jwks"}}', None)
    assert by_url.own is not None
    assert isinstance(by_url.own.keys, JwksKeys)
    assert read_logins("{}", None) == Logins()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the parameter of logins"),
        ("[]", "expected own and providers in the parameter of logins"),
        ('{"owner": {}}', "expected own and providers"),
        ('{"own": 1}', "expected own in the parameter of logins to be an object"),
        ('{"own": {"secret": "x"}}', "to be an object of audience, groups_claim, issuer"),
        ('{"own": {}}', "expected jwks_url in own of the parameter of logins, or a shared secret"),
        (
            '{"own": {"issuer": 1}}',
            "expected issuer of own in the parameter .* to be a text",
        ),
        ('{"own": {"leeway_s": true}}', "expected leeway_s of own .* to be a whole number"),
        ('{"providers": []}', "expected providers"),
        ('{"providers": {"a": {"keys": 1}}}', "expected a in the parameter"),
    ],
)
def test_a_parameter_that_cannot_be_says_so(text: str, message: str) -> None:
    with pytest.raises(Internal, match=message):
        read_logins(text, None)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["own", "providers", "issuer", "jwks_url", "leeway_s"]) | st.text(),
                inner,
                max_size=3,
            )
        ),
        max_leaves=8,
    )
)
def test_any_parameter_is_logins_or_an_error(content: Any) -> None:
    with suppress(Internal):
        assert isinstance(read_logins(json.dumps(content), SECRET), Logins)


def test_rules_are_looked_at_again(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    clients.client.cache_clear()
    now_s = 0.0
    with mock_aws():
        ssm = boto3.client("ssm")
        rules = LoginRules(
            read_settings({**NEEDED, "BELLWIRE_LOGINS_PARAMETER": "/wire/logins"}), lambda: now_s
        )
        with pytest.raises(Upstream, match="the settings of logins cannot be read"):
            rules.logins()
        ssm.put_parameter(Name="/wire/logins", Value="{}", Type="String")
        first = rules.logins()
        assert first == Logins()
        more = '{"providers": {"www.amazon.com": {}}}'
        ssm.put_parameter(Name="/wire/logins", Value=more, Type="String", Overwrite=True)
        now_s = FRESH_S - 1
        assert rules.logins() is first
        now_s = FRESH_S
        assert rules.logins().providers == {"www.amazon.com": Provider()}
    clients.client.cache_clear()
