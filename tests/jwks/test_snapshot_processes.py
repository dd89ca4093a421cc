"""Real processes of one host, and one file: what is stopped or killed starves nobody."""

import json
import os
import signal
import subprocess
import sys
import textwrap

import pytest

from bearerguard.testing import SigningKey

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="the lock of a host is for POSIX"),
]

JWK = dict(SigningKey.generate("ES256", kid="a").jwk)

# Each request adds a line to the file "requests" and lasts until the file "go" is there. A call
# happens for each line that comes in; an answer is a line that goes out.
WORKER = """
    import json, os, signal, sys, threading, time
    from bearerguard.core.jwk import parse_key_set
    from bearerguard.jwks.keys import LoadError
    from bearerguard.jwks.states import LoadedKeys
    from bearerguard.jwks.snapshot import SharedKeys

    signal.alarm(60)  # a deadlock must not outlive the test
    DOCUMENT = sys.argv[1].encode()

    def say(*words):
        os.write(1, (" ".join(map(str, words)) + "\\n").encode())

    def wait_for(path):
        while not os.path.exists(path):
            time.sleep(0.005)

    def load(*, anew=False):
        with open("requests", "a") as requests:
            requests.write("one\\n")
        say("loading")
        wait_for("go")
        return LoadedKeys(parse_key_set(DOCUMENT), None, DOCUMENT, "https://i.example/jwks")

    def shared_keys(timeout_s=30.0, ahead_s=0.0):
        return SharedKeys(
            load=load, file=os.path.abspath("keys.json"), issuer="https://i.example",
            timeout_s=timeout_s, stale_for_s=3600.0, wall_clock=lambda: time.time() + ahead_s,
        )

    def answer(keys):
        try:
            loaded = keys()
        except LoadError as error:
            return f"failed: {error}"
        return "shared" if loaded.is_shared else "own"
"""
PLAIN = """
    keys = shared_keys(*map(float, sys.argv[2:]))
    say("ready")
    for _ in sys.stdin:
        say(answer(keys))
"""


class Worker:
    """A process that has SharedKeys."""

    def __init__(self, folder, script, *arguments):
        document = json.dumps({"keys": [JWK]})
        # Python 3.12 warns that a process with threads forks: this is the very point in one test.
        command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c"]
        self.process = subprocess.Popen(
            [*command, textwrap.dedent(WORKER) + textwrap.dedent(script), document]
            + [str(argument) for argument in arguments],
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )

    def ask(self):
        self.process.stdin.write("keys\n")

    def hears(self):
        return self.process.stdout.readline().strip()

    def send(self, number):
        self.process.send_signal(number)

    def end(self):
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def start(tmp_path):
    tmp_path.chmod(0o755)
    workers = []

    def begin(*arguments, script=PLAIN):
        worker = Worker(tmp_path, script, *arguments)
        workers.append(worker)
        return worker

    yield begin
    for worker in workers:
        worker.end()


@pytest.fixture
def requests(tmp_path):
    """How many requests there were to the issuer."""
    return lambda: (tmp_path / "requests").read_text().count("one")


def test_processes_that_start_together_make_one_request(start, requests, tmp_path):
    """Issue: with the snapshot a host of N workers makes one fetch, not N."""
    workers = [start() for _ in range(6)]
    assert [worker.hears() for worker in workers] == ["ready"] * 6
    for worker in workers:
        worker.ask()
    (tmp_path / "go").touch()

    heard = [worker.hears() for worker in workers]
    heard += [
        worker.hears() for worker, word in zip(workers, heard, strict=True) if word == "loading"
    ]

    assert sorted(heard) == ["loading", "own", *["shared"] * 5]
    assert requests() == 1


def test_a_process_that_is_killed_while_it_fetches_starves_nobody(start, requests, tmp_path):
    victim, neighbour = start(), start()
    assert (victim.hears(), neighbour.hears()) == ("ready", "ready")
    victim.ask()
    assert victim.hears() == "loading"
    neighbour.ask()

    victim.send(signal.SIGKILL)

    assert neighbour.hears() == "loading"
    (tmp_path / "go").touch()
    assert neighbour.hears() == "own"
    assert requests() == 2


def test_a_process_that_is_stopped_while_it_fetches_starves_nobody(start, requests, tmp_path):
    """After the time that a fetch may take nobody waits for it; here others live that much later."""
    stopped, late, later = start(), start(3.0, 6.0), start(3.0, 6.0)
    assert [worker.hears() for worker in (stopped, late, later)] == ["ready"] * 3
    stopped.ask()
    assert stopped.hears() == "loading"
    stopped.send(signal.SIGSTOP)
    (tmp_path / "go").touch()

    late.ask()
    assert late.hears() == "loading"
    assert late.hears() == "own"
    later.ask()
    assert later.hears() == "shared"
    assert requests() == 2

    # What the stopped one brings when it goes on is as good as any.
    stopped.send(signal.SIGCONT)
    assert stopped.hears() == "own"


def test_a_process_forked_while_its_parent_fetches_waits_for_that_and_takes_it(
    start, requests, tmp_path
):
    parent = start(
        script="""
        keys = shared_keys()
        begun = threading.Event()
        real = keys.load
        def load(*, anew=False):
            begun.set()
            return real(anew=anew)
        keys.load = load
        fetch = threading.Thread(target=lambda: say("parent", answer(keys)))
        fetch.start()
        begun.wait()
        if os.fork() == 0:
            say("forked")
            say("child", answer(keys))
            os._exit(0)
        fetch.join()
        os.wait()
        """
    )
    assert sorted([parent.hears(), parent.hears()]) == ["forked", "loading"]
    (tmp_path / "go").touch()

    assert sorted([parent.hears(), parent.hears()]) == ["child shared", "parent own"]
    assert requests() == 1


def test_many_processes_write_and_read_without_ever_seeing_half_a_file(start, requests, tmp_path):
    """Each asks anew all the time, so that the file is replaced as fast as this machine can."""
    (tmp_path / "go").touch()
    script = """
        load = lambda *, anew=False: LoadedKeys(
            parse_key_set(DOCUMENT), None, DOCUMENT, "https://i.example/jwks"
        )
        import logging
        class Loud(logging.Handler):
            def emit(self, record):
                say("logged", record.getMessage())
        logging.getLogger("bearerguard").addHandler(Loud())
        writer, reader = shared_keys(), shared_keys()
        writer()
        for _ in range(30):
            writer(anew=True)
            if reader.restore() is None:
                say("nothing was there")
        say("done")
    """
    workers = [start(script=script) for _ in range(3)]

    assert [worker.hears() for worker in workers] == ["done"] * 3


def test_a_host_whose_processes_start_one_after_another_makes_one_request(
    start, requests, tmp_path
):
    (tmp_path / "go").touch()
    heard = []
    for _ in range(3):
        worker = start()
        worker.ask()
        heard.append([worker.hears() for _ in range(2 if heard else 3)])

    assert heard == [["ready", "loading", "own"], ["ready", "shared"], ["ready", "shared"]]
    assert requests() == 1
