"""Step Functions' Distributed Map: what MiniStack lacks of it is the reader's expressions, batches, and the writer."""

import contextvars
import copy
import json
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Final

from ministack.services import s3, stepfunctions

from local.engine.patches.stepfunctions import refuse_beyond_role
from local.engine.scopes import scope_of

# As many as AWS runs at a time where a state machine says nothing; here each is a thread.
MOST_AT_A_TIME: Final = 64
KINDS: Final = (
    *("pending", "running", "succeeded", "failed", "timedOut", "aborted", "total"),
    *("resultsWritten", "failuresNotRedrivable", "pendingRedrive"),
)
# What the writer says of a child of which it says all.
SHOWN: Final = (
    *("executionArn", "input", "name", "output", "startDate", "stateMachineArn", "status", "stopDate"),
    *("error", "cause"),
)
RESULTS: Final = {"JSON": "json", "JSONL": "jsonl"}


def run_distributed_maps_in_batches() -> None:
    """Batches, expressions in the reader, results in S3, and an end as soon as too much has failed."""
    stepfunctions._run_distributed_map = run


@dataclass
class MapRun:
    """A Map Run: what DescribeMapRun tells, and how its children end."""

    state: Mapping[str, Any]
    given: Any
    context: dict[str, Any]
    parent: dict[str, Any]
    told: dict[str, Any]
    batches: list[Any]
    sizes: list[int]
    lock: Any = field(default_factory=threading.Lock)
    children: list[dict[str, Any]] = field(default_factory=list)

    def count(self, size: int, **changes: int) -> None:
        """Note that a child with so many items went from one state to another."""
        with self.lock:
            for kind, sign in changes.items():
                self.told["executionCounts"][kind] += sign
                self.told["itemCounts"][kind] += sign * size

    @property
    def over(self) -> bool:
        """Whether no more children start: somebody stopped the execution, or too much has failed."""
        return self.parent["status"] != "RUNNING" or self.failed_too_much

    @property
    def failed_too_much(self) -> bool:
        """Whether more items failed than the state tolerates; with no threshold, one does."""
        counts = self.told["itemCounts"]
        if not counts["failed"]:
            return False
        limits = []
        if "ToleratedFailureCount" in self.state:
            limits.append(counts["failed"] > int(_value(self, "ToleratedFailureCount")))
        if "ToleratedFailurePercentage" in self.state:
            limits.append(counts["failed"] * 100 > float(_value(self, "ToleratedFailurePercentage")) * counts["total"])
        return any(limits) if limits else True


def run(  # noqa: PLR0917 - MiniStack calls it so
    state: dict[str, Any],
    given: Any,
    effective: Any,
    processor: dict[str, Any],
    execution: dict[str, Any],
    context: dict[str, Any],
) -> tuple[Any, Any]:
    """Each batch runs as a child workflow execution of a Map Run, which the API reports."""
    batches, sizes = _batches(state, given, context, _items(state, given, effective, context))
    account, region = scope_of(execution["stateMachineArn"])
    machine = execution["stateMachineArn"].split(":")[6]
    label = state.get("Label") or stepfunctions.new_uuid()
    told = {
        "mapRunArn": f"arn:aws:states:{region}:{account}:mapRun:{machine}/{label}:{stepfunctions.new_uuid()}",
        "executionArn": execution["executionArn"],
        "status": "RUNNING",
        "startDate": stepfunctions.now_iso(),
        "itemCounts": dict.fromkeys(KINDS, 0) | {"total": sum(sizes), "pending": sum(sizes)},
        "executionCounts": dict.fromkeys(KINDS, 0) | {"total": len(batches), "pending": len(batches)},
        "redriveCount": 0,
        "_stateMachineArn": f"arn:aws:states:{region}:{account}:stateMachine:{machine}/{label}",
    }
    map_run = MapRun(state, given, context, execution, told, batches, sizes)
    at_a_time = int(_value(map_run, "MaxConcurrency"))
    told |= {
        "maxConcurrency": at_a_time,
        "toleratedFailurePercentage": float(_value(map_run, "ToleratedFailurePercentage")),
        "toleratedFailureCount": int(_value(map_run, "ToleratedFailureCount")),
    }
    for older in stepfunctions._map_runs.values():
        if older["executionArn"] == execution["executionArn"] and older["status"] == "RUNNING":
            older["status"] = "ABORTED"  # the engine was stopped, and the execution began anew
    stepfunctions._map_runs[told["mapRunArn"]] = told
    # A Map Run starts its children as executions of its own state machine.
    refuse_beyond_role(
        "arn:aws:states:::states:startExecution", {"StateMachineArn": execution["stateMachineArn"]}, context
    )
    with ThreadPoolExecutor(at_a_time or MOST_AT_A_TIME) as pool:
        for number in range(len(batches)):
            pool.submit(contextvars.copy_context().run, _child, map_run, processor, number)
    return _end(map_run)


def _value(map_run: MapRun, name: str) -> Any:
    value = map_run.state.get(name, 0)
    return stepfunctions._apply_jsonata_template(value, map_run.given, map_run.context)


def _items(state: Mapping[str, Any], given: Any, effective: Any, context: dict[str, Any]) -> list[Any]:
    reader = state.get("ItemReader")
    if reader is None:
        own = stepfunctions._apply_jsonata_template(state["Items"], given, context) if "Items" in state else effective
        return own if isinstance(own, list) else [own]
    if stepfunctions._state_query_language(state, context) == "JSONata":
        reader = stepfunctions._apply_jsonata_template(reader, given, context)
    arguments = reader.get("Arguments") or stepfunctions._resolve_params_obj(
        reader.get("Parameters") or {}, effective, context
    )
    refuse_beyond_role(reader["Resource"], arguments, context)
    return list(stepfunctions._read_map_items({**reader, "Arguments": arguments}, effective, context))


def _batches(
    state: Mapping[str, Any], given: Any, context: dict[str, Any], items: list[Any]
) -> tuple[list[Any], list[int]]:
    """The input of each child, and how many items it holds."""
    selector = state.get("ItemSelector")
    if selector:
        items = [_selected(selector, given, context, number, item) for number, item in enumerate(items)]
    batcher = state.get("ItemBatcher")
    if batcher is None:
        return items, [1] * len(items)
    batcher = stepfunctions._apply_jsonata_template(batcher, given, context)
    size = int(batcher["MaxItemsPerBatch"])
    slices = [items[start : start + size] for start in range(0, len(items), size)]
    common = {"BatchInput": batcher["BatchInput"]} if "BatchInput" in batcher else {}
    return [{**common, "Items": each} for each in slices], [len(each) for each in slices]


def _selected(selector: Any, given: Any, context: dict[str, Any], number: int, item: Any) -> Any:
    of_item = {**context, "Map": {"Item": {"Index": number, "Value": item}}}
    return stepfunctions._apply_jsonata_template(selector, given, of_item)


def _child(map_run: MapRun, processor: Mapping[str, Any], number: int) -> None:
    if map_run.over:
        return
    size, given = map_run.sizes[number], map_run.batches[number]
    machine, label = map_run.told["_stateMachineArn"].split(":")[6].split("/")
    name, prefix = stepfunctions.new_uuid(), map_run.parent["executionArn"].rsplit(":", 2)[0]
    child = {
        "executionArn": f"{prefix}:{machine}/{label}:{name}",
        "stateMachineArn": map_run.told["_stateMachineArn"],
        "mapRunArn": map_run.told["mapRunArn"],
        "name": name,
        "status": "RUNNING",
        "startDate": stepfunctions.now_iso(),
        "stopDate": None,
        "input": json.dumps(given),
        "output": None,
        "events": [],
        "testCase": map_run.parent.get("testCase"),
        "mockAttempts": {},
    }
    stepfunctions._executions[child["executionArn"]] = child
    map_run.count(size, pending=-1, running=1)
    try:
        output = stepfunctions._run_sub_machine(
            processor["States"], processor["StartAt"], given, child, copy.deepcopy(map_run.context)
        )
        child |= {"status": "SUCCEEDED", "output": json.dumps(output)}
    except Exception as error:
        child |= {
            "status": "FAILED",
            "error": getattr(error, "error", "States.TaskFailed"),
            "cause": getattr(error, "cause", str(error)),
        }
    child |= {"stopDate": stepfunctions.now_iso(), "events": []}
    with map_run.lock:
        map_run.children.append(child)
    map_run.count(size, running=-1, **{str(child["status"]).lower(): 1})


def _end(map_run: MapRun) -> tuple[Any, Any]:
    told, state = map_run.told, map_run.state
    told["stopDate"] = stepfunctions.now_iso()
    for counts in (told["itemCounts"], told["executionCounts"]):
        counts |= {"aborted": counts["aborted"] + counts["pending"], "pending": 0}
    if map_run.parent["status"] != "RUNNING":
        told["status"] = "ABORTED"
        raise stepfunctions._ExecutionError("States.Aborted", "the execution was stopped")
    written = _write(map_run) if "Resource" in (state.get("ResultWriter") or {}) else None
    told["status"] = "FAILED" if map_run.failed_too_much else "SUCCEEDED"
    if told["status"] == "FAILED":
        raise stepfunctions._ExecutionError(
            "States.ExceedToleratedFailureThreshold", "The specified tolerated failure threshold was exceeded"
        )
    outputs = [json.loads(child["output"]) for child in map_run.children if child["status"] == "SUCCEEDED"]
    result = outputs if written is None else {"MapRunArn": told["mapRunArn"], "ResultWriterDetails": written}
    if stepfunctions._state_query_language(state, map_run.context) != "JSONata":
        result = stepfunctions._apply_result_selector(state, result)
        output = stepfunctions._apply_result_path(state, map_run.given, result)
        return stepfunctions._apply_output_path(state, output, map_run.context), stepfunctions._next_or_end(state)
    output = stepfunctions._apply_jsonata_output(state, map_run.given, map_run.context, result=result, default=result)
    return output, stepfunctions._next_or_end(state)


def _write(map_run: MapRun) -> dict[str, str]:
    """The results by how they ended, a file each, and a manifest that names the files."""
    writer = stepfunctions._apply_jsonata_template(map_run.state["ResultWriter"], map_run.given, map_run.context)
    arguments = writer.get("Arguments") or writer["Parameters"]
    config = writer.get("WriterConfig") or {}
    run_id = map_run.told["mapRunArn"].rpartition(":")[2]
    folder = "/".join(filter(None, (str(arguments.get("Prefix", "")).rstrip("/"), run_id)))
    files: dict[str, list[dict[str, Any]]] = {"FAILED": [], "PENDING": [], "SUCCEEDED": []}
    for status in ("SUCCEEDED", "FAILED"):
        children = [child for child in map_run.children if child["status"] == status]
        if children:
            key = f"{folder}/{status}_0.{RESULTS[config.get('OutputType', 'JSON')]}"
            content = _content(children, config, plain=status == "SUCCEEDED")
            _put(map_run, writer["Resource"], arguments["Bucket"], key, content)
            files[status] = [{"Key": key, "Size": len(content)}]
    manifest = {
        "DestinationBucket": arguments["Bucket"],
        "MapRunArn": map_run.told["mapRunArn"],
        "ResultFiles": files,
    }
    _put(map_run, writer["Resource"], arguments["Bucket"], f"{folder}/manifest.json", json.dumps(manifest).encode())
    for counts in (map_run.told["itemCounts"], map_run.told["executionCounts"]):
        counts["resultsWritten"] = counts["succeeded"] + counts["failed"]
    return {"Bucket": arguments["Bucket"], "Key": f"{folder}/manifest.json"}


def _content(children: list[dict[str, Any]], config: Mapping[str, Any], *, plain: bool) -> bytes:
    """What children ended with: their outputs alone where the state says so, else with all that is known of them."""
    if plain and config.get("Transformation", "NONE") in ("COMPACT", "FLATTEN"):
        results: list[Any] = [json.loads(child["output"]) for child in children]
        if config["Transformation"] == "FLATTEN":
            results = [each for result in results for each in (result if isinstance(result, list) else [result])]
    else:
        results = [{name[0].upper() + name[1:]: child[name] for name in SHOWN if child.get(name)} for child in children]
    if config.get("OutputType") == "JSONL":
        return "".join(f"{json.dumps(result)}\n" for result in results).encode()
    return json.dumps(results).encode()


def _put(map_run: MapRun, resource: str, bucket: str, key: str, content: bytes) -> None:
    refuse_beyond_role(resource, {"Bucket": bucket, "Key": key}, map_run.context)
    status, _, _ = s3._put_object(bucket, key, content, {})
    if status != 200:
        raise stepfunctions._ExecutionError("States.ResultWriterFailed", f"S3 answered {status} to {bucket}/{key}")
