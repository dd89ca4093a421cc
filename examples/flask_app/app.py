"""An API for orders. bearerguard decides who may call what; README.md says how to run it."""

import json
from typing import Any

from flask import Flask, request

from bearerguard.flask import BearerGuard, any_of, current_token, public, requires

Answer = dict[str, Any] | tuple[dict[str, Any], int]

ORDERS: list[dict[str, Any]] = []
HOW_TO_ORDER = 'send {"item": "apples", "quantity": 3}, with a quantity from 1 to 1000'

app = Flask(__name__)
guard = BearerGuard(app)  # from here on every view needs a valid token, unless it says otherwise


@app.get("/orders")
@requires("orders:read")
def list_orders() -> Answer:
    """The scope says that the caller may read orders, the subject of the token says whose."""
    return {"orders": [order for order in ORDERS if order["owner"] == current_token.subject]}


@app.post("/orders")
@requires("orders:read", "orders:write")  # both of them
def create_order() -> Answer:
    try:
        body = json.loads(request.get_data())
    except (ValueError, RecursionError):
        return {"problem": "the body is not JSON"}, 400
    if not is_order(body):
        return {"problem": HOW_TO_ORDER}, 422
    order = {
        "number": len(ORDERS) + 1,
        "owner": current_token.subject,
        "item": body["item"],
        "quantity": body["quantity"],
    }
    ORDERS.append(order)
    return order, 201


def is_order(body: object) -> bool:
    match body:
        case {"item": str(item), "quantity": int(quantity)} if not isinstance(quantity, bool):
            return item.isprintable() and 1 <= len(item) <= 100 and 1 <= quantity <= 1000
    return False


@app.get("/reports")
@requires(any_of("reports:read", "orders:admin"))  # one of them is enough
def report() -> Answer:
    return {"orders": len(ORDERS), "items": sum(order["quantity"] for order in ORDERS)}


@app.get("/me")
def me() -> Answer:
    """Without a decorator any valid token will do; without a token nobody comes here."""
    scopes = sorted(current_token.scopes)
    return {"subject": current_token.subject, "client": current_token.client_id, "scopes": scopes}


@app.get("/healthz")
@public
def healthz() -> Answer:
    return {"status": "ok"}
