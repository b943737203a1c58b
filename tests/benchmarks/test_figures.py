"""The percentiles that `make bench` prints."""

from benchmarks.figures import in_words, percentile


def test_percentiles_are_nearest_rank() -> None:
    values = [15.0, 20.0, 35.0, 40.0, 50.0]
    assert [percentile(values, percent) for percent in (1, 40, 50, 99, 100)] == [
        15.0,
        20.0,
        35.0,
        50.0,
        50.0,
    ]
    assert percentile([float(n) for n in range(200, 0, -1)], 99) == 198.0


def test_a_sample_in_words() -> None:
    assert in_words([3.0, 1.0, 2.0]) == "p50   2.00 ms · p99   3.00 ms · max    3.00 ms · n 3"
