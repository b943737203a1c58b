"""Where the built browser client and the dashboard are: in the checkout that was built."""

from pathlib import Path

from bellwire.errors import NotFound


def client_dir() -> Path:
    """Name the folder with `bellwire.js`, and the dashboard in `dashboard/`.

    Raises:
        NotFound: the client has not been built.
    """
    found = Path(__file__).parents[4] / "browser_client" / "dist"
    if not (found / "dashboard" / "index.html").is_file():
        raise NotFound(f"the dashboard is not built, expected it in {found}: run `make demo`")
    return found
