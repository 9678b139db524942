"""What all kinds of resources have in common: a name taken once, a record, an ARN, tags, a place in a list."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from local.sagemaker.control import tags
from local.sagemaker.control.errors import ServiceError
from local.sagemaker.control.listing import Listing, page
from local.sagemaker.control.names import arn, key
from local.sagemaker.control.service import Operation, Request, Service
from local.sagemaker.control.store import Record


@dataclass(frozen=True)
class Resource:
    """One kind, with SageMaker's own words for a name that is unknown, and for one that is taken."""

    kind: str
    # The field that names one in requests and records; that of its ARN ends in Arn instead.
    name: str
    listing: Listing
    unknown: str
    taken: str
    unknown_code: str = "ValidationException"
    taken_code: str = "ValidationException"

    @property
    def arn_name(self) -> str:
        """The field of its ARN."""
        return f"{self.name.removesuffix('Name')}Arn"

    def existing(self, service: Service, name: str) -> Record:
        """The record of a name or an ARN."""
        record = service.store.get(self.kind, key(name))
        if record is None:
            raise ServiceError(self.unknown_code, self.unknown.format(name=name, arn=arn(self.kind, key(name))))
        return record

    def refuse_taken(self, service: Service, name: str) -> None:
        """ServiceError where there is one of this name."""
        if service.store.get(self.kind, key(name)) is not None:
            raise ServiceError(self.taken_code, self.taken.format(name=name, arn=arn(self.kind, name)))

    def add(self, service: Service, request: Request, record: Record) -> Mapping[str, Any]:
        """Keep a new record, with the request's tags; the answer to the request."""
        name = request[self.name]
        with service.store.lock:
            self.refuse_taken(service, name)
            tags.tag(service.store, arn(self.kind, name), request.get("Tags", []))
            service.store.put(self.kind, key(name), record)
        return {self.arn_name: arn(self.kind, name)}

    def remove(self, service: Service, record: Record) -> None:
        """Forget a record and its tags."""
        service.store.delete(self.kind, key(record[self.arn_name]))
        tags.forget(service.store, record[self.arn_name])

    def describe(self, service: Service, request: Request) -> Mapping[str, Any]:
        """Answer a Describe request."""
        return self.existing(service, request[self.name])

    def list(self, service: Service, request: Request) -> Mapping[str, Any]:
        """Answer a List request."""
        return page(request, service.store.all(self.kind), self.listing)

    def delete(self, service: Service, request: Request) -> Mapping[str, Any]:
        """Answer a Delete request for what may always be deleted."""
        with service.store.lock:
            self.remove(service, self.existing(service, request[self.name]))
        return {}

    def operations(self, **own: Operation) -> dict[str, Operation]:
        """Describe, List and Delete of this kind, and whatever it does in its own way."""
        noun = self.name.removesuffix("Name")
        common = {f"Describe{noun}": self.describe, f"List{noun}s": self.list, f"Delete{noun}": self.delete}
        return {**common, **own}
