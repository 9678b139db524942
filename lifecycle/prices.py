"""What it costs, before anything billable starts.

AWS's price list is asked first; where it cannot be asked, a small table answers with its date; else nobody knows.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from lifecycle.endpoint import Hosting

HOSTING: Final = "Host"
TRAINING: Final = "Train"
HOURS_A_MONTH: Final = 730
# Dollars an hour in us-east-1; other regions cost up to a third more.
TABLE: Final[Mapping[tuple[str, str], float]] = {
    ("ml.m5.large", HOSTING): 0.115,
    ("ml.m5.xlarge", HOSTING): 0.23,
    ("ml.m5.xlarge", TRAINING): 0.23,
    ("ml.g4dn.xlarge", HOSTING): 0.736,
    ("ml.g4dn.xlarge", TRAINING): 0.736,
}
TABLE_REGION: Final = "us-east-1"
TABLE_DATE: Final = "November 2026"
PAGE: Final = "https://aws.amazon.com/sagemaker/ai/pricing/"
# The price list lies in this region for all others.
PRICE_LIST_REGION: Final = "us-east-1"


@dataclass(frozen=True)
class Price:
    """Dollars an hour, and who says so; None where nobody does."""

    dollars_an_hour: float | None
    source: str

    @property
    def dollars_a_month(self) -> float | None:
        """If it runs all month."""
        return None if self.dollars_an_hour is None else self.dollars_an_hour * HOURS_A_MONTH


def price(instance_type: str, use: str, region: str, price_list: Any | None) -> Price:
    """What an instance costs, from the price list or the table."""
    products = _products(price_list, region, instanceName=instance_type) if price_list is not None else []
    if (asked := read_answer(products, instance_type, use)) is not None:
        return Price(asked, f"AWS's price list, {region}")
    known = TABLE.get((instance_type, use))
    if known is None:
        return Price(None, f"see {PAGE}")
    caveat = "" if region == TABLE_REGION else f"; {region} may differ"
    return Price(known, f"{TABLE_REGION}, {TABLE_DATE}, {PAGE}{caveat}")


def hosting_words(hosting: Hosting, price: Price) -> str:
    """What an endpoint costs, in a sentence."""
    if hosting.serverless is not None:
        return (
            f"A serverless endpoint costs nothing while nobody asks, and is billed by the millisecond of its "
            f"{hosting.serverless.memory_mb} MB else ({PAGE}). It captures nothing: drift cannot be watched, and "
            "no photo of the endpoint comes back for training."
        )
    if price.dollars_an_hour is None or price.dollars_a_month is None:
        return f"What {hosting.instances} {hosting.instance_type} costs is not known here: {price.source}."
    least, most = hosting.instances * price.dollars_a_month, hosting.max_instances * price.dollars_a_month
    more = f", up to ${most:,.0f} under load" if hosting.max_instances > hosting.instances else ""
    return (
        f"{hosting.instances} {hosting.instance_type} costs ${price.dollars_an_hour:.3f} an hour each, "
        f"about ${least:,.0f} a month{more}, whether photos come or not ({price.source})."
    )


def training_words(instance_type: str, hours: int, *, spot: bool, price: Price, jobs: int = 1) -> str:
    """What training costs at most, in a sentence."""
    if price.dollars_an_hour is None:
        return f"What {instance_type} costs is not known here: {price.source}."
    most = price.dollars_an_hour * hours * jobs
    cheaper = "; spot capacity is often cheaper by more than half" if spot else ""
    return (
        f"{instance_type} costs ${price.dollars_an_hour:.3f} an hour; it runs for {hours} hours at most"
        f"{f' in each of {jobs} jobs' if jobs > 1 else ''}, ${most:,.2f}{cheaper} ({price.source})."
    )


def _products(price_list: Any, region: str, **wanted: str) -> list[Any]:
    """The price list's products with these attributes; none where it has none or cannot be asked."""
    attributes = {**wanted, "regionCode": region}
    filters = [{"Type": "TERM_MATCH", "Field": name, "Value": value} for name, value in attributes.items()]
    try:
        answer = price_list.get_products(ServiceCode="AmazonSageMaker", Filters=filters, MaxResults=100)
    except (ClientError, BotoCoreError):
        # A price is good to know, and no reason to stop: the right to ask for it is rarely granted.
        return []
    return list(answer.get("PriceList", []))


def serverless_second(price_list: Any, memory_mb: int, region: str) -> float | None:
    """Dollars a second of a serverless endpoint, from AWS's price list; None where it has none or cannot be asked."""
    products = _products(price_list, region, productFamily="ML Serverless")
    return read_price(products, f"ServerlessInf:Mem-{memory_mb // 1024}GB", ("Second", "Seconds", "Sec"))


def read_answer(products: list[Any], instance_type: str, use: str) -> float | None:
    """Dollars an hour in the price list's products: those whose usage type ends in Host:ml.… or Train:ml.…"""
    return read_price(products, f"{use}:{instance_type}", ("Hrs", "Hour", "Hours"))


def read_price(products: list[Any], usage_type: str, units: tuple[str, ...]) -> float | None:
    """Dollars of the first product whose usage type ends so and that is priced in one of these units."""
    for text in products:
        product = json.loads(text) if isinstance(text, str) else text
        usage = str(product.get("product", {}).get("attributes", {}).get("usagetype", ""))
        if not usage.endswith(usage_type):
            continue
        for term in product.get("terms", {}).get("OnDemand", {}).values():
            for dimension in term.get("priceDimensions", {}).values():
                if dimension.get("unit") in units:
                    return float(dimension["pricePerUnit"]["USD"])
    return None
