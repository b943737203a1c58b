"""Text of strangers, made fit for a terminal and for one line of log."""


def printable(text: str) -> str:
    """Escape what is not printed: `\\n`, `\\x1b`, `\\u202e`, a half of a surrogate pair.

    Control characters of C0 and C1, separators of lines, marks that turn the direction of text;
    all else stays as it is.
    """
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)
