"""What an endpoint was asked and what it answered, kept as SageMaker's data capture keeps it.

AWS captures nothing on a serverless endpoint; there the classify function writes the record itself, one file a photo.
"The format of the Amazon S3 path is as follows: s3://{destination-bucket-prefix}/{endpoint-name}/{variant-name}/
yyyy/mm/dd/hh/filename.jsonl" (AWS, model-monitor-data-capture-endpoint, read 28 November 2026)
"""

import base64
import json
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from vehiclevision.prediction import Prediction
from vehiclevision.requests import Picture
from vehiclevision.settings import Destination

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class NotCapturedError(Exception):
    """The record could not be written; the answer is none the worse for it."""


@dataclass(frozen=True)
class Exchange:
    """One picture, its answer, and when; the id is that of the photo's version, a digest."""

    endpoint: str
    picture: Picture
    prediction: Prediction
    inference_id: str
    at: datetime

    def is_of(self, percent: float) -> bool:
        """Whether it belongs to this share of all photos: any share of digests is a fair one, and always the same."""
        return int(self.inference_id[:8], 16) < percent / 100 * 2**32

    @property
    def key(self) -> str:
        """SageMaker's place for a file of this hour; who is asked about again within it is written over."""
        return f"{self.endpoint}/{self.prediction.variant}/{self.at:%Y/%m/%d/%H}/{self.inference_id}.jsonl"

    @property
    def line(self) -> str:
        """The record as SageMaker writes it: the picture in base64, the answer as JSON."""
        picture, prediction = self.picture, self.prediction
        version = f"model_version={prediction.model_version}"
        record = {
            "captureData": {
                "endpointInput": {
                    "observedContentType": picture.content_type,
                    "mode": "INPUT",
                    "data": base64.b64encode(picture.content).decode(),
                    "encoding": "BASE64",
                },
                "endpointOutput": {
                    "observedContentType": "application/json",
                    "mode": "OUTPUT",
                    "data": json.dumps(list(prediction.answer.confidences)),
                    "encoding": "JSON",
                },
            },
            "eventMetadata": {
                "eventId": self.inference_id,
                "inferenceId": self.inference_id,
                **({} if prediction.model_version == prediction.variant else {"customAttributes": [version]}),
                "inferenceTime": f"{self.at:%Y-%m-%dT%H:%M:%SZ}",
            },
            "eventVersion": "0",
        }
        return json.dumps(record, separators=(",", ":")) + "\n"


def keep(s3: "S3Client", destination: Destination, exchange: Exchange) -> None:
    """Write the record of an exchange that belongs to the captured share; NotCapturedError if S3 does not take it."""
    if not exchange.is_of(destination.percent):
        return
    key = f"{destination.prefix}/{exchange.key}"
    try:
        s3.put_object(Bucket=destination.bucket, Key=key, Body=exchange.line.encode())
    except (ClientError, BotoCoreError) as error:
        raise NotCapturedError(str(error)) from error
