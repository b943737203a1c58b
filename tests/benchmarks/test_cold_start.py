"""What the starts of functions are measured by."""

from pathlib import Path
from zipfile import ZipFile

from benchmarks.cold_start import Start, in_words, size_of, start_of

REPOSITORY = Path(__file__).parents[2]


def test_a_start_in_words() -> None:
    assert in_words(Start(80.0, 20.0, 41.4)) == "  20.0 ms ·  25% ·   41 MB"


def test_a_size_is_of_all_files(tmp_path: Path) -> None:
    folder = tmp_path / "layer"
    (folder / "python").mkdir(parents=True)
    (folder / "a.txt").write_bytes(b"a" * 1000)
    (folder / "python" / "b.txt").write_bytes(b"b" * 500)
    unpacked, packed = size_of(folder, tmp_path / "layer.zip")
    assert unpacked == 1500
    assert packed < 1500
    with ZipFile(tmp_path / "layer.zip") as archive:
        assert archive.namelist() == ["a.txt", "python/b.txt"]


def test_a_module_is_imported_after_boto3_and_from_the_library_alone(tmp_path: Path) -> None:
    (tmp_path / "boto3.py").write_text("")
    functions = tmp_path / "bellwire" / "functions"
    functions.mkdir(parents=True)
    (functions / "poll.py").write_text(
        "import sys, time\nassert 'boto3' in sys.modules\ntime.sleep(0.2)\n"
    )
    ballast = b"x" * 200_000_000  # of this process, which is not to be counted
    start = start_of(tmp_path, "poll")
    assert ballast
    assert start.own_ms >= 200 > start.boto3_ms
    assert 1 < start.peak_mb < 100
