"""Flask and bearerguard, as its README shows it; the settings are in the environment."""

from flask import Flask

from bearerguard.flask import BearerGuard, current_token, requires

app = Flask(__name__)
guard = BearerGuard(app)


@app.get("/orders")
@requires("orders:read")
def orders() -> dict[str, str | None]:
    """Answer a caller with the scope."""
    return {"for": current_token.subject}
