"""Whom the token is shown to: the guard of the environment or of an application, and a route."""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bearerguard.cli.user_app import AppError, load_app
from bearerguard.core.access import GUARDED, Access
from bearerguard.core.request import RequestView
from bearerguard.dev.routes import WEBSOCKET, GuardedRoute, look_at
from bearerguard.guard import Guard

if TYPE_CHECKING:
    from bearerguard.dev.routes import GuardedApp

ROUTE = re.compile(r"([A-Za-z]+) (/[^?#]*)")


class TargetError(Exception):
    """The guard or the route cannot be had; the text says why and what to write."""


@dataclass(frozen=True)
class Target:
    """A guard, what the route needs, and a request that goes there."""

    guard: Guard
    access: Access = GUARDED
    method: str = "GET"
    path: str = "/"
    route: GuardedRoute | None = None
    notes: tuple[str, ...] = ()

    def told(self) -> list[str]:
        """Say what a reader has to know beside the checks."""
        mode = self.guard.settings.mode
        if mode == "enforce":
            return list(self.notes)
        passes = "until its date the request passes all the same"
        return [*self.notes, f"MODE is {mode}: {passes}, and the answer below is only logged"]

    def request(self, raw: str) -> RequestView:
        """Write the request in which a client would send the token."""
        # A handshake is a GET (RFC 6455 section 4.1).
        method = "GET" if self.method == WEBSOCKET else self.method
        return RequestView(method, self.path, None, [("authorization", f"Bearer {raw}")])


def target_of(app_name: str | None, route_name: str | None) -> Target:
    """Find the guard and the route.

    Raises:
        TargetError: there is no such application, no guard in it, or the route is no route.
        ConfigurationError: the guard has problems with its settings.
    """
    if app_name is None:
        if route_name is not None:
            raise TargetError("--route needs --app module:app, which says what the route needs")
        return Target(Guard.from_env())
    try:
        found = look_at(load_app(app_name))
    except (AppError, TypeError) as error:
        raise TargetError(str(error)) from None
    if found.guard is None:
        raise TargetError(f"no guard of bearerguard was found in {app_name}")
    return Target(found.guard) if route_name is None else _on_route(found, found.guard, route_name)


def _on_route(found: "GuardedApp", guard: Guard, route_name: str) -> Target:
    named = ROUTE.fullmatch(route_name)
    if named is None:
        raise TargetError(f'--route {route_name!r}: write a method and a path, as "POST /orders"')
    method, path = named[1].upper(), named[2]
    route = found.route_for(method, path)
    if route is None:
        note = f"no route takes {method} {path}: any valid token gets to 404 or 405"
        return Target(guard, GUARDED, method, path, notes=(note,))
    if not route.is_guarded:
        raise TargetError(f"no guard stands before {method} {path}: see bearerguard routes")
    return Target(guard, route.access(), method, path, route)
