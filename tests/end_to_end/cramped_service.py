"""`bellwire` on a disk that fills up: each number on standard input limits the size of its files.

-1 ends the limit; each number is repeated on standard output when it holds.
"""

import os
import resource
import sys
from threading import Thread

from bellwire.cli import main


def obey() -> None:
    """Set the limits that are asked for, until standard input ends."""
    most = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    while line := os.read(0, 64):  # unbuffered: the interpreter may end meanwhile
        limit_bytes = int(line)
        resource.setrlimit(resource.RLIMIT_FSIZE, (most if limit_bytes < 0 else limit_bytes, most))
        os.write(1, line)


Thread(target=obey, daemon=True).start()
sys.exit(main())
