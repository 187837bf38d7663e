"""The process beside the coordinator: asked, refused, killed and started anew."""

import asyncio
import os
import signal
import sys

import pytest

from data.errors import DataError
from federation.coordinator.learner.client import LearnerClient, LearnerDiedError

WORKER = """
import json, os, sys, time
for line in sys.stdin:
    asked = json.loads(line)
    if asked["do"] == "die":
        os._exit(3)
    if asked["do"] == "sleep":
        time.sleep(60)
    if asked["do"] == "refuse":
        print(json.dumps({"error": "not that"}), flush=True)
    else:
        print(json.dumps({"result": {"id": os.getpid(), **asked}}), flush=True)
"""


def test_it_is_asked_and_started_anew_whenever_it_dies() -> None:
    async def inside() -> None:
        worker = LearnerClient([sys.executable, "-c", WORKER])
        first = await worker.ask({"do": "echo", "x": [1, "é"]}, 30)
        assert first["x"] == [1, "é"]
        with pytest.raises(DataError, match="not that"):
            await worker.ask({"do": "refuse"}, 30)
        assert (await worker.ask({"do": "echo"}, 30))["id"] == first["id"]
        with pytest.raises(LearnerDiedError):
            await worker.ask({"do": "die"}, 30)
        second = await worker.ask({"do": "echo"}, 30)
        assert second["id"] != first["id"]
        os.kill(second["id"], signal.SIGKILL)
        with pytest.raises(LearnerDiedError):
            await worker.ask({"do": "echo"}, 30)
        with pytest.raises(LearnerDiedError):
            await worker.ask({"do": "sleep"}, 0.2)
        third = await worker.ask({"do": "echo"}, 30)
        assert worker.process_id == third["id"]
        await worker.close()
        assert worker.process_id is None
        with pytest.raises(ProcessLookupError):
            os.kill(third["id"], 0)

    asyncio.run(inside())
