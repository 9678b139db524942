"""CloudWatch Logs: streams are kept one by one."""

from typing import Any

from ministack.services import cloudwatch_logs

from local.engine.journal import Journal
from local.engine.scopes import emptied, state_of


def leave_logs_to_the_journal() -> None:
    """A service's state without its log streams, each of which is an entry of its own."""
    names = (
        *("destinations", "resource_policies", "log_group_policies", "metric_filters", "queries", "log_records"),
        *("delivery_sources", "delivery_destinations", "deliveries"),
    )

    def state_without_streams() -> dict[str, Any]:
        return state_of(cloudwatch_logs, *names, log_groups=emptied(cloudwatch_logs._log_groups, "streams", {}))

    cloudwatch_logs.get_state = state_without_streams


def restore_streams(journal: Journal) -> None:
    """Log streams into the groups they belong to."""
    groups = dict(cloudwatch_logs._log_groups.all_items())
    for (account, region, name, stream_name), stream in journal.read("stream"):
        group = groups.get((account, region, name))
        if group is not None:
            group["streams"][stream_name] = stream
        elif groups:
            journal.delete("stream", [account, region, name, stream_name])
