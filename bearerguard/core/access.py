"""What one request has to bring."""

from typing import NamedTuple

from bearerguard.core.needs import Need


class Access(NamedTuple):
    """What one request has to bring. A ``need`` wins over ``public`` and ``optional``.

    ``unruled`` says that a table of rules does not name the path: then no token is enough.
    ``answers_options`` says that a view of the application itself, and not a CORS layer, would
    answer OPTIONS here; if it has a need, a preflight does not get to it.
    """

    need: Need | None = None
    public: bool = False
    optional: bool = False
    unruled: bool = False
    answers_options: bool = False


GUARDED, UNRULED = Access(), Access(unruled=True)
PUBLIC, OPTIONAL = Access(public=True), Access(optional=True)
