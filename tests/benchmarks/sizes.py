"""What the browser client weighs in a page, beside libraries of the same purpose.

Ours are the files as built. Each peer is bundled from an example that subscribes and prints, by
the same esbuild and with nothing to keep it larger than it must be; peers/ holds the examples and
a lock file of its own.
"""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

REPOSITORY: Final = Path(__file__).parents[2]
DIST: Final = REPOSITORY / "browser_client" / "dist"
ESBUILD: Final = REPOSITORY / "node_modules" / ".bin" / "esbuild"
PEERS: Final = Path(__file__).with_name("peers")
EXAMPLES: Final = {
    "mqtt.js": ("mqtt",),
    "amplify.js": ("@aws-amplify/pubsub", "aws-amplify"),
    "centrifuge.js": ("centrifuge",),
    "ably.js": ("ably",),
    "ably_modular.js": ("ably",),
    "pusher.js": ("pusher-js",),
    "socket_io.js": ("socket.io-client",),
}
"""The packages of each example; their versions are printed."""

_COUNT: Final = """
const { readFileSync } = require("node:fs");
const { gzipSync } = require("node:zlib");
console.log(gzipSync(readFileSync(0), { level: 9 }).length);
"""


def measure_sizes() -> Iterator[tuple[str, str]]:
    """Yield a row for each file that is built, then one for each example of a peer."""
    yield "in a page, gzip -9", ""
    for file in sorted(DIST.glob("*.js")):
        yield f"  {file.name}", in_words(file.read_bytes())
    for example, packages in EXAMPLES.items():
        versions = ", ".join(f"{name} {version_of(PEERS, name)}" for name in packages)
        yield f"  {example}", f"{in_words(bundle(PEERS / example))} · {versions}"


def bundle(example: Path) -> bytes:
    """Bundle and minify one example as a page would load it.

    Raises:
        RuntimeError: esbuild cannot, as when the packages are not installed.
    """
    words = ["--bundle", "--minify", "--format=esm", "--platform=browser", "--log-level=error"]
    done = subprocess.run([ESBUILD, example, *words], capture_output=True)
    if done.returncode != 0:
        raise RuntimeError(f"esbuild of {example.name}: {done.stderr.decode()[-2000:]}")
    return done.stdout


def version_of(folder: Path, package: str) -> str:
    """Read the version of a package that is installed in a folder."""
    found = (folder / "node_modules" / package / "package.json").read_text()
    return str(json.loads(found)["version"])


def gzipped_bytes(script: bytes) -> int:
    """Count as the build does that limits ours: Node's zlib packs a little less than Python's."""
    words = ["node", "--eval", _COUNT]
    return int(subprocess.run(words, input=script, capture_output=True, check=True).stdout)


def in_words(script: bytes) -> str:
    """Word a size: ` 13,061 bytes gzipped,  32,966 minified`."""
    return f"{gzipped_bytes(script):7,} bytes gzipped, {len(script):7,} minified"
