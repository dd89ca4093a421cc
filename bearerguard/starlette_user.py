"""Who calls, in the words of Starlette: ``request.user`` and ``request.auth``.

Both are made for every request and looked at by few: they cost little until somebody looks.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.authentication import AuthCredentials, BaseUser

from bearerguard.asgi import Scope

if TYPE_CHECKING:
    from bearerguard.core.access_token import AccessToken

# Where the middleware leaves word for the wrappers of the views.
PASSED = "bearerguard.passed"
# What else has to forget the token then, where an adapter told others of it.
FORGET = "bearerguard.forget"


@dataclass(frozen=True)
class BearerUser(BaseUser):
    """The caller, as Starlette's ``request.user``. ``token`` is None for an anonymous one."""

    token: "AccessToken | None"
    name: str

    def __init__(self, token: "AccessToken | None", name: str) -> None:
        fields = self.__dict__  # what a frozen class would do here takes twice the time
        fields["token"], fields["name"] = token, name

    @property
    def is_authenticated(self) -> bool:
        """Whether a token was accepted."""
        return self.token is not None

    @property
    def display_name(self) -> str:
        """The same as ``identity``; what a caller calls itself is not for the log."""
        return self.name

    @property
    def identity(self) -> str:
        """The subject of the token, empty for an anonymous caller."""
        return self.name


class BearerCredentials(AuthCredentials):
    """What Starlette's own ``requires`` looks at, as ``request.auth``."""

    def __init__(self, token: "AccessToken | None") -> None:
        self._token = token

    def __getattr__(self, name: str) -> list[str]:
        """Make the list of scopes when it is first asked for: later it is found without this."""
        if name != "scopes":
            raise AttributeError(name)
        self.scopes = sorted(self._token.scopes) if self._token else []
        return self.scopes


def make_anonymous(scope: Scope) -> None:
    """Take the token away: a view that runs without enforcing runs for nobody (MODE)."""
    gate, request, _, _ = scope[PASSED]
    scope["bearerguard.token"] = None
    scope["user"], scope["auth"] = BearerUser(None, ""), BearerCredentials(None)
    scope[PASSED] = (gate, request, None, ())
    forget = scope.get(FORGET)
    if forget is not None:
        forget()
