"""Where a key is left and found."""

from pathlib import Path

import pytest

from bellwire.config import key_files, target_of
from bellwire.errors import Malformed


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    runtime = tmp_path / "runtime"
    runtime.mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    return tmp_path


def test_a_key_is_left_in_the_runtime_directory(home: Path) -> None:
    assert key_files(8080)[0] == home / "runtime" / "bellwire" / "8080.key"


def test_a_session_without_a_private_runtime_directory_uses_the_state_directory(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "runtime").chmod(0o755)
    assert len(key_files(8080)) == 1
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    assert [home in path.parents for path in key_files(8080)] == [True]


def test_the_port_of_the_url_names_the_key(home: Path) -> None:
    path = key_files(9090)[-1]
    path.parent.mkdir(parents=True)
    path.write_text("secret\n")
    assert home in path.parents
    assert target_of({"BELLWIRE_URL": "http://127.0.0.1:9090/"}).key == "secret"
    assert target_of({"BELLWIRE_URL": "http://127.0.0.1:9091"}).key is None
    given = {"BELLWIRE_URL": "http://127.0.0.1:9090", "BELLWIRE_KEY": "mine"}
    assert target_of(given).key == "mine"
    assert target_of({}).url == "http://127.0.0.1:8080"


def test_a_key_is_offered_to_this_machine_alone(home: Path) -> None:
    path = key_files(9090)[-1]
    path.parent.mkdir(parents=True)
    path.write_text("secret")
    assert home in path.parents
    for url in ("http://127.0.0.2:9090", "http://example.org:9090"):
        assert target_of({"BELLWIRE_URL": url}).key is None
    path.write_bytes(b"\xff\xfe")
    assert target_of({"BELLWIRE_URL": "http://localhost:9090"}).key is None


@pytest.mark.parametrize(
    "environment",
    [
        {"BELLWIRE_URL": "127.0.0.1:8080"},
        {"BELLWIRE_URL": "http://127.0.0.1:99999"},
        {"BELLWIRE_URL": "http://[::1"},
        {"BELLWIRE_URL": "ftp://127.0.0.1"},
        {"BELLWIRE_KEY": "two\nlines"},
        {"BELLWIRE_KEY": "é"},
    ],
)
def test_an_environment_that_cannot_be_is_a_clear_error(environment: dict[str, str]) -> None:
    with pytest.raises(Malformed, match="expected BELLWIRE_"):
        target_of(environment)
