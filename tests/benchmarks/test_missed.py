"""How a page's return is counted."""

from benchmarks.exchanges import Exchange
from benchmarks.missed import Return, in_words, return_of


def test_only_polls_until_all_was_there_are_counted() -> None:
    exchanges = [
        Exchange("GET /mqtt", 4, 11.0, 12.0),
        Exchange("GET /v1/updates", 5, 11.5, 13.0),
        Exchange("GET /v1/updates", 5, 13.0, 14.0),
        Exchange("GET /v1/updates", 5, 14.5, 15.0),
    ]
    assert return_of(exchanges, online_s=10.0, whole_s=14.25) == Return(2, 4.25, 3.25)


def test_returns_in_words() -> None:
    returns = [Return(1, 0.5, 0.02), Return(2, 0.75, 0.03), Return(1, 1.0, 0.04)]
    times = "30 ms after the first was sent, 750 ms after the network was back (medians)"
    assert in_words(returns) == f"whole in 1 or 2 requests · {times}"


def test_one_request_in_words() -> None:
    times = "20 ms after the first was sent, 500 ms after the network was back (medians)"
    assert in_words([Return(1, 0.5, 0.02)]) == f"whole in 1 request · {times}"
