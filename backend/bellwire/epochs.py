"""Epochs: which life of a channel a number belongs to.

For clients an epoch is compared for equality only. For the log it also tells the generation, by
which the lives of one channel are ordered: eight random characters, then the generation in base
36. So a position alone says where in the log to look.
"""

from typing import Final

ALPHABET: Final = "0123456789abcdefghijklmnopqrstuvwxyz"
RANDOM_CHARACTERS: Final = 8
FIRST_GENERATION: Final = 1


def new_epoch(generation: int, noise: bytes) -> str:
    """Name a generation's epoch, e.g. generation 37 → `"k3f9x0ab11"`.

    Args:
        generation: 1 … 36⁸-1.
        noise: at least eight random bytes.
    """
    return "".join(ALPHABET[byte % 36] for byte in noise[:RANDOM_CHARACTERS]) + _base36(generation)


def generation_of(epoch: str) -> int | None:
    """Tell an epoch's generation: 0 for `"0"`, None for one that no log of ours has named."""
    if epoch == "0":
        return 0
    tail = epoch[RANDOM_CHARACTERS:]
    return int(tail, 36) if tail and tail[0] != "0" else None


def _base36(number: int) -> str:
    digits = ""
    while number:
        number, rest = divmod(number, 36)
        digits = ALPHABET[rest] + digits
    return digits
