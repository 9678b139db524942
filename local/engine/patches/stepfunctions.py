"""Step Functions: executions and their histories outlive the process."""

import copy
import threading
from typing import Any

from ministack.services import (
    stepfunctions,
)

from local.engine.journal import Journal
from local.engine.scopes import in_scope, scope_of


def write_executions_through(journal: Journal) -> None:
    """An execution is in the journal when it starts and when it ends; its history then leaves the memory.

    MiniStack keeps every history for good, some 100 KB each with a picture in it.
    """
    emit, describe_history = stepfunctions._emit_execution_status_event, stepfunctions._get_execution_history
    lock = threading.Lock()

    def write_and_emit(execution: dict[str, Any]) -> None:
        arn = execution["executionArn"]
        if execution["status"] != "RUNNING":
            with lock:
                journal.put("history", [arn], execution["events"])
                execution["events"] = []
        journal.put("execution", [arn], execution)
        emit(execution)

    def recall_and_describe(data: dict[str, Any]) -> Any:
        execution = stepfunctions._executions.get(data.get("executionArn"))
        if execution is None or execution["status"] == "RUNNING":
            return describe_history(data)
        with lock:
            stored = journal.get("history", [execution["executionArn"]])
            if stored is None:
                return describe_history(data)
            execution["events"] = stored
            answer = describe_history(data)
            execution["events"] = []
        return answer

    stepfunctions._emit_execution_status_event = write_and_emit
    stepfunctions._get_execution_history = recall_and_describe
    names = ("state_machines", "tags", "activities", "state_machine_versions", "state_machine_aliases", "map_runs")

    def state_without_executions() -> dict[str, Any]:
        return {"executions": {}, **{name: copy.deepcopy(getattr(stepfunctions, f"_{name}")) for name in names}}

    stepfunctions.get_state = state_without_executions


def restore_executions(journal: Journal) -> None:
    """All executions; the histories of finished ones stay in the journal until asked for."""
    for (arn,), execution in journal.read("execution"):
        stepfunctions._executions.set_scoped(*scope_of(arn), arn, execution)


def resume_executions() -> None:
    """Start what the last stop cut off from its first state: the workflow may see an image twice, as it may in AWS."""
    for (_, _, arn), execution in stepfunctions._executions.all_items():
        if execution["status"] == "RUNNING":
            run = threading.Thread(
                target=in_scope, args=(*scope_of(arn), stepfunctions._run_execution, arn), daemon=True
            )
            run.start()
