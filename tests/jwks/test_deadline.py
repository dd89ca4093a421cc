"""The end of a fetch, with a pair of sockets for the client and its peer."""

import socket
import threading
import time

import pytest

from bearerguard.jwks.deadline import Deadline
from bearerguard.jwks.fetch import MAX_BYTES, FetchError, HttpFetcher

PATIENCE_S = 20.0
# Nobody waits for it.
LONG_S = 3600.0


class Stream:
    """What the HTTP client calls a connection."""

    def __init__(self, connection):
        self._connection = connection

    def get_extra_info(self, name):
        return self._connection if name == "socket" else None


@pytest.fixture
def pair():
    client, peer = socket.socketpair()
    for end in (client, peer):
        end.settimeout(PATIENCE_S)
    yield client, peer
    client.close()
    peer.close()


def tell(deadline, connection, event="connection.connect_tcp.complete"):
    deadline.extension["trace"](event, {"return_value": Stream(connection)})


def has_passed(deadline):
    ends_at = time.monotonic() + PATIENCE_S
    while not deadline.is_over:
        assert time.monotonic() < ends_at
        time.sleep(0.001)


def timers():
    return [t for t in threading.enumerate() if t.name == "bearerguard-deadline"]


def test_a_read_that_goes_on_is_ended(pair):
    client, peer = pair
    with Deadline(0.05) as deadline:
        tell(deadline, client)

        assert client.recv(1) == b""  # the end of the connection, for both
        assert peer.recv(1) == b""

    assert deadline.is_over


def test_a_connection_that_comes_too_late_is_ended_at_once(pair):
    """A client that tries one address after another may take longer than all the time."""
    client, peer = pair
    with Deadline(0.0) as deadline:
        has_passed(deadline)
        tell(deadline, client)

        assert peer.recv(1) == b""


def test_a_peer_that_was_faster_is_no_problem(pair):
    client, _peer = pair
    with Deadline(0.0) as deadline:
        has_passed(deadline)
        client.shutdown(socket.SHUT_RDWR)

        tell(deadline, client)


def test_what_is_in_time_is_left_alone_and_nothing_of_it_stays(pair):
    """Neither the timer's thread nor the second handle on the connection."""
    client, peer = pair
    with Deadline(LONG_S) as deadline:
        tell(deadline, client)
        peer.sendall(b"x")
        assert client.recv(1) == b"x"
    client.close()

    assert peer.recv(1) == b""  # with another handle open it would wait
    assert not deadline.is_over
    for timer in timers():
        timer.join(PATIENCE_S)
    assert timers() == []


def test_other_steps_of_the_client_are_none_of_its_business(pair):
    client, peer = pair
    with Deadline(0.0) as deadline:
        has_passed(deadline)
        tell(deadline, client, event="http11.receive_response_headers.complete")

    peer.sendall(b"x")
    assert client.recv(1) == b"x"


@pytest.mark.requirement("JWKS-4")
def test_a_body_without_a_length_that_was_cut_off_is_not_taken_for_a_whole_one(serve):
    """Where only the end of the connection ends the body, our own end of it would look the same."""

    def handle(connection, stop):
        connection.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{}")
        stop.wait()

    with pytest.raises(FetchError, match="took too long"):
        HttpFetcher().fetch(serve(handle).url(), headers={}, timeout_s=0.2, max_bytes=MAX_BYTES)
