"""Who may do what, and who did: the policies of the deployed roles held against the calls that tests made them make.

    VEHICLEVISION_TAKEN=folder VEHICLEVISION_CALLS=folder pytest …; python -m tests.workflow.may folder [soak]

Each engine writes the calls of its roles into that folder; before an AWS ends, or a stack is removed, its roles'
policies are held against them. The program adds up: a grant that no test used must be listed here with its reason, and
a call that no policy allows fails.
"""

import fnmatch
import json
import os
import re
import sys
import uuid
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from local.engine import task_calls

FOLDER_VARIABLE = "VEHICLEVISION_CALLS"
# A role of one of our templates: its logical name between the stack's and a mark of CloudFormation's.
ROLE = re.compile(
    r"^vehiclevision-(?:(?:monitoring|retraining|reconciling|backfilling|console)-)?([A-Za-z]+Role|RetrainingStarterRole)-"
)

# What the engine cannot see, or what `make test` does not go through, each with its reason.
UNSEEN: Mapping[str, str] = {
    "*Role logs:*": "Lambda and Step Functions write logs themselves",
    "*Role xray:*": "Step Functions sends traces itself",
    "*Role kms:*": "S3 asks for the key itself, and only where the bucket has one",
    "*ScheduleRole lambda:InvokeFunction": "EventBridge Scheduler calls it; the engine has no clock",
    "SerializeImageRole s3:ListBucket": "S3 looks at it itself, to tell a deleted object from a denied one",
    "ClassifyVehicleRole sqs:SendMessage": "the table fails the workflow in tests/simulator/test_refusals.py only",
    "RetrainModelRole sagemaker:DescribeTrainingJob": "Step Functions looks itself how a job is that it waits for",
    "RetrainModelRole sagemaker:StopTrainingJob": "Step Functions stops the job of a run that was stopped",
    "RetrainModelRole events:PutRule": "Step Functions makes the rule itself that tells it of a job's end",
    "RetrainModelRole events:PutTargets": "Step Functions makes the rule itself that tells it of a job's end",
    "RetrainModelRole events:DescribeRule": "Step Functions makes the rule itself that tells it of a job's end",
    "RegisterChallengerRole s3:GetObject on */models/*": "AWS does not say by whose right it reads what is registered",
    "RegisterChallengerRole sagemaker:CreateModelPackageGroup": "the tests' first model was registered by a person",
    "RegisterChallengerRole sagemaker:AddTags": "the tests' endpoint and group were made by a person, with their tags",
    "RegisterChallengerRole sagemaker:CreateModelPackage on *:model-package-group/*": "the engine looks at the version",
    "RegisterChallengerRole sagemaker:ListModelPackages on *:model-package/*": "the engine looks at the group",
    "RegisterChallengerRole application-autoscaling:DescribeScalableTargets": "the engine asks no policy about it",
}
# What only `make soak` goes through, and must.
ONLY_SOAK: Mapping[str, str] = {
    "RetrainModelRole sagemaker:DeleteModel": "an alarm takes the new model back",
    "RetrainModelRole sagemaker:DeleteEndpointConfig": "an alarm takes the new model back",
}
# What a test asks for in order to see it refused.
REFUSED: Mapping[str, str] = {
    "ClassifyImageRole s3:PutObject on *:::vehiclevision-*/captured/*": "it answers though its capture is refused"
}
KINDS: Mapping[str, str] = task_calls.SAGEMAKER_KINDS
# What these are done to beside what they are named after.
ALSO: Mapping[str, Collection[str]] = {
    "sagemaker:UpdateEndpoint": ("endpoint-config",),
    "sagemaker:CreateModelPackage": ("model-package-group",),
}
Call = tuple[str, str, str, str]


@dataclass(frozen=True)
class Grant:
    """An action that a role may take on a resource; `place` names it alike wherever the template is deployed."""

    role: str
    place: str
    action: str
    resource: str

    @property
    def name(self) -> str:
        """As the lists here have it."""
        return f"{self.role} {self.action}"

    def covers(self, call: Call) -> bool:
        """Whether a call is what it is for."""
        role, action, resource, _ = call
        logical = logical_name(role)
        return logical == self.role and action == self.action and fnmatch.fnmatchcase(resource, self.resource)


def logical_name(role: str) -> str | None:
    """What the template calls a role; None if it is none of ours."""
    named = ROLE.match(role)
    return named[1] if named else None


def grants(iam: Any) -> Iterator[Grant]:
    """Everything that the deployed roles of our templates may do."""
    for role in (each["RoleName"] for page in iam.get_paginator("list_roles").paginate() for each in page["Roles"]):
        logical = logical_name(role)
        for policy in iam.list_role_policies(RoleName=role)["PolicyNames"] if logical else ():
            document = iam.get_role_policy(RoleName=role, PolicyName=policy)["PolicyDocument"]
            for number, statement in enumerate(document["Statement"]):
                for action in _list(statement["Action"]):
                    for index, resource in enumerate(_list(statement["Resource"])):
                        if not can_be_done(action, resource):
                            continue
                        yield Grant(str(logical), f"{policy} {number} {index}", action, resource)


def can_be_done(action: str, resource: str) -> bool:
    """Whether there is such a thing: a statement pairs each of its actions with each of its resources."""
    kind = next((kind for kind in KINDS if action.startswith("sagemaker:") and action.endswith(kind)), "")
    type_of_resource = resource.rpartition(":")[2].partition("/")[0]
    return not kind or resource == "*" or type_of_resource == KINDS[kind] or type_of_resource in ALSO.get(action, ())


def note(client: Callable[[str], Any]) -> None:
    """Hold this AWS's roles against the calls so far, where someone asks for it."""
    folder = os.environ.get(FOLDER_VARIABLE)
    if not folder:
        return
    iam = client("iam")
    calls = read_calls(Path(folder) / f"calls.{urlsplit(iam.meta.endpoint_url).port}.jsonl")
    write(Path(folder), list(grants(iam)), calls)


def read_calls(path: Path) -> list[Call]:
    """The calls that an engine noted."""
    lines = path.read_text("utf-8").splitlines() if path.exists() else []
    return [(role, action, resource, decision) for role, action, resource, decision in map(json.loads, lines)]


def write(folder: Path, given: Iterable[Grant], calls: Iterable[Call]) -> None:
    """Which grants were used and which were not, and the calls that none covers."""
    made = list(calls)
    given = list(given)
    allowed = {call[:3] for call in made if call[3] == "Allow"}
    rows = [[grant.name, grant.place, grant.resource, any(map(grant.covers, made))] for grant in given]
    refused = [call[:3] for call in made if logical_name(call[0]) and call[:3] not in allowed]
    (folder / f"may.{uuid.uuid4().hex}.json").write_text(json.dumps({"grants": rows, "refused": refused}), "utf-8")


def main(folder: Path, unseen: Mapping[str, str], must_be_seen: Collection[str] = ()) -> int:
    """Say how many grants some test used; 1 if one is unused and not listed, or a call was allowed by none.

    With names that must be seen, only these may not be unused.
    """
    used: dict[tuple[str, str], tuple[bool, str]] = {}
    refused: set[tuple[str, ...]] = set()
    for path in folder.glob("may.*.json"):
        found = json.loads(path.read_text("utf-8"))
        refused |= {tuple(call) for call in found["refused"] if not _is_refused_on_purpose(*call)}
        for name, place, resource, was_used in found["grants"]:
            before, _ = used.get((name, place), (False, ""))
            used[name, place] = (before or was_used, resource)
    left = [(name, resource) for (name, _), (was_used, resource) in sorted(used.items()) if not was_used]
    if must_be_seen:
        seen = {name for (name, _), (was_used, _) in used.items() if was_used}
        unlisted = [(name, "anything") for name in must_be_seen if name not in seen]
    else:
        unlisted = [each for each in left if not any(_is_listed(*each, pattern) for pattern in unseen)]
    print(
        f"roles: {len(used) - len(left)} of {len(used)} grants used, {len(left) - len(unlisted)} that are unseen here"
    )
    for name, resource in unlisted:
        print(f"  used by no test: {name} on {resource}  (take it away, test it, or list it in {__file__})")
    for call in sorted(refused):
        print(f"  allowed by no policy: {' '.join(call)}")
    return int(bool(unlisted or refused))


def _is_listed(name: str, resource: str, pattern: str) -> bool:
    action, on, of = pattern.partition(" on ")
    return fnmatch.fnmatchcase(name, action) and (not on or fnmatch.fnmatchcase(resource, of))


def _is_refused_on_purpose(role: str, action: str, resource: str) -> bool:
    return any(_is_listed(f"{logical_name(role)} {action}", resource, pattern) for pattern in REFUSED)


def _list(value: Any) -> list[str]:
    return value if isinstance(value, list) else [value]


if __name__ == "__main__":
    if sys.argv[2:] == ["soak"]:
        sys.exit(main(Path(sys.argv[1]), {}, ONLY_SOAK))
    sys.exit(main(Path(sys.argv[1]), {**UNSEEN, **ONLY_SOAK}))
