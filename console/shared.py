"""The page as it is served in AWS, by a function, to people who sign in, with the interface for partners' systems."""

from typing import Final
from urllib.parse import urlsplit

from console import openapi
from console.deployed import Deployed, desk_of
from console.ledger import Ledger
from console.live import Live
from console.pages import partner, photos
from console.pictures import Pictures
from console.reviewing import ReviewTable
from console.roles import Role
from console.sign_in import Ask, Pool, SignIn, Tokens
from console.site import Site
from console.threshold import Threshold
from console.web import ADDRESSES, Address, Explain, SafeHeaders, assemble, policy

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
    threshold = Threshold(deployed)
    s3, bucket = deployed.client("s3"), deployed.output("BucketName")
    presigned = urlsplit(s3.generate_presigned_post(bucket, "uploads/")["url"])
    site = Site(
        deployed=deployed,
        ledger=ledger,
        live=Live(deployed.client, bucket, deployed.output("StateMachineArn"), ledger),
        pictures=Pictures(s3),
        reviews=ReviewTable(desk_of(deployed), ledger, threshold, undo_seconds=0.0),
        threshold=threshold,
        explain=explain,
        bucket_origin=f"{presigned.scheme}://{presigned.netloc}",
    )
    application = assemble(site, SHARED_ADDRESSES)
    application.state.openapi = openapi.document(pool.address, f"{pool.domain}/oauth2/token")
    return SafeHeaders(SignIn(application, SHARED_ADDRESSES, Tokens(pool, ask)), policy(site.bucket_origin))
