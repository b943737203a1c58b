"""Clients of AWS, each made once for an instance of a function.

Where a service is, the SDK finds by itself; `AWS_ENDPOINT_URL_…` leads it elsewhere.
"""

from functools import cache
from typing import Any

import boto3
from botocore.config import Config


@cache
def client(service: str, *, attempts: int = 2, read_timeout_s: int = 3) -> Any:
    """Return the client of a service, e.g. `"dynamodb"`; `attempts` count the first one.

    A call that hangs has to end before its function does: the shortest may take 10 s.
    """
    config = Config(
        connect_timeout=1,
        read_timeout=read_timeout_s,
        max_pool_connections=50,
        retries={"total_max_attempts": attempts, "mode": "standard"},
    )
    return boto3.client(service, config=config)  # type: ignore[call-overload]  # any that is used
