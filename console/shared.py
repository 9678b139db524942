"""The page as it is served in AWS, by a function, to people who sign in, with the interface for partners' systems."""

from typing import Final
from urllib.parse import urlsplit

from console import openapi
from console.deployed import Deployed
from console.ledger import Ledger
from console.pages import partner, photos
from console.roles import Role
from console.served import aws_of
from console.sign_in import Ask, Pool, SignIn, Tokens
from console.site import make_site
from console.web import ADDRESSES, Address, Explain, SafeHeaders, assemble, policy
from monitoring.last_check import last_check

# A function that starts reads so many records of each outcome before its first page.
MOST_RECORDS: Final = 5_000
SHARED_ADDRESSES: Final = (
    *ADDRESSES,
    Address("/arrivals", photos.arrivals, Role.VIEWER),
    Address("/send", partner.place, Role.OPERATOR, "POST"),
    Address("/sent/{id}", partner.photo, Role.VIEWER),
    Address("/photos", partner.place, Role.ANYBODY, "POST", partner.SEND),
    Address("/photos/{id}", partner.photo, Role.ANYBODY, scope=partner.READ),
    Address("/docs", partner.documentation, Role.ANYBODY),
    Address("/openapi.json", partner.openapi, Role.ANYBODY),
)


def make_shared(deployed: Deployed, pool: Pool, ask: Ask, explain: Explain) -> SafeHeaders:
    """The page of one application behind its door; `ask` reaches the pool, `explain` finds words for errors of AWS."""
    ledger = Ledger(deployed.results, MOST_RECORDS, on_demand=True)
    s3, bucket = deployed.client("s3"), deployed.output("BucketName")
    site = make_site(deployed, ledger, explain)
    presigned = urlsplit(s3.generate_presigned_post(bucket, "uploads/")["url"])
    site.bucket_origin = f"{presigned.scheme}://{presigned.netloc}"
    # What the function's role may read.
    site.can_show = site.is_upload
    site.last_check = lambda: last_check(s3, aws_of(deployed).site.bucket, deployed.output("EndpointName"))
    application = assemble(site, SHARED_ADDRESSES)
    application.state.openapi = openapi.document(pool.address, f"{pool.domain}/oauth2/token")
    return SafeHeaders(SignIn(application, SHARED_ADDRESSES, Tokens(pool, ask)), policy(site.bucket_origin))
