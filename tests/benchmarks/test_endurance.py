"""How what a page spends on updates is worded."""

from benchmarks.endurance import cpu_in_words, heaps_in_words


def test_what_is_not_the_client_is_taken_off_of_a_million_updates() -> None:
    assert cpu_in_words([4.5, 5.0], [1.25, 1.0]) == "3.25 · 4.00 µs"


def test_heaps_in_words() -> None:
    assert heaps_in_words([1_500_000, 1_516_000]) == "1.50 · 1.52 MB"
