"""The other services of the local AWS, as the control plane uses them."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from local import credentials
from local.deploy import sealed_session
from local.engine import process as engine
from local.place import REGION
from local.processes import HOST, read_json
from vehiclevision.results import bucket_and_key
from vehiclevision.storage import listed

# What a call to another service may raise.
FAULTS = (BotoCoreError, ClientError)


class Engine:
    """Clients of the AWS engine of the same state folder, wherever it listens just now."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.credentials = credentials.of(directory)
        self._clients: dict[tuple[str, str], Any] = {}

    def url(self) -> str:
        """Where the engine listens; its record outlives it, so a call to a stopped engine fails as a call."""
        return f"http://{HOST}:{read_json(engine.server(self._directory).record).get('port', 1)}"

    def client(self, service: str) -> Any:
        """The client of a service."""
        address = (service, self.url())
        if address not in self._clients:
            session = sealed_session(self.credentials.access_key_id, self.credentials.secret_access_key)
            config = Config(connect_timeout=5, read_timeout=60, retries={"total_max_attempts": 3, "mode": "standard"})
            self._clients[address] = session.create_client(service, REGION, endpoint_url=address[1], config=config)
        return self._clients[address]

    def objects(self, url: str) -> Iterator[tuple[str, int]]:
        """Keys and sizes of all objects under an s3:// prefix."""
        bucket, prefix = bucket_and_key(url)
        for entry in listed(self.client("s3"), "list_objects_v2", "Contents", Bucket=bucket, Prefix=prefix):
            yield entry["Key"], entry["Size"]

    def exists(self, url: str) -> bool:
        """Whether there is an object at exactly this s3:// address."""
        bucket, key = bucket_and_key(url)
        try:
            self.client("s3").head_object(Bucket=bucket, Key=key)
        except ClientError:
            return False
        return True

    def download(self, bucket: str, key: str, path: Path, max_bytes: int) -> int:
        """An object into a file; its size, or ValueError when it is larger than the limit."""
        answer = self.client("s3").get_object(Bucket=bucket, Key=key)
        with answer["Body"] as body:
            if answer["ContentLength"] > max_bytes:
                raise ValueError(f"s3://{bucket}/{key} is larger than {max_bytes} bytes")
            with path.open("wb") as file:
                shutil.copyfileobj(body, file, 1024 * 1024)
        return int(answer["ContentLength"])

    def upload(self, path: Path, url: str) -> None:
        """A file to an s3:// address."""
        bucket, key = bucket_and_key(url)
        with path.open("rb") as file:
            self.client("s3").put_object(Bucket=bucket, Key=key, Body=file)
