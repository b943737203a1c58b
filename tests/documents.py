"""The project's Markdown pages, as tests read them."""

import re
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]

_FENCE = re.compile(r"^( *)```(\w+)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)


def blocks(page: str, language: str) -> list[str]:
    """Return the fenced blocks of one language, e.g. `blocks("README.md", "sh")`."""
    text = (REPOSITORY / page).read_text()
    return [
        "\n".join(line.removeprefix(indent) for line in body.splitlines())
        for indent, found, body in _FENCE.findall(text)
        if found == language
    ]


def links(page: str) -> list[str]:
    """Return the targets of the links and pictures of a page, examples aside."""
    text = _FENCE.sub("", (REPOSITORY / page).read_text())
    return [a or b for a, b in re.findall(r'\]\(([^)\s]+)\)|(?:src|srcset)="([^"]+)"', text)]


def anchors(page: str) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", (REPOSITORY / page).read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
