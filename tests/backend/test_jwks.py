"""An issuer's keys: fetched over real HTTP, rotated, withdrawn, and gone when it is down."""

import json
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from backend.conftest import Clock
from bellwire.errors import Unauthenticated, Upstream
from bellwire.json_web_tokens import Expected, verify
from bellwire.jwks import FRESH_S, MAX_BYTES, WAIT_S, JwksKeys, fetch_from
from infra.local.identity.oidc_issuer import AUDIENCE, Issuer, jwk_of, make_key, running_issuer

KEY = make_key()
OTHER_KEY = make_key()


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with running_issuer() as running:
        yield running


@pytest.fixture
def keys(issuer: Issuer, clock: Clock) -> JwksKeys:
    return JwksKeys(fetch_from(f"{issuer.url}/keys"), clock.monotonic_s)


@dataclass
class Listed:
    """What an issuer answers, and how often it was asked; an error is raised."""

    answer: bytes | Upstream
    asked: int = 0
    before: list[Any] = field(default_factory=list)

    def fetch(self) -> bytes:
        self.asked += 1
        for wait in self.before:
            wait()
        if isinstance(self.answer, Upstream):
            raise self.answer
        return self.answer


def listing(*keys: Any) -> bytes:
    return json.dumps({"keys": keys}).encode()


def test_a_token_is_checked_with_the_key_that_it_names(
    issuer: Issuer, keys: JwksKeys, clock: Clock
) -> None:
    issuer.keys["two"] = OTHER_KEY
    issuer.publish()
    now_s = clock.now_ms / 1000
    expected = Expected(issuer.url, AUDIENCE)
    times = {"iat": int(now_s), "exp": int(now_s) + 600}
    for key_id in ("one", "two"):
        token = issuer.sign("ann", key_id, **times)
        assert verify(token, keys, expected, now_s)["sub"] == "ann"
    swapped = Issuer(issuer.url, {"one": OTHER_KEY}).sign("ann", "one", **times)
    with pytest.raises(Unauthenticated, match="Signature verification failed"):
        verify(swapped, keys, expected, now_s)
    assert issuer.asked == ["/keys"]


def test_nothing_is_fetched_before_it_is_needed(issuer: Issuer, keys: JwksKeys) -> None:
    del keys
    assert issuer.asked == []


def test_a_new_key_is_fetched_and_the_old_one_goes(
    issuer: Issuer, keys: JwksKeys, clock: Clock
) -> None:
    keys.find("one", "RS256")
    issuer.keys = {"two": OTHER_KEY}
    issuer.publish()
    clock.advance(WAIT_S)
    keys.find("one", "RS256")  # nothing says yet that it has been replaced
    keys.find("two", "RS256")
    assert issuer.asked == ["/keys", "/keys"]
    with pytest.raises(Unauthenticated, match="a key that its issuer does not list"):
        keys.find("one", "RS256")


def test_made_up_keys_make_no_request_each(issuer: Issuer, keys: JwksKeys, clock: Clock) -> None:
    keys.find("one", "RS256")
    for number in range(201):
        with pytest.raises(Unauthenticated, match="does not list"):
            keys.find(f"made-up-{number}", "RS256")
        clock.advance(0.1)
    assert len(issuer.asked) == 3  # at 0, 10 and 20 s


def test_keys_that_are_in_use_are_asked_for_again_after_an_hour(
    issuer: Issuer, keys: JwksKeys, clock: Clock
) -> None:
    for _ in range(4):
        keys.find("one", "RS256")
        clock.advance(FRESH_S / 4)
    assert issuer.asked == ["/keys"]
    keys.find("one", "RS256")
    assert issuer.asked == ["/keys", "/keys"]
    issuer.keys = {"two": OTHER_KEY}
    issuer.publish()
    clock.advance(FRESH_S)
    with pytest.raises(Unauthenticated, match="does not list"):
        keys.find("one", "RS256")


def test_old_keys_go_on_when_the_issuer_is_down(
    issuer: Issuer, keys: JwksKeys, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    found = keys.find("one", "RS256")
    issuer.answers = {}
    for _ in range(5):
        clock.advance(FRESH_S)
        assert keys.find("one", "RS256") is found
        assert keys.find("one", "RS256") is found
    assert len(issuer.asked) == 6
    assert "the issuer's keys are those of before: expected keys at" in caplog.text
    with pytest.raises(Unauthenticated, match="does not list"):
        keys.find("two", "RS256")


def test_an_issuer_that_never_answered_is_asked_each_time(issuer: Issuer, keys: JwksKeys) -> None:
    answers, issuer.answers = issuer.answers, {}
    for _ in range(2):
        with pytest.raises(Upstream, match="found HTTP 404"):
            keys.find("one", "RS256")
    issuer.answers = answers
    keys.find("one", "RS256")


def test_a_token_that_names_no_key_is_for_the_only_one(clock: Clock) -> None:
    named = JwksKeys(Listed(listing(jwk_of(KEY, "one"))).fetch, clock.monotonic_s)
    named.find(None, "RS256")
    nameless = {name: value for name, value in jwk_of(KEY, "").items() if name != "kid"}
    only = JwksKeys(Listed(listing(nameless)).fetch, clock.monotonic_s)
    only.find(None, "RS256")
    with pytest.raises(Unauthenticated):
        only.find("one", "RS256")
    two = JwksKeys(
        Listed(listing(jwk_of(KEY, "one"), jwk_of(OTHER_KEY, "two"))).fetch, clock.monotonic_s
    )
    with pytest.raises(Unauthenticated, match="does not list"):
        two.find(None, "RS256")


def test_tokens_that_name_no_key_do_not_make_a_request_each(clock: Clock) -> None:
    listed = Listed(listing(jwk_of(KEY, "one")))
    keys = JwksKeys(listed.fetch, clock.monotonic_s)
    for _ in range(20):
        keys.find(None, "RS256")
        clock.advance(WAIT_S)
    assert listed.asked == 1


KINDS: dict[str, tuple[Any, Any]] = {
    "ES256": (ECAlgorithm, ec.generate_private_key(ec.SECP256R1())),
    "ES384": (ECAlgorithm, ec.generate_private_key(ec.SECP384R1())),
    "ES512": (ECAlgorithm, ec.generate_private_key(ec.SECP521R1())),
    "EdDSA": (OKPAlgorithm, ed25519.Ed25519PrivateKey.generate()),
    "RS512": (RSAAlgorithm, KEY),
    "PS256": (RSAAlgorithm, OTHER_KEY),
}


def test_every_kind_of_public_key_is_used(clock: Clock) -> None:
    listed = [
        {**json.loads(kind.to_jwk(key.public_key())), "kid": name, "alg": name}
        for name, (kind, key) in KINDS.items()
    ]
    keys = JwksKeys(Listed(listing(*listed)).fetch, clock.monotonic_s)
    now_s = clock.now_ms / 1000
    for name, (_, key) in KINDS.items():
        token = jwt.encode({"exp": now_s + 9}, key, name, {"kid": name})
        assert verify(token, keys, Expected(None, None, ("exp",)), now_s) == {"exp": now_s + 9}


def test_a_key_that_names_no_algorithm_is_for_those_of_its_kind(clock: Clock) -> None:
    """As many issuers list them; PyJWT by itself takes such a key for RS256 alone."""
    keys = JwksKeys(Listed(listing(jwk_of(KEY, "one"))).fetch, clock.monotonic_s)
    now_s = clock.now_ms / 1000
    for algorithm in ("RS256", "RS512", "PS256"):
        token = jwt.encode({"exp": now_s + 9}, KEY, algorithm, {"kid": "one"})
        assert verify(token, keys, Expected(None, None, ("exp",)), now_s)
    with pytest.raises(Unauthenticated, match="not for the algorithm"):
        keys.find("one", "ES256")


def test_a_key_is_for_its_own_algorithm_alone(clock: Clock) -> None:
    keys = JwksKeys(
        Listed(listing({**jwk_of(KEY, "one"), "alg": "RS512"})).fetch, clock.monotonic_s
    )
    now_s = clock.now_ms / 1000
    expected = Expected(None, None, ("exp",))
    for algorithm in ("RS256", "PS512"):
        token = jwt.encode({"exp": now_s + 9}, KEY, algorithm, {"kid": "one"})
        with pytest.raises(Unauthenticated):
            verify(token, keys, expected, now_s)
    verify(jwt.encode({"exp": now_s + 9}, KEY, "RS512", {"kid": "one"}), keys, expected, now_s)


BROKEN_KEYS: list[Any] = [
    {"kty": "oct", "kid": "x", "k": "c2VjcmV0"},
    {"kty": "oct", "kid": "x", "k": "c2VjcmV0", "alg": "RS256"},
    {**jwk_of(KEY, "x"), "alg": "HS256"},
    {**jwk_of(KEY, "x"), "alg": "none"},
    {**jwk_of(KEY, "x"), "alg": "XX512"},
    {**jwk_of(KEY, "x"), "alg": ["RS256"]},
    {**jwk_of(KEY, "x"), "use": "enc"},
    {**jwk_of(KEY, "x"), "n": "!"},
    {**jwk_of(KEY, "x"), "n": 7},
    {**jwk_of(KEY, "x"), "n": ""},
    {**jwk_of(KEY, "x"), "e": "AA"},
    {"kty": "RSA", "kid": "x"},
    {"kty": "EC", "kid": "x", "crv": "P-256", "x": "AA", "y": "AA"},
    {"kty": "EC", "kid": "x", "crv": ["P-256"]},
    {"kty": "EC", "kid": "x", "crv": "P-1"},
    {"kty": "OKP", "kid": "x"},
    {"kty": "OKP", "kid": "x", "crv": "Ed25519", "x": 7},
    {**jwk_of(KEY, "x"), "kid": ["x"]},
    {**jwk_of(KEY, "x"), "kid": {"x": 1}},
    {**jwk_of(KEY, "x"), "kid": 7},
    {**jwk_of(KEY, "x"), "kty": ["RSA"]},
]


@pytest.mark.parametrize("broken", BROKEN_KEYS)
def test_a_key_that_cannot_be_used_leaves_the_others(broken: Any, clock: Clock) -> None:
    good = jwk_of(OTHER_KEY, "good")
    keys = JwksKeys(Listed(listing(good, broken, good)).fetch, clock.monotonic_s)
    keys.find("good", "RS256")
    with pytest.raises(Unauthenticated, match="does not list"):
        keys.find("x", "RS256")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no JSON",
        b"\xff",
        b"null",
        b"[]",
        b'"keys"',
        b"{}",
        b'{"keys":7}',
        b'{"keys":null}',
        b'{"keys":{"kty":"RSA"}}',
        b'{"keys":["RSA"]}',
        b'{"keys":[null]}',
        b'{"keys":[{}]}',
        b"[" * 100_000,
        b"9" * 100_000,
    ],
)
def test_what_is_no_key_set_is_the_issuers_failure(body: bytes, clock: Clock) -> None:
    keys = JwksKeys(Listed(body).fetch, clock.monotonic_s)
    with pytest.raises(Upstream, match="expected a JSON Web Key Set"):
        keys.find("one", "RS256")
    listed = Listed(listing(jwk_of(KEY, "one")))
    keys = JwksKeys(listed.fetch, clock.monotonic_s)
    found = keys.find("one", "RS256")
    listed.answer = body
    clock.advance(FRESH_S)
    assert keys.find("one", "RS256") is found


def test_more_than_a_key_set_may_be_is_not_read(issuer: Issuer, keys: JwksKeys) -> None:
    issuer.answers["/keys"] += b" " * MAX_BYTES
    with pytest.raises(Upstream, match="expected keys at"):
        keys.find("one", "RS256")
    issuer.publish()
    keys.find("one", "RS256")


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/", "http://[", "ftp://x/"])
def test_an_issuer_that_is_not_there_is_told(url: str) -> None:
    with pytest.raises(Upstream, match="cannot fetch the keys of"):
        fetch_from(url)()


def test_an_issuer_that_breaks_off_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            for _ in range(2):  # it is asked once more
                connection, _ = server.accept()
                with connection:
                    connection.recv(65_536)
                    connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{")

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        with pytest.raises(Upstream, match="cannot fetch the keys of"):
            fetch_from(f"http://127.0.0.1:{server.getsockname()[1]}/")()


def test_a_slow_issuer_holds_up_nobody_whose_key_is_known(clock: Clock) -> None:
    listed = Listed(listing(jwk_of(KEY, "one")))
    keys = JwksKeys(listed.fetch, clock.monotonic_s)
    found = keys.find("one", "RS256")
    is_asked, may_answer = threading.Event(), threading.Event()
    listed.before = [is_asked.set, lambda: may_answer.wait(10)]
    clock.advance(FRESH_S)
    with ThreadPoolExecutor(1) as pool:
        stranger = pool.submit(keys.find, "made-up", "RS256")
        assert is_asked.wait(10)
        assert keys.find("one", "RS256") is found
        assert keys.find("one", "RS256") is found
        assert not stranger.done()
        may_answer.set()
        with pytest.raises(Unauthenticated):
            stranger.result(10)
    assert listed.asked == 2


def test_many_at_once_ask_once_and_all_wait_for_the_answer(clock: Clock) -> None:
    listed = Listed(listing(jwk_of(KEY, "one")))
    keys = JwksKeys(listed.fetch, clock.monotonic_s)
    is_asked, may_answer = threading.Event(), threading.Event()
    listed.before = [is_asked.set, lambda: may_answer.wait(10)]
    with ThreadPoolExecutor(8) as pool:
        waiting = [pool.submit(keys.find, "one", "RS256") for _ in range(64)]
        assert is_asked.wait(10)
        may_answer.set()
        found = {id(waiter.result(10)) for waiter in waiting}
    assert len(found) == listed.asked == 1
