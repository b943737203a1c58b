"""Takes out of a layer what no function uses: models of other services, caches, other programs.

Compiles what is left, if the Python that runs this is the one that the layer is for: a function
cannot keep what it compiles, and would do it at each start.
"""

import compileall
import shutil
import sys
from pathlib import Path
from py_compile import PycInvalidationMode

SERVICES = {
    "cognito-identity",
    "dynamodb",
    "dynamodbstreams",
    "iot",
    "iot-data",
    "kinesis",
    "lambda",
    "secretsmanager",
    "sqs",
    "ssm",
    "sts",
}
UNUSED = ("bellwire/sql", "bellwire/doctor", "bellwire/commands", "bin")


def main(target: Path, version: str) -> None:
    """Take it out, compile, and say how large it is."""
    data = target / "botocore" / "data"
    for folder in [one for one in data.iterdir() if one.is_dir() and one.name not in SERVICES]:
        shutil.rmtree(folder)
    for pattern in ("**/__pycache__", "boto3/examples", "boto3/data"):
        for folder in list(target.glob(pattern)):
            shutil.rmtree(folder)
    for name in UNUSED:
        shutil.rmtree(target / name, ignore_errors=True)
    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    if here == version:
        mode = PycInvalidationMode.UNCHECKED_HASH
        compileall.compile_dir(target, quiet=1, invalidation_mode=mode, stripdir=str(target))
    else:
        print(f"not compiled: that needs Python {version}, found {here}; starts take longer")
    size = sum(file.stat().st_size for file in target.rglob("*") if file.is_file())
    print(f"the layer holds {size / 1_000_000:.1f} MB")


main(Path(sys.argv[1]), sys.argv[2])
