"""`keyboard device` processes that start fast, by fork, and that die by SIGKILL at a chosen point of a word discovery.

usage: forked_keyboards.py. Each line of its input is a JSON list: when to die, and the arguments of `keyboard`. "count reporting
before" is the moment before the message of this stage of this round is sent, and "count reporting after" the one after it. Empty
is never. The answer to a line is the id of a process.
"""

import json
import os
import signal
import sys

import keyboard_app.federating.headless
import model.device.litert  # noqa: F401
from federation.protocol.discovery.round_plans import RoundPlan
from keyboard_app.cli import main
from keyboard_app.federating.client import FederationClient


class DyingClient(FederationClient):
    """A client whose process dies by SIGKILL when it gives a message."""

    when = ("", "", "")
    kind = ""

    def plan(self, round_name: str) -> RoundPlan:
        plan = super().plan(round_name)
        type(self).kind = getattr(plan, "KIND", "")
        return plan

    def give(self, round_name: str, stage: str, message: bytes) -> None:
        kind, fatal, moment = self.when
        dies = (self.kind, stage) == (kind, fatal)
        if dies and moment == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        try:
            super().give(round_name, stage, message)
        finally:
            if dies:
                os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel removes processes that have ended
    for line in sys.stdin:
        when, *arguments = json.loads(line)
        if (child := os.fork()) == 0:
            if when:
                DyingClient.when = tuple(when.split())
                keyboard_app.federating.headless.FederationClient = DyingClient  # type: ignore[attr-defined]
            os._exit(main(arguments))
        print(child, flush=True)
