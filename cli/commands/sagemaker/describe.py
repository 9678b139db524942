"""Show endpoint, versions and training jobs."""

from cli.display import output, print_json, printable
from cli.errors import SUCCESS
from cli.options import AsJson
from cli.sagemaker import SageMakerAccount, figures
from lifecycle.standing import standing


def command(account: SageMakerAccount, as_json: AsJson = False) -> int:
    """Show what there is."""
    connection = account.connect()
    now = standing(connection.aws)
    if as_json:
        print_json(now.as_json())
        return SUCCESS
    console = output()
    console.print(f"{now.application} in {connection.words}")
    console.print(f"  endpoint    {now.endpoint}: {now.endpoint_status or 'not there'}")
    if now.serving:
        captured = "captured" if now.captures else "not captured"
        threshold = now.serving.threshold
        serving = f"version {now.serving.number}, model {printable(now.serving.model)}, threshold {threshold}"
        console.print(f"  serves      {serving}, requests {captured}")
    for name, state in now.alarms.items():
        console.print(f"  alarm       {name}: {state}")
    for version in now.versions:
        console.print(f"  version {version.number:<3} {version.status}: {printable(figures(version))}")
    for job in now.training_jobs:
        console.print(f"  job         {job['name']}: {job['status']}")
    return SUCCESS
