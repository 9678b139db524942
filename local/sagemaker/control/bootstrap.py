"""The endpoint that is served from the shipped model, with its model and config, where there is no endpoint at all."""

from lifecycle import endpoint
from lifecycle.site import Site
from local.place import REGION
from local.sagemaker.control import deployment, endpoints, hosting
from local.sagemaker.control.names import ACCOUNT, ENDPOINT, ENDPOINT_CONFIG, MODEL, key
from local.sagemaker.control.serving import SHIPPED_URL
from local.sagemaker.control.store import Store
from local.sagemaker.servers import APPLICATION_ENDPOINT, SHIPPED_MODEL, VARIANT

INSTANCE_TYPE = "ml.m5.xlarge"
IMAGE = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/vehiclevision-inference:local"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/vehiclevision-local"


def adopt(store: Store) -> None:
    """Make records of what the runtime serves where nobody has said anything, and capture what it is asked.

    So a start after everything was torn down gives what a first start gives: an application that answers.
    """
    with store.lock:
        if not store.all(ENDPOINT):
            _adopt(store)


def _adopt(store: Store) -> None:
    name, own = APPLICATION_ENDPOINT, f"{APPLICATION_ENDPOINT}-shipped"
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
        "_fleet": [{"name": VARIANT, "model": SHIPPED_MODEL, "weight": 1.0}],
    }
    store.put(MODEL, key(own), model)
    store.put(ENDPOINT_CONFIG, key(own), config)
    store.put(ENDPOINT, key(name), record)
