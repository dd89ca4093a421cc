"""What the core needs to know of a request, whatever server or framework took it."""

from collections.abc import Sequence
from dataclasses import dataclass, field

# The header fields that a decision may depend on; adapters need not hand over any other.
FIELDS = ("authorization", "origin", "access-control-request-method")


@dataclass(slots=True)
class RequestView:
    """A request without its body, which no decision here depends on.

    ``path`` is the very string that the application routes on (ASGI ``path`` less ``root_path``,
    WSGI ``PATH_INFO``). ``raw_path`` is the path as it came over the wire, where the server tells:
    text, or octets that few requests need as text.
    ``headers`` are name and value pairs, names in any case, repeated fields kept apart.
    ``is_reported``: it was refused, and passes because MODE says not to enforce.
    """

    method: str
    path: str
    raw_path: str | bytes | None
    headers: Sequence[tuple[str, str]] = field(repr=False)  # the token is in there
    is_reported: bool = False

    def field(self, name: str) -> list[str]:
        """Every value of one header field, in order. ``name`` is given in lower case."""
        found = []
        for key, value in self.headers:  # before Python 3.12 a comprehension is a call of its own
            if key.lower() == name:
                found.append(value)
        return found

    def is_preflight(self) -> bool:
        """Tell a CORS preflight, which by the Fetch standard never carries credentials."""
        return (
            self.method == "OPTIONS"
            and bool(self.field("origin"))
            and bool(self.field("access-control-request-method"))
            and not self.field("authorization")
        )
