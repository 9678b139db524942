"""What the state machine promises: every step is bounded and retried, and nothing leaves without a record."""

import re
from collections.abc import Collection, Iterator

import jsonata  # type: ignore[import-untyped]

from tests.infra.checks.errors import left_by, raised_errors
from tests.infra.project import Json, Project, as_list
from vehiclevision.record import Outcome

_GUIDE = "Step Functions developer guide"
# Error names that are not ours, and where AWS names them.
AWS_ERRORS = {
    "States.ALL": f"{_GUIDE}, Error names",
    "States.Timeout": f"{_GUIDE}, Error names",
    "Lambda.Unknown": f"{_GUIDE}, Handling Lambda errors: time-out, out of memory, broken start",
    "Lambda.TooManyRequestsException": f"{_GUIDE}, Handle transient Lambda service exceptions",
    "Lambda.ServiceException": f"{_GUIDE}, Handle transient Lambda service exceptions",
    "Lambda.AWSLambdaException": f"{_GUIDE}, Handle transient Lambda service exceptions",
    "Lambda.SdkClientException": f"{_GUIDE}, Handle transient Lambda service exceptions",
    "Lambda.ClientExecutionTimeoutException": f"{_GUIDE}, Handle transient Lambda service exceptions",
    "Sandbox.Timedout": "the errorType that Lambda itself reports for a function that ran out of time",
    "StepFunctions.ExecutionAlreadyExistsException": "Step Functions API, StartExecution, with its prefix",
    "DynamoDB.ConditionalCheckFailedException": "DynamoDB API, PutItem, with the prefix of the optimised integration",
}
# What an Express run hands over at once; the template fills in every fault there, and names of none in a Standard one.
HURRIED = ("${FaultInExpress}", "${TimeoutInExpress}")
TRANSIENT = frozenset(name for name in AWS_ERRORS if name.startswith("Lambda.") and name != "Lambda.Unknown")
RAN_OUT = frozenset({"Lambda.Unknown", "Sandbox.Timedout", "States.Timeout"})

# A photo that is sure is recorded by a state of its own, so that no choice comes before its announcement.
RECORD_VEHICLE = "Record vehicle"
RECORD = "Record outcome"
ANNOUNCE = "Announce vehicle"
NOTE = "Note announcement"
# Where a run may end without passing the record: it names no image, the Standard workflow has it, or the table fails
# or knew already.
ENDS_WITHOUT_RECORD = frozenset({"Request refused", "Handed over"})
ENDS_AFTER_RECORD = frozenset({"Not recorded", "Already recorded", "Already noted", "Not announced"})
# The steps that the record is behind: it is written, or it stands already, or the table fails and a letter says so.
AFTER_RECORD = frozenset({RECORD_VEHICLE, RECORD, "Read record", ANNOUNCE, NOTE, "Hand over", "Write letter"})


def every_task_has_a_time_limit(project: Project) -> list[str]:
    """No step can hang: each Task has TimeoutSeconds."""
    return [f"{name} can hang" for name, state in project.tasks().items() if not state.get("TimeoutSeconds")]


def every_task_retries(project: Project) -> list[str]:
    """Each Task retries; a function's also what Lambda itself may answer and what a time-out is called."""
    complaints = []
    for name, state in project.tasks().items():
        retried = _names(state.get("Retry", []))
        wanted = TRANSIENT | RAN_OUT if _function(state) else {"States.ALL"}
        complaints += [f"{name} does not retry {error}" for error in sorted(wanted - retried)]
    return complaints


def every_retry_backs_off(project: Project) -> list[str]:
    """Each retrier waits longer each time, up to a bound, with full jitter, a bounded number of times."""
    complaints = []
    for name, state in project.tasks().items():
        for retrier in state.get("Retry", []):
            if retrier.get("MaxAttempts") == 0:
                continue
            sound = (
                retrier.get("IntervalSeconds", 0) >= 1
                and retrier.get("BackoffRate", 0) > 1
                and retrier.get("MaxDelaySeconds", 0) > retrier.get("IntervalSeconds", 0)
                and retrier.get("JitterStrategy") == "FULL"
                and 1 <= retrier.get("MaxAttempts", 0) <= 10
            )
            if not sound:
                complaints.append(f"{name} retries {retrier['ErrorEquals']} without backoff, bound, jitter or count")
    return complaints


def patience_fits_the_error(project: Project) -> list[str]:
    """A busy or starting endpoint gets minutes, a missing one about one, a failing model less."""
    retriers = project.tasks()["Classify image"].get("Retry", [])
    waiting = [retrier for retrier in retriers if retrier["MaxAttempts"]]
    patience = {error: _patience_seconds(retrier) for retrier in waiting for error in retrier["ErrorEquals"]}
    busy = min(patience.get("EndpointThrottledError", 0), patience.get("EndpointUnavailableError", 0))
    missing, failing = patience.get("EndpointMissingError", 0), patience.get("EndpointModelError", 0)
    if busy >= 300 and busy > missing > failing > 0:
        return []
    return [f"waits: busy {busy:.0f} s, missing {missing:.0f} s, failing model {failing:.0f} s"]


def every_task_catches_all_last(project: Project) -> list[str]:
    """Each Task ends its Catch with States.ALL alone, so that no error fails the run unrecorded."""
    complaints = []
    for name, state in project.tasks().items():
        catchers = state.get("Catch", [])
        if not catchers or catchers[-1]["ErrorEquals"] != ["States.ALL"]:
            complaints.append(f"{name} does not catch States.ALL last")
        if any("States.ALL" in catcher["ErrorEquals"] for catcher in catchers[:-1]):
            complaints.append(f"{name} catches States.ALL before the end")
    return complaints


def every_caught_error_is_recorded(project: Project) -> list[str]:
    """From each Catch every way leads to the record, or to an end that is declared to have none."""
    complaints = []
    for name, state in project.tasks().items():
        allowed = ENDS_WITHOUT_RECORD | (ENDS_AFTER_RECORD if name in AFTER_RECORD else set())
        for catcher in state.get("Catch", []):
            # What is handed over begins anew in the Standard workflow; that state's own errors are looked at by itself.
            if catcher["Next"] == "Hand over":
                continue
            for end in _ends(project.machine, catcher["Next"], stop=RECORD):
                if end not in allowed and not (name in AFTER_RECORD and _settled(project, end)):
                    complaints.append(f"{name}: {catcher['ErrorEquals']} ends in {end} without a record")
    return complaints


def caught_faults_say_what_happened(project: Project) -> list[str]:
    """A catcher that leads to the record sets outcome and reason, and never CLASSIFIED."""
    complaints = []
    for name, state in project.tasks().items():
        for catcher in state.get("Catch", []):
            if catcher["Next"] not in (RECORD, "Read trigger"):
                continue
            assigned = catcher.get("Assign", {})
            if assigned.get("outcome") not in {*Outcome} - {Outcome.CLASSIFIED} or not assigned.get("reason"):
                complaints.append(f"{name}: {catcher['ErrorEquals']} is recorded without an outcome and a reason")
    return complaints


def nothing_ends_classified_unannounced(project: Project) -> list[str]:
    """Without the announcement none is noted, and without the record none is announced."""
    complaints = []
    if NOTE in _reachable(project.machine, without={ANNOUNCE}):
        complaints.append("an announcement can be noted that was not made")
    if project.machine["States"][ANNOUNCE].get("Next") != NOTE:
        complaints.append("an announcement is not noted")
    states = project.machine["States"]
    if ANNOUNCE in _reachable(project.machine, without={RECORD, RECORD_VEHICLE}):
        complaints.append("the announcement can be reached past the record")
    if states[RECORD_VEHICLE].get("Next") != ANNOUNCE:
        complaints.append("a CLASSIFIED outcome is not announced")
    choice = states["Which outcome"]
    if not _fails_by_name(project, choice.get("Default", "")):
        complaints.append("an unknown outcome does not fail")
    return complaints


def record_is_written_once(project: Project) -> list[str]:
    """No write is without a condition; the record's writes over FAILED alone, losing neither the order nor a review."""
    of_record = (
        "attribute_not_exists(#object) OR (#outcome = :failed AND ",
        "#sequencer IN (:sequencer, :unknown)",
        "attribute_not_exists(#reviewed)",
    )
    parts = {
        RECORD_VEHICLE: of_record,
        RECORD: of_record,
        NOTE: ("attribute_type(announced_at, :null)",),
    }
    conditions = {
        name: state["Arguments"].get("ConditionExpression", "")
        for name, state in project.tasks().items()
        if state["Resource"] in ("${DynamoDBPutItem}", "${DynamoDBUpdateItem}")
    }
    complaints = [f"{name} is not among the writes that are checked" for name in sorted(set(conditions) ^ set(parts))]
    return complaints + [
        f"{name}'s condition lacks {part}"
        for name, expected in parts.items()
        for part in expected
        if part not in conditions.get(name, "")
    ]


def the_two_types_differ_in_patience_alone(project: Project) -> list[str]:
    """One definition, in which nothing but the names of what is handed over differs; Express hands over every fault."""
    standard = project.properties("ClassifyVehicleStateMachine")
    express = project.properties("ClassifyVehicleExpressStateMachine")
    given, other = standard["DefinitionSubstitutions"], express["DefinitionSubstitutions"]
    handed = {"FaultInExpress": "States.TaskFailed", "TimeoutInExpress": "States.Timeout"}
    complaints = [f"Express does not hand over {name}" for name, error in handed.items() if other.get(name) != error]
    complaints += [f"Standard hands over {name}" for name in handed if given.get(name) in (None, *AWS_ERRORS)]
    differing = {name for name in given.keys() | other.keys() if given.get(name) != other.get(name)}
    complaints += [f"{name} differs between the two types" for name in sorted(differing - set(handed))]
    if (standard["Type"], express["Type"], standard["DefinitionUri"]) != (
        "STANDARD",
        "EXPRESS",
        express["DefinitionUri"],
    ):
        complaints.append("the two are no types of one definition")
    for name, state in project.tasks().items():
        hurried = [handler for handler in state["Retry"] if handler["ErrorEquals"] == list(HURRIED)]
        caught = [handler for handler in state["Catch"] if handler["ErrorEquals"] == list(HURRIED)]
        if name not in ("Hand over", "Write letter") and (
            state["Retry"][0] not in hurried or [each["Next"] for each in caught] != ["Hand over"]
        ):
            complaints.append(f"{name} does not hand over at its first fault")
    return complaints


def both_readings_of_the_trigger_agree(project: Project) -> list[str]:
    """What the first state asks for and keeps is what is recorded of a photo that it could not read."""
    states = project.machine["States"]
    first, failed = states["Serialize image"], states["Read trigger"]["Assign"]
    read = {name: text for name, text in first["Arguments"].items() if name != "execution_id"}
    read |= {name: first["Assign"].get(name) for name in ("sequencer", "by_hand", "handed_over_by")}
    return [f"{name} is read in two ways" for name, text in read.items() if failed.get(name) != text]


def every_state_is_reachable(project: Project) -> list[str]:
    """Every named state exists, every state can be reached, and every way comes to an end."""
    states = project.machine["States"]
    named = {project.machine["StartAt"], *(target for state in states.values() for target in _targets(state))}
    complaints = [f"there is no state {name}" for name in sorted(named - set(states))]
    complaints += [f"{name} is never reached" for name in sorted(set(states) - _reachable(project.machine))]
    endless = [n for n, s in states.items() if not _targets(s) and s["Type"] not in ("Succeed", "Fail")]
    return complaints + [f"{name} leads nowhere" for name in endless]


def every_failure_has_a_name(project: Project) -> list[str]:
    """Each Fail state has an Error and a Cause, and a low confidence fails as THRESHOLD_CONFIDENCE_NOT_MET."""
    fails = {name: state for name, state in project.machine["States"].items() if state["Type"] == "Fail"}
    complaints = [f"{name} fails without Error or Cause" for name in fails if not _fails_by_name(project, name)]
    if fails.get("Needs review", {}).get("Error") != "THRESHOLD_CONFIDENCE_NOT_MET":
        complaints.append("a low confidence does not fail as THRESHOLD_CONFIDENCE_NOT_MET")
    return complaints


def every_matched_error_exists(project: Project) -> list[str]:
    """Each name in ErrorEquals is a class in errors.py or a name that AWS documents."""
    known = {*AWS_ERRORS, *HURRIED} | raised_errors(project).all
    matched = {
        (name, error)
        for name, state in project.tasks().items()
        for error in _names(state.get("Retry", [])) | _names(state.get("Catch", []))
    }
    return [f"{name} matches {error}, which nothing raises" for name, error in sorted(matched) if error not in known]


def every_error_is_handled_where_it_arises(project: Project) -> list[str]:
    """What may help is retried by name where it can arise, what cannot is not, and no handler waits in vain."""
    errors, complaints = raised_errors(project), []
    for name, state in project.tasks().items():
        function = _function(state)
        if not function:
            continue
        leaving = left_by(project, function)
        retried, caught = _names(state.get("Retry", [])), _names(state.get("Catch", []))
        complaints += [f"{name} does not retry {error}" for error in sorted((leaving & errors.retriable) - retried)]
        complaints += [f"{name} retries {error} in vain" for error in sorted(retried & errors.final)]
        ours = (retried | caught) & errors.all
        complaints += [f"{name} handles {error}, which cannot arise" for error in sorted(ours - leaving)]
    for error, state_name, outcome in (
        ("InvalidImageError", "Serialize image", "REJECTED"),
        ("THRESHOLD_CONFIDENCE_NOT_MET", "Filter inferences", "NEEDS_REVIEW"),
    ):
        catchers = project.tasks().get(state_name, {}).get("Catch", [])
        if not any(error in c["ErrorEquals"] and c.get("Assign", {}).get("outcome") == outcome for c in catchers):
            complaints.append(f"{state_name} does not turn {error} into {outcome}")
    return complaints


def substitutions_fit(project: Project) -> list[str]:
    """Each ${Name} of the state machine is substituted, and each substitution is used."""
    text = project.files["statemachine/classify_vehicle.asl.json"]
    used = set(re.findall(r"\$\{(\w+)\}", text)) | set(re.findall(r"\$\{(\w+)\}", str(project.machine)))
    given = set(project.properties("ClassifyVehicleStateMachine").get("DefinitionSubstitutions", {}))
    return [f"substitution {name} is {'not given' if name in used else 'not used'}" for name in sorted(used ^ given)]


def machine_names_no_account(project: Project) -> list[str]:
    """The state machine holds no ARN and no account id: it runs in any account, and on this machine."""
    text = "\n".join(_strings(project.machine))
    return [f"the state machine holds {found}" for found in re.findall(r"arn:[\w-]+:\S*|\b\d{12}\b", text)]


def expressions_are_jsonata(project: Project) -> list[str]:
    """Each {% expression %} parses and uses only variables that an Assign sets."""
    assigned = {name for fields in _assigns(project.machine) for name in fields} | {"states"}
    complaints = []
    for text in _strings(project.machine):
        if not text.startswith("{%"):
            continue
        expression = re.sub(r"\$\{\w+\}", "1", text[2:-2])
        try:
            jsonata.Jsonata(expression)
        except jsonata.JException as error:
            complaints.append(f"{text}: {error}")
        local = set(re.findall(r"\$(\w+) :=", expression))
        for parameters in re.findall(r"function\(([^)]*)\)", expression):
            local |= set(re.findall(r"\$(\w+)", parameters))
        unknown = set(re.findall(r"\$([a-z_]\w*)\b(?!\()", expression)) - assigned - local
        complaints += [f"{text} uses ${name}, which nothing assigns" for name in sorted(unknown)]
    return complaints


def _names(handlers: list[Json]) -> set[str]:
    return {error for handler in handlers for error in as_list(handler["ErrorEquals"])}


def _function(state: Json) -> str:
    """The folder of the function that a Task calls; empty for a service integration."""
    found = re.fullmatch(r"\$\{(\w+)FunctionArn\}", state["Resource"])
    return re.sub(r"(?<!^)(?=[A-Z])", "_", found.group(1)).lower() if found else ""


def _patience_seconds(retrier: Json) -> float:
    """The longest that a retrier may wait in total, full jitter drawing its maximum each time."""
    first, rate, longest = retrier["IntervalSeconds"], retrier["BackoffRate"], retrier["MaxDelaySeconds"]
    return float(sum(min(first * rate**attempt, longest) for attempt in range(retrier["MaxAttempts"])))


def _targets(state: Json) -> set[str]:
    rules = [*state.get("Choices", []), *state.get("Catch", [])]
    return {target for target in (state.get("Next"), state.get("Default"), *(rule["Next"] for rule in rules)) if target}


def _reachable(machine: Json, without: Collection[str] = ()) -> set[str]:
    seen: set[str] = set()
    waiting = [machine["StartAt"]]
    while waiting:
        name = waiting.pop()
        if name in seen or name in without or name not in machine["States"]:
            continue
        seen.add(name)
        waiting += _targets(machine["States"][name])
    return seen


def _ends(machine: Json, start: str, stop: str) -> set[str]:
    """The last states on every way from `start` that does not pass `stop`."""
    reached = {start} if start != stop else set()
    waiting = list(reached)
    while waiting:
        for target in _targets(machine["States"].get(waiting.pop(), {})) - reached - {stop}:
            reached.add(target)
            waiting.append(target)
    return {name for name in reached if not _targets(machine["States"].get(name, {}))}


def _settled(project: Project, name: str) -> bool:
    """Whether a run that ends here has dealt with its photo, or fails by name."""
    return project.machine["States"].get(name, {}).get("Type") == "Succeed" or _fails_by_name(project, name)


def _fails_by_name(project: Project, name: str) -> bool:
    state = project.machine["States"].get(name, {})
    return bool(state.get("Type") == "Fail" and state.get("Error") and state.get("Cause"))


def _assigns(node: object) -> Iterator[Json]:
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "Assign":
                yield value
            yield from _assigns(value)
    elif isinstance(node, list):
        for item in node:
            yield from _assigns(item)


def _strings(node: object) -> Iterator[str]:
    if isinstance(node, str):
        yield node
    elif isinstance(node, dict):
        for value in node.values():
            yield from _strings(value)
    elif isinstance(node, list):
        for item in node:
            yield from _strings(item)
