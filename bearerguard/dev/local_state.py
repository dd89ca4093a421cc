"""What the parts of the local issuer share: the issuer, what it gave out, and how it behaves."""

from collections import deque
from dataclasses import dataclass, field
from secrets import token_urlsafe
from urllib.parse import urlsplit

from bearerguard.dev.broken import BAD_TOKENS
from bearerguard.dev.issuer import Issuer
from bearerguard.dev.ledger import Ledger

SHOWN_REQUESTS = 30
SLOWEST_S = 60.0
MOST_KEYS = 10


@dataclass(frozen=True)
class Seen:
    """A request that was answered. What it carried is not in it."""

    at: float
    method: str
    path: str
    status: int


@dataclass
class LocalState:
    """``slow_s`` is how long each answer of the issuer takes; ``is_down`` stands at the issuer.

    ``csrf`` is in every form: another site cannot read it, so that it cannot send one.
    """

    issuer: Issuer
    profile: str = "rfc9068"
    slow_s: float = 0.0
    csrf: str = field(default_factory=lambda: token_urlsafe(32), repr=False)
    seen: deque[Seen] = field(default_factory=lambda: deque(maxlen=SHOWN_REQUESTS))

    def __post_init__(self) -> None:
        self.ledger = Ledger(self.issuer.clock)

    @property
    def origin(self) -> str:
        """Where the control page is: the issuer's URL without its path."""
        parts = urlsplit(self.issuer.url)
        return f"{parts.scheme}://{parts.netloc}"

    @property
    def prefix(self) -> str:
        """The path below which the issuer's endpoints are."""
        return urlsplit(self.issuer.url).path.rstrip("/")

    @property
    def hosts(self) -> frozenset[str]:
        """The names by which a browser on this machine may call it."""
        port = urlsplit(self.issuer.url).port
        return frozenset(f"{name}:{port}" for name in ("127.0.0.1", "localhost", "[::1]"))

    @property
    def settings(self) -> dict[str, str]:
        """What an API has to set to take its tokens, by environment name."""
        shape, audience = self.issuer.shape, self.issuer.audience
        settings = {"ISSUER": self.issuer.url, "AUDIENCE": audience}
        settings |= {} if self.profile == "rfc9068" else {"PROFILE": self.profile}
        settings |= shape.settings_for(self.issuer.url.rstrip("/"), audience)
        return {f"BEARERGUARD_{name}": value for name, value in settings.items()}

    @property
    def ways_to_break(self) -> list[str]:
        """The names of bad tokens that are bad in the shape of this issuer's tokens."""
        return [name for name in BAD_TOKENS if name not in self.issuer.shape.good]

    def rotate(self, *, keep: bool) -> None:
        """Sign with a new key from now on; without ``keep`` the others are withdrawn."""
        self.issuer.rotate(keep=keep)
        self.issuer.keys = self.issuer.keys[-MOST_KEYS:]
