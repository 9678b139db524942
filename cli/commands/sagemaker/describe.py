"""Show endpoint, versions and training jobs."""

from cli.display import tell
from cli.options import AsJson
from cli.sagemaker import SageMakerAccount, figures
from lifecycle.standing import standing


def command(account: SageMakerAccount, as_json: AsJson = False) -> int:
    """Show what there is."""
    connection = account.connect()
    now = standing(connection.aws)
    serves = ""
    if now.serving:
        captured = "captured" if now.captures else "not captured"
        serving = f"version {now.serving.number}, model {now.serving.model}, threshold {now.serving.threshold}"
        serves = f"  serves      {serving}, requests {captured}"
    return tell(
        as_json,
        now.as_json(),
        f"{now.application} in {connection.words}",
        f"  endpoint    {now.endpoint}: {now.endpoint_status or 'not there'}",
        serves,
        *(f"  alarm       {name}: {state}" for name, state in now.alarms.items()),
        *(f"  version {each.number:<3} {each.status}: {figures(each)}" for each in now.versions),
        *(f"  job         {job['name']}: {job['status']}" for job in now.training_jobs),
    )
