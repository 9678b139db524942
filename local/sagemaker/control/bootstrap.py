"""The endpoint that is served from the shipped model, with its model and config, where there is no endpoint at all."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lifecycle import endpoint
from lifecycle.site import Site
from local.place import REGION
from local.sagemaker.control import deployment, endpoints, hosting
from local.sagemaker.control.names import ACCOUNT, ENDPOINT, ENDPOINT_CONFIG, MODEL, key
from local.sagemaker.control.serving import SHIPPED_URL
from local.sagemaker.control.store import Record, Store
from local.sagemaker.runtime_process import DEFAULT_ENDPOINTS, endpoints_file, served

VARIANT = "AllTraffic"
INSTANCE_TYPE = "ml.m5.xlarge"
IMAGE = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/vehiclevision-inference:local"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/vehiclevision-local"


def adopt(store: Store, directory: Path) -> None:
    """Make records of what the runtime served before; with nothing to serve, of the shipped model.

    So a start after everything was torn down gives what a first start gives: an application that answers.
    What it is asked is captured, as `sagemaker deploy` has it, and as releases before did not.
    """
    with store.lock:
        if all(_is_shipped(record) and "_capture" not in record for record in store.all(ENDPOINT)):
            for name, entry in (served(endpoints_file(directory)) or DEFAULT_ENDPOINTS).items():
                _adopt(store, name, entry)


def _is_shipped(record: Record) -> bool:
    return bool(record["EndpointConfigName"] == f"{record['EndpointName']}-shipped")


def _adopt(store: Store, name: str, entry: Mapping[str, Any]) -> None:
    own = f"{name}-shipped"
    container = {"Image": IMAGE, "ModelDataUrl": SHIPPED_URL, "Mode": "SingleModel"}
    request = {"ModelName": own, "PrimaryContainer": container, "ExecutionRoleArn": ROLE, "_data_url": SHIPPED_URL}
    model = hosting.new_model(request)
    variant = {"VariantName": VARIANT, "ModelName": own, "InitialInstanceCount": 1, "InstanceType": INSTANCE_TYPE}
    capture = endpoint.capture(Site(name, ACCOUNT, REGION), endpoint.Hosting())
    hosted = {"EndpointConfigName": own, "ProductionVariants": [variant], "DataCaptureConfig": capture}
    config = hosting.new_config(hosted)
    record = {
        **endpoints.new_record(name, config),
        "EndpointStatus": "InService",
        "ProductionVariants": [deployment.described_variant(variant, model, {})],
        "_fleet": [{"name": VARIANT, "model": entry.get("model", ""), "weight": 1.0}],
    }
    store.put(MODEL, key(own), model)
    store.put(ENDPOINT_CONFIG, key(own), config)
    store.put(ENDPOINT, key(name), record)
