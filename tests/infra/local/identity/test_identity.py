"""Credentials, guest identities and the keyring, each across a restart."""

import json
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateNumbers

from bellwire_local.errors import DataDirectoryUnusable
from bellwire_local.identity.credentials import (
    CredentialIssuer,
    Credentials,
    CredentialsExpired,
    CredentialsRefused,
)
from bellwire_local.identity.identities import GuestIdentities
from bellwire_local.identity.keyring import KEYRING_FILE, Keyring, open_keyring
from bellwire_local.identity.principals import Principal

MASTER_KEY = bytes(range(32))
GUEST = Principal(
    "000000000000", "guest_role", "CognitoIdentityCredentials", "us-east-1:x", "pool", ("a", "b")
)
JOB = Principal("000000000000", "publisher_role", "job")


def test_temporary_credentials_prove_themselves_to_another_issuer() -> None:
    issued = CredentialIssuer(MASTER_KEY).issue_temporary(GUEST, 100, 900)
    assert issued.access_key_id.startswith("ASIA")
    assert len(issued.access_key_id) == 20
    assert len(issued.secret_access_key) == 40
    restarted = CredentialIssuer(MASTER_KEY)
    grant = restarted.look_up(issued.access_key_id, issued.session_token, 999.9)
    assert grant.principal == GUEST
    assert grant.secret_access_key == issued.secret_access_key


def test_credentials_of_another_emulator_are_taken_as_they_are() -> None:
    issuer = CredentialIssuer(MASTER_KEY)
    issuer.adopt(Credentials("ASIAOTHER", "its secret", "its token", 900), JOB)
    grant = issuer.look_up("ASIAOTHER", "its token", 899.9)
    assert (grant.principal, grant.secret_access_key) == (JOB, "its secret")
    for token in ("another", None, ""):
        with pytest.raises(CredentialsRefused):
            issuer.look_up("ASIAOTHER", token, 0)
    with pytest.raises(CredentialsExpired):
        issuer.look_up("ASIAOTHER", "its token", 900)
    with pytest.raises(CredentialsRefused):
        CredentialIssuer(MASTER_KEY).look_up("ASIAOTHER", "its token", 0)


def test_temporary_credentials_expire() -> None:
    issuer = CredentialIssuer(MASTER_KEY)
    issued = issuer.issue_temporary(GUEST, 100, 900)
    with pytest.raises(CredentialsRefused, match="expired"):
        issuer.look_up(issued.access_key_id, issued.session_token, 1000)


def test_credentials_can_be_made_to_expire_early() -> None:
    issuer = CredentialIssuer(MASTER_KEY)
    before = issuer.issue_temporary(GUEST, 100, 900)
    issuer.shorten(60)
    after = issuer.issue_temporary(GUEST, 100, 900)
    assert after.expires_at == 160
    for issued in (before, after):
        grant = issuer.look_up(issued.access_key_id, issued.session_token, 159.9)
        assert grant.expires_at == 160
        with pytest.raises(CredentialsExpired):
            issuer.look_up(issued.access_key_id, issued.session_token, 160)
    issuer.shorten(None)
    assert issuer.look_up(before.access_key_id, before.session_token, 999).expires_at == 1000
    with pytest.raises(CredentialsExpired):
        issuer.look_up(after.access_key_id, after.session_token, 160)


def test_tokens_do_not_fit_other_keys_or_other_masters() -> None:
    issuer = CredentialIssuer(MASTER_KEY)
    one, other = issuer.issue_temporary(GUEST, 100, 900), issuer.issue_temporary(GUEST, 100, 900)
    token = one.session_token or ""
    for access_key_id, session_token in (
        (other.access_key_id, token),
        (one.access_key_id, None),
        (one.access_key_id, ""),
        (one.access_key_id, token[:-4]),
        (one.access_key_id, "A" + token[1:] if token[0] != "A" else "B" + token[1:]),
        (one.access_key_id, "é"),
    ):
        with pytest.raises(CredentialsRefused, match="invalid"):
            issuer.look_up(access_key_id, session_token, 0)
    with pytest.raises(CredentialsRefused, match="invalid"):
        CredentialIssuer(b"x" * 32).look_up(one.access_key_id, token, 0)


def test_credentials_of_an_account_that_is_gone_are_refused() -> None:
    issued = CredentialIssuer(MASTER_KEY).issue_temporary(GUEST, 100, 900)
    here = CredentialIssuer(MASTER_KEY, {"000000000000"})
    assert here.look_up(issued.access_key_id, issued.session_token, 100).principal == GUEST
    elsewhere = CredentialIssuer(MASTER_KEY, {"111111111111"})
    with pytest.raises(CredentialsRefused, match="invalid"):
        elsewhere.look_up(issued.access_key_id, issued.session_token, 100)


def test_long_lived_credentials_are_the_same_after_a_restart() -> None:
    first = CredentialIssuer(MASTER_KEY).issue_long_lived(JOB)
    restarted = CredentialIssuer(MASTER_KEY)
    with pytest.raises(CredentialsRefused):
        restarted.look_up(first.access_key_id, None, 0)
    assert restarted.issue_long_lived(JOB) == first
    assert first.access_key_id.startswith("AKIA")
    assert first.session_token is None
    assert first.expires_at is None
    assert restarted.look_up(first.access_key_id, None, 10**10).principal == JOB
    assert restarted.issue_long_lived(Principal("000000000000", "operator_role", "job")) != first


def test_guest_identities_are_known_again_and_cannot_be_made_up() -> None:
    identity_id = GuestIdentities(MASTER_KEY, "us-east-1", "pool").create()
    again = GuestIdentities(MASTER_KEY, "us-east-1", "pool")
    assert again.is_known(identity_id)
    assert again.create() != identity_id
    other_digit = "0" if identity_id[-1] != "0" else "1"
    for made_up in (
        identity_id[:-1] + other_digit,
        identity_id.upper(),
        identity_id.replace("us-east-1", "eu-west-1"),
        "us-east-1:11111111-1111-4111-8111-111111111111",
        "us-east-1:",
        "",
        "é",
    ):
        assert not again.is_known(made_up)
    assert not GuestIdentities(MASTER_KEY, "us-east-1", "other").is_known(identity_id)
    assert not GuestIdentities(b"x" * 32, "us-east-1", "pool").is_known(identity_id)


def test_keyring_is_made_once_and_private(tmp_path: Path) -> None:
    data_dir = tmp_path / "new" / "data"
    made = _numbers(open_keyring(data_dir))
    assert _numbers(open_keyring(data_dir)) == made
    assert stat.S_IMODE((data_dir / KEYRING_FILE).stat().st_mode) == 0o600
    assert stat.S_IMODE(data_dir.stat().st_mode) == 0o700
    assert [path.name for path in data_dir.iterdir()] == [KEYRING_FILE]
    other = _numbers(open_keyring(tmp_path / "other"))
    assert [one == another for one, another in zip(made, other, strict=True)] == [False] * 3


def test_a_keyring_of_version_1_keeps_its_keys_and_gets_one_to_sign_with(tmp_path: Path) -> None:
    path = tmp_path / KEYRING_FILE
    guid = "11111111-1111-4111-8111-111111111111"
    master_key = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
    path.write_text(json.dumps({"version": 1, "master_key": master_key, "pool_guid": guid}))
    upgraded = open_keyring(tmp_path)
    assert upgraded.master_key == MASTER_KEY
    assert upgraded.pool_guid == guid
    assert upgraded.signing_key.key_size == 2048
    assert _numbers(open_keyring(tmp_path)) == _numbers(upgraded)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert json.loads(path.read_text())["version"] == 2


def test_processes_that_start_together_read_one_keyring(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as starting:
        opened = list(starting.map(lambda _: _numbers(open_keyring(tmp_path)), range(8)))
    assert opened == [opened[0]] * 8


def _numbers(keyring: Keyring) -> tuple[bytes, str, RSAPrivateNumbers]:
    return keyring.master_key, keyring.pool_guid, keyring.signing_key.private_numbers()


@pytest.mark.parametrize(
    "content",
    [
        "",
        "not json",
        "[]",
        "{}",
        json.dumps({"version": 1, "master_key": "AAAA", "pool_guid": "x"}),
        json.dumps({"version": 1, "master_key": "AAAA", "pool_guid": str("0" * 32)}),
        json.dumps({"version": 2, "master_key": "A" * 43 + "=", "pool_guid": "0" * 32}),
        json.dumps(
            {"version": 2, "master_key": "A" * 43 + "=", "pool_guid": "0" * 32, "signing_key": "x"}
        ),
        json.dumps({"version": 3, "master_key": "A" * 43 + "=", "pool_guid": "0" * 32}),
    ],
)
def test_a_damaged_keyring_is_named_and_left_alone(tmp_path: Path, content: str) -> None:
    path = tmp_path / KEYRING_FILE
    path.write_text(content)
    with pytest.raises(DataDirectoryUnusable) as caught:
        open_keyring(tmp_path)
    assert str(path) in str(caught.value)
    assert path.read_text() == content


def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataDirectoryUnusable) as caught:
        open_keyring(tmp_path / "file" / "data")
    assert str(tmp_path / "file" / "data") in str(caught.value)
    assert "Not a directory" in str(caught.value)
