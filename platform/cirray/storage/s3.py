"""How S3 is reached: endpoint, region, credentials and patience, by the standard AWS variables, in both clients.

Data goes through Arrow's filesystem; boto3 does what that cannot: conditional writes and the clean-up of uploads.
"""

from __future__ import annotations

import os
from typing import Any

import boto3
import pyarrow.fs as pafs
from botocore.config import Config as BotoConfig
from botocore.exceptions import ResponseStreamingError
from tenacity import retry, retry_if_exception_type, wait_random_exponential

DEFAULT_ATTEMPTS = 6
"""Tries of a request that meets throttling, a server's error or a broken connection, with growing pauses between:
about half a minute in all. Both clients' own default of three gives up on a store that is busy for two seconds."""

CONNECT_TIMEOUT_S = 10.0
REQUEST_TIMEOUT_S = 60.0


def endpoint() -> str | None:
    """Return the URL of a store other than AWS: `AWS_ENDPOINT_URL_S3`, or `AWS_ENDPOINT_URL`."""
    return os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or None


def attempts() -> int:
    """Return how often a request is tried: `AWS_MAX_ATTEMPTS`, where it is a positive number."""
    value = os.environ.get("AWS_MAX_ATTEMPTS", "")
    return int(value) if value.isdigit() and int(value) > 0 else DEFAULT_ATTEMPTS


def filesystem() -> pafs.S3FileSystem:
    """Return Arrow's filesystem over S3."""
    options: dict[str, Any] = {}
    if url := endpoint():
        options["endpoint_override"] = url
    if region := os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION"):
        options["region"] = region
    return pafs.S3FileSystem(
        # Delayed opening sends a small file as one request, where a multipart upload takes three.
        allow_delayed_open=True,
        retry_strategy=pafs.AwsStandardS3RetryStrategy(max_attempts=attempts()),
        connect_timeout=CONNECT_TIMEOUT_S,
        request_timeout=REQUEST_TIMEOUT_S,
        **options,
    )


def client() -> Any:
    """Return a boto3 client of the same store."""
    return boto3.client(
        "s3",
        config=BotoConfig(
            # Stores that are not AWS rarely answer at bucket.host, so a custom endpoint is addressed by path.
            s3={"addressing_style": "path"} if endpoint() else None,
            region_name=os.environ.get("AWS_REGION"),
            retries={"mode": "standard", "total_max_attempts": attempts()},
            connect_timeout=CONNECT_TIMEOUT_S,
            read_timeout=REQUEST_TIMEOUT_S,
        ),
    )


@retry(
    retry=retry_if_exception_type(ResponseStreamingError),
    stop=lambda state: state.attempt_number >= attempts(),
    wait=wait_random_exponential(multiplier=0.2, max=5),
    reraise=True,
)
def get(bucket: str, key: str) -> tuple[bytes, str]:
    """Return content and tag of an object. boto3 tries again until an answer begins, but not when it then breaks off.

    Raises:
        botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError: it cannot be read.
    """
    answer = client().get_object(Bucket=bucket, Key=key)
    return answer["Body"].read(), answer["ETag"]
