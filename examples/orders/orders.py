"""Orders: items are reserved, paid and shipped; if a step fails, what was done before is undone.

python orders.py run
python orders.py run --card 4111111111111112        # a wrong number: the items are released
python orders.py run --country AQ                   # nobody ships there: refund, then release
python orders.py graph                              # all routes, those after errors too
"""

from typing import Any

from lokki_tf import Failure, MicroFunctions, RetryConfig, ReturnUpdates, main

Items = dict[str, int]
"""How many of each item."""

CATALOGUE = {"kettle": (3_900, 1.4, 5), "cup": (850, 0.3, 40), "tea": (1_200, 0.1, 12)}
"""Price in cents, weight in kg and stock of each item."""
ZONES = {"DE": 490, "FR": 890, "JP": 2_450}
"""Cents a kilogram."""


class OutOfStock(Exception):
    """There are fewer items than ordered."""


class PaymentDeclined(Exception):
    """The card's number is wrong."""


class NoCarrier(LookupError):
    """No carrier ships to the country."""


orders = MicroFunctions("reserve", name="orders", max_steps=10, timeout_seconds=3600)


@orders.fn(catch={OutOfStock: "reject"})
def reserve(
    items: Items = {"kettle": 1, "cup": 4},  # noqa: B006  # never changed
    card: str = "4111 1111 1111 1111",
    country: str = "DE",
) -> ReturnUpdates:
    """Take the items out of the stock."""
    for name, count in items.items():
        _, _, stock = CATALOGUE[name]
        if count > stock:
            raise OutOfStock(f"{count} of {name}, {stock} left")
    return ReturnUpdates("charge", items=items, card=card, country=country, reserved=sorted(items))


@orders.fn(
    retry=RetryConfig(retries=2, delay=1, exceptions=ConnectionError),
    catch={PaymentDeclined: "release", "States.Timeout": "release"},
)
def charge(items: Items, card: str, country: str, reserved: list[str]) -> ReturnUpdates:
    """Charge the card, whose number has a check digit."""
    digits = [int(one) for one in card if one.isdigit()]
    doubled = [sum(divmod(2 * one, 10)) for one in digits[-2::-2]]
    if len(digits) < 12 or (sum(digits[-1::-2]) + sum(doubled)) % 10:
        raise PaymentDeclined(f"card …{card[-4:]}")
    amount = sum(CATALOGUE[name][0] * count for name, count in items.items())
    return ReturnUpdates("ship", "card", paid=amount)


@orders.fn(catch={True: "refund"})
def ship(items: Items, country: str, reserved: list[str], paid: int) -> ReturnUpdates:
    """Hand the parcel to a carrier."""
    if country not in ZONES:
        raise NoCarrier(country)
    weight = sum(CATALOGUE[name][1] * count for name, count in items.items())
    parcel = {"country": country, "weight": weight, "postage": round(weight * ZONES[country])}
    return ReturnUpdates("confirm", "*", parcel=parcel, paid=paid)


@orders.fn(terminates=True)
def confirm(parcel: dict[str, Any], paid: int) -> dict[str, Any]:
    """Tell the customer."""
    return {"status": "shipped", "total": paid + parcel["postage"], "parcel": parcel}


@orders.fn()
def refund(
    items: Items, country: str, reserved: list[str], paid: int, failure: Failure
) -> ReturnUpdates:
    """Pay back what was charged: the first step after an error of the shipment."""
    return ReturnUpdates("release", "paid", refunded=paid, reason=f"{failure.error}: {country}")


@orders.fn()
def release(
    items: Items,
    country: str,
    reserved: list[str],
    card: str | None = None,
    refunded: int = 0,
    reason: str = "",
    failure: Failure | None = None,
) -> ReturnUpdates:
    """Put the items back into the stock, after a refund or after an error of the payment."""
    why = reason if failure is None else f"{failure.error}: {failure.message}"
    return ReturnUpdates("cancel", "*", released=reserved, refunded=refunded, reason=why)


@orders.fn(terminates=True)
def reject(failure: Failure, **order: Any) -> dict[str, Any]:
    """End an order of which nothing was done."""
    return {"status": "rejected", "reason": failure.message}


@orders.fn(terminates=True)
def cancel(released: list[str], refunded: int, reason: str) -> dict[str, Any]:
    """End an order of which everything was undone."""
    return {"status": "cancelled", "reason": reason, "released": released, "refunded": refunded}


if __name__ == "__main__":
    main(orders)
