"""What sizes are measured by."""

import json
import random
from pathlib import Path

import pytest

from benchmarks.sizes import EXAMPLES, PEERS, bundle, in_words, version_of


def test_a_size_in_words() -> None:
    # Ten bytes of header, eight of trailer, and what cannot be packed with five of its own.
    script = random.Random(7).randbytes(2_000)
    assert in_words(script) == "  2,023 bytes gzipped,   2,000 minified"


def test_an_example_is_bundled_without_what_it_does_not_use(tmp_path: Path) -> None:
    (tmp_path / "library.js").write_text(
        "export const used = () => 'kept';\nexport const unused = () => 'left out';\n"
    )
    example = tmp_path / "example.js"
    example.write_text("import { used } from './library.js';\nconsole.log(used());\n")
    made = bundle(example)
    assert b"kept" in made
    assert b"left out" not in made


def test_an_example_that_cannot_be_bundled_says_why(tmp_path: Path) -> None:
    example = tmp_path / "example.js"
    example.write_text("import 'not-installed';\n")
    with pytest.raises(RuntimeError, match=r"example\.js: .*Could not resolve \"not-installed\""):
        bundle(example)


def test_a_version_is_the_installed_one(tmp_path: Path) -> None:
    package = tmp_path / "node_modules" / "@scope" / "name"
    package.mkdir(parents=True)
    (package / "package.json").write_text('{"name": "@scope/name", "version": "1.2.3"}')
    assert version_of(tmp_path, "@scope/name") == "1.2.3"


def test_each_example_and_each_package_is_measured() -> None:
    locked = json.loads((PEERS / "package.json").read_text())["dependencies"]
    assert set(locked) == {name for packages in EXAMPLES.values() for name in packages}
    assert {file.name for file in PEERS.glob("*.js")} == set(EXAMPLES)
