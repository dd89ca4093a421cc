"""The two ways to take a flow to its end: one waits in the thread, the other in the task."""

from collections.abc import Awaitable, Callable, Generator, Sequence
from typing import Any, TypeVar

from bearerguard.core.key_set import Key
from bearerguard.core.policy import Policy
from bearerguard.core.queries import Flow, Query, Result
from bearerguard.core.revocation import Mark
from bearerguard.core.status_list import Statuses
from bearerguard.errors import RejectedError, UnavailableError

Asked = TypeVar("Asked")
Answered = Sequence[Key] | Policy | bytes | Sequence[Mark | None] | Statuses | None


def drive(flow: Generator[Asked, Any, Result], answer: Callable[[Asked], Answered]) -> Result:
    """Take a flow to its end; ``answer`` gives what it asks for, and may wait for that."""
    try:
        query = next(flow)
        while True:
            try:
                found = answer(query)
            except (RejectedError, UnavailableError) as error:
                query = flow.throw(error)
            else:
                query = flow.send(found)
    except StopIteration as done:
        result: Result = done.value
        return result


async def adrive(
    flow: Flow[Result],
    at_once: Callable[[Query], Answered],
    answer: Callable[[Query], Awaitable[Answered]],
) -> Result:
    """Do the same from a task; ``at_once`` gives what is there, so that mostly nothing waits."""
    try:
        query = next(flow)
        while True:
            try:
                found = at_once(query) or await answer(query)
            except (RejectedError, UnavailableError) as error:
                query = flow.throw(error)
            else:
                query = flow.send(found)
    except StopIteration as done:
        result: Result = done.value
        return result
