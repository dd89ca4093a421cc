"""Flask without a guard: what the others are measured against."""

from flask import Flask

app = Flask(__name__)


@app.get("/orders")
def orders() -> dict[str, str]:
    """Answer as the guarded ones do."""
    return {"for": "user-1"}
