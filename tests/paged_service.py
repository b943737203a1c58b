"""`bellwire` whose built files are taken from another folder: that of the first argument."""

import sys
from pathlib import Path
from unittest.mock import patch

from bellwire.cli import main
from bellwire_local.dev import front

FOLDER = Path(sys.argv.pop(1))

with patch.object(front, "client_dir", lambda: FOLDER):
    sys.exit(main())
