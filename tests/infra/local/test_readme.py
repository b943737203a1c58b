"""What the stand-in's README says is so: its tests exist, its numbers and settings are the code's.

Its examples run as they stand.
"""

import ast
import json
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from playwright.sync_api import Browser

from bellwire_local.dev.emulating import emulate
from bellwire_local.dev.settings import Emulation
from bellwire_local.dev.setup import apply_setup
from bellwire_local.errors import ChoiceRefused
from bellwire_local.identity import quotas as identity_quotas
from bellwire_local.identity.quotas import IdentityQuotas
from bellwire_local.iot import limits
from bellwire_local.iot.admission import EdgeChoices
from bellwire_local.iot.authorization import PolicyChoices
from bellwire_local.iot.choices import Choices
from bellwire_local.iot.limits import Limits
from bellwire_local.stand_in import StandInSettings
from browsers import watched_page
from documents import REPOSITORY, blocks
from infra.local.command_process import running_command

HERE = Path(__file__).parent
AWS4FETCH = REPOSITORY / "tests" / "node_modules" / "aws4fetch" / "dist" / "aws4fetch.esm.js"
PAGE = "infra/local/README.md"
SETUP = HERE / "setup_example.json"
TEXT = (REPOSITORY / PAGE).read_text()
Row = dict[str, str]

POOL_CHOICES = {
    *("developer_tokens_need_classic_flow", "throttled_status"),
    *("tokens_renew_themselves", "tokens_outlive_unlinking"),
}
NOT_A_NUMBER_OF_AWS = {"PAYLOAD_BYTES"}
"""It repeats a quota for those who are not given `Limits`."""


def rows_under(first_cell: str) -> list[Row]:
    """Return the rows of every table whose first heading is this, by heading."""
    rows: list[Row] = []
    lines = iter(TEXT.splitlines())
    for line in lines:
        headings = cells_of(line)
        if headings[:1] == [first_cell]:
            next(lines)
            rows += [dict(zip(headings, cells, strict=True)) for cells in table_body(lines)]
    assert rows, f"no table begins with {first_cell!r}"
    return rows


def table_body(lines: Iterator[str]) -> Iterator[list[str]]:
    for line in lines:
        if not line.startswith("|"):
            return
        yield cells_of(line)


def cells_of(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")] if line.startswith("|") else []


def codes_in(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def named_tests(text: str) -> list[str]:
    return re.findall(r"`((?:[\w.]+/)*test_\w+\.py(?:::\w+)?)`", text)


def link_in(cell: str) -> str:
    """Return where a cell's reference leads, `[mqtt]` by the line `[mqtt]: https://…`."""
    (reference,) = re.findall(r"\[([^\]]+)\]", cell)
    return targets()[reference]


def targets() -> dict[str, str]:
    return dict(re.findall(r"^\[([^\]]+)\]: (https?://\S+)$", TEXT, re.MULTILINE))


def numbers_of(module: ModuleType) -> dict[str, float]:
    return {
        name: value
        for name, value in vars(module).items()
        if name.isupper() and not name.startswith("_") and isinstance(value, int | float)
    }


def choices() -> dict[str, Any]:
    """Return every setting for what is not known of AWS, with its default."""
    settings = StandInSettings(data_dir=Path("unused"))
    held = [settings.choices, settings.edge, settings.policy_choices, settings.pool]
    names = POOL_CHOICES | {
        each.name for kind in (Choices, EdgeChoices, PolicyChoices) for each in fields(kind)
    }
    return {
        name: getattr(holder, name) for holder in held for name in names if hasattr(holder, name)
    }


def written(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


@pytest.mark.parametrize("named", sorted(set(named_tests(TEXT))))
def test_the_tests_named_are_there(named: str) -> None:
    path, _, function = named.partition("::")
    tree = ast.parse((HERE / path).read_text())
    found = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    assert not function or function in found


@pytest.mark.parametrize("heading", ["subject", "name"])
def test_every_row_names_a_test(heading: str) -> None:
    rows = rows_under(heading)
    assert rows
    assert [row[heading] for row in rows if not named_tests(row["test"])] == []


def test_what_holds_names_its_tests() -> None:
    rows = rows_under("#")
    assert [row["#"] for row in rows] == [str(number) for number in range(1, 12)]
    assert {row["holds"].partition(":")[0] for row in rows} <= {"yes", "partly", "no"}
    assert [
        row["#"]
        for row in rows
        if not row["holds"].startswith("no") and not named_tests(row["test"])
    ] == []


def test_the_settings_are_those_of_the_code() -> None:
    shown = {codes_in(row["name"])[0]: codes_in(row["default"]) for row in rows_under("name")}
    assert shown == {name: [written(value)] for name, value in choices().items()}


@pytest.mark.parametrize("row", rows_under("name"), ids=lambda row: codes_in(row["name"])[0])
def test_the_values_of_a_setting_are_those_that_can_be_said(row: Row) -> None:
    (name,) = codes_in(row["name"])
    settings = StandInSettings(data_dir=Path("unused"))
    values = codes_in(row["values"])
    with pytest.raises(ChoiceRefused) as refused:
        emulate(settings, Emulation(choices=(f"{name}=no such value",)))
    assert sorted(values) == sorted(str(refused.value).partition("expected ")[2].split(" or "))
    made = [emulate(settings, Emulation(choices=(f"{name}={value}",))) for value in values]
    assert all(one != other for place, one in enumerate(made) for other in made[:place])
    assert [emulate(settings, Emulation())] == [
        one for one, value in zip(made, values, strict=True) if value in codes_in(row["default"])
    ]


def test_the_quotas_are_those_of_the_code() -> None:
    shown = [
        (codes_in(row["quota"])[0], row["number"], row["unit"], row["adjustable on AWS"])
        for row in rows_under("quota")
    ]
    assert shown == [
        (
            each.name,
            f"{each.default:,}",
            each.metadata["unit"],
            "yes" if each.metadata["is_adjustable"] else "no",
        )
        for each in (*fields(Limits), *fields(IdentityQuotas))
    ]


def test_the_sources_of_the_quotas_are_those_of_the_code() -> None:
    shown = [link_in(row["source"]) for row in rows_under("quota")]
    declared: Sequence[Any] = (*fields(Limits), *fields(IdentityQuotas))
    assert shown == [each.metadata["source"] for each in declared]


def test_the_numbers_that_stay_are_those_of_the_code() -> None:
    known = numbers_of(limits) | numbers_of(identity_quotas)
    shown = {codes_in(row["stays"])[0]: row["number"] for row in rows_under("stays")}
    expected = {name: f"{value:,}" for name, value in known.items()}
    assert shown == {k: v for k, v in expected.items() if k not in NOT_A_NUMBER_OF_AWS}


def test_every_reference_is_defined_and_used() -> None:
    prose = re.sub(r"```.*?```|`[^`\n]*`", "", TEXT, flags=re.DOTALL)
    used = set(re.findall(r"(?<!\])\[([^\]\n]+)\](?![(:\[])", prose))
    assert used == set(targets())


def test_the_examples_run_as_they_stand(tmp_path: Path) -> None:
    examples = blocks(PAGE, "python")
    with running_command(tmp_path, "--tls", "--setup", str(SETUP)) as (ready, _):
        (tmp_path / "ready.json").write_text(json.dumps(ready))
        told = [run(example, tmp_path) for example in examples]
    assert told[:4] == ["", "dev/public/door b'open'\n", "", ""]
    assert told[4].startswith("http://127.0.0.1:")
    assert len(told) == 5


def test_the_setup_shown_is_the_one_that_is_tested() -> None:
    shown = [json.loads(block) for block in blocks(PAGE, "json") if "developer_provider" in block]
    assert shown == [json.loads(SETUP.read_text())]


def test_the_opaque_providers_shown_can_be_set_up(tmp_path: Path) -> None:
    (shown,) = (block for block in blocks(PAGE, "json") if "profile_url" in block)
    (tmp_path / "setup.json").write_text(shown)
    pool = apply_setup(StandInSettings(tmp_path, {}), tmp_path / "setup.json").pool
    assert sorted(pool.providers) == ["graph.facebook.com", "login.test", "www.amazon.com"]


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve files on 127.0.0.1, where alone a page may reach a socket of this machine."""
    handler = partial(QuietFiles, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


class QuietFiles(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Keep quiet."""


def test_the_example_of_a_page_opens_a_socket(tmp_path: Path, browser: Browser) -> None:
    (example,) = blocks(PAGE, "js")
    shutil.copy(AWS4FETCH, tmp_path / "aws4fetch.js")
    with (
        running_command(tmp_path) as (ready, _),
        served(tmp_path) as origin,
        watched_page(browser) as page,
    ):
        here = ready["iot"].replace("ws:", "http:")
        script = example.replace("http://127.0.0.1:8081/mqtt", here)
        (tmp_path / "page.html").write_text(page_of(script, ready["job"]))
        page.goto(f"{origin}/page.html")
        page.wait_for_function("document.title === 'open mqtt'", timeout=15_000)


def page_of(script: str, keys: dict[str, str]) -> str:
    return f"""<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,">
<script type="importmap">{{"imports": {{"aws4fetch": "./aws4fetch.js"}}}}</script>
<script type="module">
const accessKeyId = {json.dumps(keys["access_key_id"])}, sessionToken = undefined;
const secretAccessKey = {json.dumps(keys["secret_access_key"])};
{script}
socket.onopen = () => {{ document.title = `open ${{socket.protocol}}`; }};
</script>"""


def run(example: str, directory: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", example],
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout
