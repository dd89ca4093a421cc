"""Walks through a tutorial as a reader does: writes its files, types its commands, reads what comes.

A block ```python title="x.py"`` is written to that file, a ```diff`` replaces it by what it leads to.
Of ```console`` blocks each line behind "$ " is typed into one shell; what follows it must come, where
"..." stands for any lines. A block with "leave it running" in its title is a process of its own, and
takes the place of the one that was left running there before.

The ports of the page are exchanged for free ones, so that two runs do not meet; nothing else is.
"""

import os
import random
import re
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

PATIENCE_S = 30
END = "-- end of the output"
ISSUER = "first terminal, leave it running"


def free_port():
    """Choose one below those that a system gives away, or another test gets it between two servers."""
    while True:
        port = random.randrange(20_000, 32_000)
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return str(port)


def before(diff):
    return "".join(line[1:] or "\n" for line in diff.splitlines(keepends=True) if line[0] != "+")


def after(diff):
    return "".join(line[1:] or "\n" for line in diff.splitlines(keepends=True) if line[0] != "-")


class Reader:
    """Someone with a folder, a shell, and terminals in which something is left running.

    Who reads several pages leaves the issuer running, which each of them starts alike.
    """

    def __init__(self, folder: Path, ports: dict[str, str], programs: Path) -> None:
        self.folder, self.ports = folder, ports
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        self.said: dict[str, list[str]] = {}  # what a terminal was told before, such as variables
        self.environment = {
            **{name: text for name, text in os.environ.items() if "BEARERGUARD" not in name},
            "PATH": f"{programs}:{os.environ['PATH']}",
            "NO_PROXY": "127.0.0.1",
        }
        self.shell = self._open("bash", stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def walk(self, blocks, folder: Path) -> None:
        """Begin a page in a folder of its own, in new terminals but for that of the issuer."""
        folder.mkdir()
        self.folder = folder
        self.said.clear()
        self._run(f"cd {folder}")
        for terminal in self.running.keys() - {ISSUER}:
            self._end(self.running.pop(terminal))
        for block in blocks:
            text = block.text
            for port, free in self.ports.items():
                text = text.replace(port, free)
            if block.language == "diff":
                file = self.folder / block.title
                assert before(text) == file.read_text("utf-8"), f"{block}: not what it changes"
                file.write_text(after(text), "utf-8")
            elif block.language == "python":
                (self.folder / block.title).write_text(text, "utf-8")
            elif "leave it running" in block.title:
                self.leave_running(block.title, text)
            elif block.language == "console":
                self.type(text, str(block))

    def leave_running(self, terminal: str, text: str) -> None:
        """Start what the block says, and wait until it listens at the last port that was named."""
        if terminal == ISSUER and ISSUER in self.running:
            assert text == "$ bearerguard issuer\n", "the pages start it alike"
            return
        former = self.running.pop(terminal, None)
        if former is not None:
            self._end(former)
        *first, last = re.findall(r"^\$ (.*)$", text, re.MULTILINE)
        said = self.said.setdefault(terminal, [])
        said += first
        with (self.folder / "terminal.log").open("ab") as log:
            script = "\n".join([*said, f"exec {last}"])
            self.running[terminal] = self._open("bash", "-c", script, stdout=log, stderr=log)
        named = re.search(r"--port (\d+)", last)
        self._wait_for(named[1] if named else self.ports["9000"], self.running[terminal])

    def type(self, text: str, where: str) -> None:
        for typed in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
            command, _, expected = typed.partition("\n")
            if command.startswith("pip install"):
                continue  # what it installs is there: test_blocks.py looks at the names
            output = self._run(command)
            assert fits(expected, output), f"{where}: $ {command}\n{output}\n{self.log()}"

    def log(self) -> str:
        file = self.folder / "terminal.log"
        return file.read_text("utf-8") if file.exists() else ""

    def close(self) -> None:
        for process in [*self.running.values(), self.shell]:
            self._end(process)
        self.shell.stdin.close()
        self.shell.stdout.close()

    def _open(self, *command: str, **pipes) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            command, cwd=self.folder, env=self.environment, start_new_session=True, **pipes
        )

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        """End what was started, by its process group: a shell and what it has become."""
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM if process is not self.shell else signal.SIGKILL)
        process.wait(PATIENCE_S)

    def _run(self, command: str) -> str:
        self.shell.stdin.write(f'{command}\necho; echo "{END}"\n'.encode())
        self.shell.stdin.flush()
        lines = []
        for line in self.shell.stdout:
            if line.decode().strip() == END:
                break
            lines.append(line.decode().rstrip("\r\n"))
        return "\n".join(lines).strip("\n")

    def _wait_for(self, port: str, process: subprocess.Popen[bytes]) -> None:
        ends_at = time.monotonic() + PATIENCE_S
        while time.monotonic() < ends_at and process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", int(port)), 1).close()
            except OSError:
                time.sleep(0.02)
            else:
                return
        raise AssertionError(f"nothing listens at {port}:\n{self.log()}")


def fits(expected: str, output: str) -> bool:
    """Compare line by line, where "..." stands for any lines; without a word any output will do."""
    pattern = "".join(
        r"(?:.*\n)*" if line == "..." else re.escape(line) + r"\n"
        for line in expected.strip("\n").splitlines()
    )
    return not pattern or re.fullmatch(pattern, output + "\n") is not None


# Where there is no curl: what the tutorials use of it.
CURL = """
import argparse, httpx
parser = argparse.ArgumentParser()
parser.add_argument("-s", action="store_true")
parser.add_argument("-i", action="store_true")
parser.add_argument("-X", default="GET")
parser.add_argument("-H", action="append", default=[])
parser.add_argument("url")
asked = parser.parse_args()
answer = httpx.request(asked.X, asked.url, headers=dict(h.split(": ", 1) for h in asked.H))
if asked.i:
    print(f"{answer.http_version} {answer.status_code} {answer.reason_phrase}")
    print(*(f"{name.decode()}: {text.decode()}" for name, text in answer.headers.raw), "", sep="\\n")
print(answer.text)
"""


def programs_for(folder: Path, issuer_port: str, *, with_curl: bool) -> Path:
    """Make the commands that an environment with bearerguard in it has, for this interpreter.

    What the local issuer has by default is its port, which is exchanged here.
    """
    folder.mkdir()
    for name in ("uvicorn", "flask"):
        write_program(folder / name, f'#!/bin/sh\nexec {sys.executable} -m {name} "$@"\n')
    moved = {"issuer": f"--port {issuer_port}", "token": f"--issuer http://127.0.0.1:{issuer_port}"}
    cases = "".join(f'{command}) set -- "$@" {more};;\n' for command, more in moved.items())
    own = f'#!/bin/sh\ncase "$1" in\n{cases}esac\nexec {sys.executable} -m bearerguard "$@"\n'
    write_program(folder / "bearerguard", own)
    if with_curl:
        write_program(folder / "curl", f"#!{sys.executable}{CURL}")
    return folder


def write_program(file: Path, text: str) -> None:
    file.write_text(text, "utf-8")
    file.chmod(0o755)
