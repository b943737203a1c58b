"""A client library in a Node process of its own, told what to do in lines of JSON.

Every script here reads its settings as the first line, then commands, and prints what happens:
`{"do": "subscribe", "topic": "a", "qos": 1}` → `{"event": "subscribed", "granted": [1]}`.
"""

import contextlib
import json
import os
import queue
import subprocess
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

SCRIPTS = Path(__file__).parent
DEADLINE_S = 20


class NodeClient:
    """What a script prints, and the way to tell it something."""

    def __init__(self, stdin: IO[str], stdout: IO[str], errors: Path) -> None:
        self._errors = errors
        self._stdin = stdin
        self._events: queue.Queue[dict[str, Any]] = queue.Queue()
        self._reader = threading.Thread(target=self._read, args=(stdout,))
        self._reader.start()

    def _read(self, stdout: IO[str]) -> None:
        for line in stdout:
            self._events.put(json.loads(line))
        self._events.put({"event": "ended"})

    def tell(self, **command: object) -> None:
        """Hand the script one line."""
        self._stdin.write(json.dumps(command) + "\n")
        self._stdin.flush()

    def next(self, event: str) -> dict[str, Any]:
        """Wait for the next event and expect it to be of this kind."""
        return self.next_of({event})

    def next_of(self, events: set[str]) -> dict[str, Any]:
        """Wait for the next event and expect it to be of one of these kinds."""
        found = self._events.get(timeout=DEADLINE_S)
        said = self._errors.read_text()
        assert found["event"] in events, f"expected {events}, found {found}; {said}"
        return found

    def ask(self, event: str, **command: object) -> dict[str, Any]:
        """Hand the script one line and wait for what comes of it."""
        self.tell(**command)
        return self.next(event)

    def join(self) -> None:
        """Wait until the script's last line has been read."""
        self._reader.join(DEADLINE_S)


@contextlib.contextmanager
def running_node(
    script: str, settings: dict[str, object], environment: Mapping[str, str], directory: Path
) -> Iterator[NodeClient]:
    """Run a script until its commands end; it fails the test if it does not end well."""
    errors = directory / f"{script}.stderr"
    with errors.open("w") as stderr:
        process = subprocess.Popen(
            ["node", str(SCRIPTS / script)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            env={**os.environ, **environment},
        )
    assert process.stdin is not None
    assert process.stdout is not None
    client = NodeClient(process.stdin, process.stdout, errors)
    try:
        client.tell(**settings)
        yield client
        process.stdin.close()
        assert process.wait(DEADLINE_S) == 0, errors.read_text()
    finally:
        process.kill()
        process.wait()
        client.join()
        process.stdout.close()
