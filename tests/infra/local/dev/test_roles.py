"""A folder of roles: what is read, and what is refused in one line."""

import json
from pathlib import Path

import pytest

from bellwire_local.accounts import Role
from bellwire_local.dev.roles import read_roles
from bellwire_local.errors import PolicyRefused

DOCUMENT = {"Version": "2012-10-17", "Statement": []}
TEXT = json.dumps(DOCUMENT)


def test_a_role_is_its_policy_and_who_may_assume_it(tmp_path: Path) -> None:
    (tmp_path / "a,b@c.d.json").write_text(TEXT)
    (tmp_path / "a,b@c.d.trust.json").write_text('{"Statement":[]}')
    (tmp_path / "x.json").write_text(TEXT)
    assert read_roles(tmp_path) == {
        "a,b@c.d": Role(DOCUMENT, {"Statement": []}),
        "x": Role(DOCUMENT),
    }


@pytest.mark.parametrize("name", ["my röle", "my role", "a\\b", "x" * 65, "a\nb"])
def test_a_name_that_no_arn_can_hold_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / f"{name}.json").write_text(TEXT)
    with pytest.raises(PolicyRefused) as refused:
        read_roles(tmp_path)
    expected = "1 to 64 letters of ASCII, digits and + = , . @ _ - are expected"
    assert str(refused.value) == f"{tmp_path}: a role cannot be named {name!r}; {expected}"


@pytest.mark.parametrize("file", ["a.json", "a.trust.json"])
@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"[" * 100_000, "is not JSON that can be read: "),
        (b'{"a":' * 100_000, "is not JSON that can be read: "),
        (b"{", "is not JSON that can be read: "),
        (b'"\\ud800"', "is not JSON that can be read: "),
        (b"\xff", "is not a policy document: 'utf-8' codec"),
        (b"[]", "is not a policy document: it is no JSON object"),
    ],
)
def test_a_file_that_is_no_document_is_named(
    tmp_path: Path, file: str, content: bytes, complaint: str
) -> None:
    (tmp_path / "a.json").write_text(TEXT)
    (tmp_path / file).write_bytes(content)
    with pytest.raises(PolicyRefused) as refused:
        read_roles(tmp_path)
    assert str(refused.value).startswith(f"{tmp_path / file} {complaint}")
    assert "\n" not in str(refused.value)
