"""Follow one update from end to end, and somebody's access to its end; say what is wrong where."""

import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from bellwire.answers import decode_answer
from bellwire.channels import topic_of
from bellwire.config import TOKEN_COMMAND_NAME, TOKEN_NAME, Target, default_data_dir
from bellwire.doctor import causes
from bellwire.doctor.deployed import Deployed
from bellwire.doctor.doctors_line import DoctorsLine
from bellwire.doctor.doctors_login import DoctorsLogin, choose_login
from bellwire.doctor.kicking import Kicking
from bellwire.doctor.queues import Queues
from bellwire.doctor.role_proofs import Role, prove_as
from bellwire.doctor.steps import Skipped, Step
from bellwire.errors import BellwireError, NotAllowed, Unauthenticated, Upstream
from bellwire.guest_identities import GuestFiles
from bellwire.http_calls import SIGNED_FOR_S, HttpCalls, Proof, describe_skew
from bellwire.joining import Joining
from bellwire.login_tokens import Login, bearer_headers
from bellwire.opening import Joined
from bellwire.present_json import PresentPerson, decode_present
from bellwire.publisher import HttpOutlet, Publisher
from bellwire.service_config import ServiceConfig, read_service_config
from bellwire.updates import Update

CHANNEL: Final = "public/doctor"
OWN_CHANNEL: Final = "user/me/doctor"
WITHIN_S: Final = 10.0
PRESENT_WITHIN_S: Final = 20.0
"""How long lifecycle events may take. Ours: AWS promises neither time nor order."""
PUBLISH_AGAIN_S: Final = 3.0
"""AWS may begin to deliver some seconds after the SUBACK; what was published before is lost."""
ASK_AGAIN_S: Final = 0.5


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the caller of the checkup brings.

    Attributes:
        login: who reads.
        profiles: AWS profiles of `job` and `operator`.
        kick: the test user of the login that is given, who may be kicked.
        deployed: what the stack says, where one was named.
    """

    target: Target
    login: Login = field(default_factory=Login)
    profiles: Mapping[str, str] = field(default_factory=dict)
    kick: str | None = None
    deployed: Deployed | None = None


class Checkup:
    """The steps at one service; each returns what it found in words."""

    def __init__(self, wanted: Wanted) -> None:
        self._wanted = wanted
        self._url = wanted.target.url
        self._calls = HttpCalls(self._url)
        self._mark = secrets.token_hex(8)
        self._service = ServiceConfig("", "", "", "")
        self._login = DoctorsLogin(wanted.login)
        self._joining = self._join()
        self._line: DoctorsLine | None = None
        self._published_at_s = 0.0

    def steps(self) -> list[Step]:
        """Return the steps in their order; what ends somebody's access is near the end."""
        steps = [
            Step("config", self._read_config),
            Step("session", self._open_session, ("config",)),
            Step("credentials", self._check_credentials, ("session",)),
            Step("subscribe", self._subscribe, ("credentials",)),
            Step("publish", self._publish, ("config",)),
            Step("received", self._receive, ("subscribe", "publish")),
            Step("polled", self._poll, ("publish",)),
            Step("presence", self._find_present, ("subscribe",)),
            Step("kicked", self._kick, ("subscribe",)),
        ]
        if self._wanted.deployed is None:
            return steps
        queues = Queues(self._wanted.deployed, self._mark, self._is_polled)
        return [
            *steps[:-2],
            Step("jobs", queues.have_job_done, ("config",)),
            *steps[-2:],
            Step("dead letters", queues.count_dead_letters),
        ]

    def close(self) -> None:
        """Leave."""
        if self._line is not None:
            self._line.close()

    def _read_config(self) -> str:
        with causes.of_function("poll", self._wanted.deployed):
            self._service = found = read_service_config(self._calls)
        causes.check_against_stack(found, self._wanted.deployed)
        return f"stage {found.stage} in {found.region}, {found.iot_url}"

    def _open_session(self) -> str:
        self._login = choose_login(
            self._wanted.login, self._url, self._calls, self._service, f"doctor.{self._mark}"
        )
        self._joining = self._join()
        with causes.of_function("session", self._wanted.deployed):
            identity_id = self._joined().identity_id
        if self._joining.is_guest:
            return f"a guest, {identity_id}"
        name = f" {self._login.made_up}" if self._login.made_up else ""
        return f"a member,{name} {identity_id}"

    def _join(self) -> Joining:
        """As a guest be the one that the other commands are."""
        return Joining(self._calls, self._login.login, GuestFiles(default_data_dir() / "guests"))

    def _check_credentials(self) -> str:
        if abs(self._calls.ahead_s) > SIGNED_FOR_S:
            raise Unauthenticated(describe_skew(self._url, self._calls.ahead_s))
        left_s = self._joined().credentials.expires_at_ms / 1000 - time.time()
        if left_s <= 0:
            raise Upstream(f"the credentials ended {-left_s:.0f} s ago: is a clock wrong?")
        return f"for {left_s / 60:.0f} minutes"

    def _subscribe(self) -> str:
        joined = self._joined()
        self._line = DoctorsLine(self._service, joined, self._mark, is_guest=self._joining.is_guest)
        names = [CHANNEL] if self._joining.is_guest else [CHANNEL, OWN_CHANNEL]
        topics = [
            topic_of(self._service.stage, name.replace("/me/", f"/{joined.identity_id}/"))
            for name in names
        ]
        self._line.subscribe(topics)
        return ", ".join(topics)

    def _publish(self) -> str:
        proof, whose = self._prove("job")
        self._published_at_s = time.monotonic()
        with causes.of_function("publish", self._wanted.deployed):
            publisher = Publisher(HttpOutlet(self._url, proof))
            try:
                place = publisher.event(CHANNEL, {"doctor": self._mark})
            except BellwireError as error:
                raise causes.with_whose(error, whose) from error
        return f"{CHANNEL} {place.epoch} {place.seq}" + (f", {whose}" if whose else "")

    def _receive(self) -> str:
        assert self._line is not None  # noqa: S101 - it needs the step that opens it
        until_s = time.monotonic() + WITHIN_S
        while time.monotonic() < until_s:
            if self._line.hears(self._is_in, PUBLISH_AGAIN_S):
                return f"after {(time.monotonic() - self._published_at_s) * 1000:.0f} ms"
            self._publish()
        raise Upstream(
            causes.of_silence(WITHIN_S, self._line.topics[0], self._service, self._wanted.deployed)
        )

    def _poll(self) -> str:
        with causes.of_function("poll", self._wanted.deployed):
            found = self._is_polled(self._mark)
        if found is None:
            raise Upstream(f"what was published is not among the newest updates of {CHANNEL}")
        return found

    def _is_polled(self, mark: str) -> str | None:
        """Return the channel and its position if what bears a mark is among its newest updates."""
        query = {"channels": CHANNEL, "rewind": "10"}
        answer = decode_answer(self._calls.get("/v1/updates", query, self._bearer()))
        found = answer.channels.get(CHANNEL)
        if found is None or not self._is_in(found.updates, mark):
            return None
        return f"{CHANNEL} {found.epoch} {found.last}"

    def _find_present(self) -> str | Skipped:
        channel = self._present_channel()
        if channel is None:
            return Skipped(
                "presence is switched off for "
                + ("guests' channels" if self._joining.is_guest else "public/ and user/")
                + (f"; on user/ it is asked with {TOKEN_NAME}" if self._needs_login() else "")
            )
        until_s = time.monotonic() + PRESENT_WITHIN_S
        while time.monotonic() < until_s:
            with causes.of_function("presence", self._wanted.deployed):
                found = self._present_on(channel)
            if found is not None:
                name = f", {found.user}" if found.user else ""
                return f"on {channel}: {found.identity_id}{name}, connections: {found.connections}"
            time.sleep(ASK_AGAIN_S)
        raise Upstream(causes.of_absence(channel, PRESENT_WITHIN_S, self._wanted.deployed))

    def _present_channel(self) -> str | None:
        names = [CHANNEL] if self._joining.is_guest else [CHANNEL, OWN_CHANNEL]
        return next((n for n in names if n.partition("/")[0] in self._service.presence), None)

    def _needs_login(self) -> bool:
        return self._joining.is_guest and "user" in self._service.presence

    def _present_on(self, channel: str) -> PresentPerson | None:
        body = self._calls.get("/v1/presence", {"channel": channel}, self._bearer())
        identity_id = self._joined().identity_id
        return next((one for one in decode_present(body) if one.identity_id == identity_id), None)

    def _kick(self) -> str | Skipped:
        assert self._line is not None  # noqa: S101 - it needs the step that opens it
        why_not = self._login.why_not_kicked(self._wanted.kick)
        if why_not is not None:
            return Skipped(why_not)
        name = self._wanted.kick or self._login.made_up or ""
        if self._login.made_up is None:
            self._check_name(name)
        proof, whose = self._prove("operator")
        kicking = Kicking(
            HttpCalls(self._url, proof),
            self._calls,
            self._joining,
            self._service,
            self._wanted.deployed,
        )
        try:
            return kicking.kick(name, self._line, is_renewable=self._login.login.is_renewable)
        except BellwireError as error:
            raise causes.with_whose(error, whose) from error

    def _check_name(self, name: str) -> None:
        """Make sure that whoever may be kicked is who has logged in; else nobody is."""
        mine = self._joined().identity_id
        if name == mine:
            return
        proof, _ = self._prove("job")
        found = Publisher(HttpOutlet(self._url, proof)).user(name).identity_id
        if found != mine:
            raise NotAllowed(
                f"nobody was kicked: {name!r:.80} is {found}, but {mine} has logged in by"
                f" {TOKEN_NAME} or {TOKEN_COMMAND_NAME}"
            )

    def _joined(self) -> Joined:
        return self._joining.session(self._service)

    def _bearer(self) -> Mapping[str, str]:
        """A guest's is none, unless everybody has to log in."""
        return {} if self._joining.is_guest else bearer_headers(self._joined().token)

    def _prove(self, role: Role) -> tuple[Proof, str]:
        wanted = self._wanted
        return prove_as(role, wanted.target, self._service.region, wanted.profiles, wanted.deployed)

    def _is_in(self, updates: tuple[Update, ...], mark: str | None = None) -> bool:
        return any(update.data == {"doctor": mark or self._mark} for update in updates)
