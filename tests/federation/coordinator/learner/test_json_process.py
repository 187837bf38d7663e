"""The learner's process answers, refuses, dies, and is restarted."""

import asyncio
import os
import signal
import sys

import pytest

from data.errors import DataError
from federation.aggregation.sum_check import ImplausibleSumError
from federation.coordinator.learner.json_process import JsonProcess, LearnerDiedError

FAKE = """
import json, os, sys, time
for line in sys.stdin:
    asked = json.loads(line)
    if asked["do"] == "die":
        os._exit(3)
    if asked["do"] == "sleep":
        time.sleep(60)
    if asked["do"] == "refuse":
        print(json.dumps({"error": "not that", "kind": asked.get("kind", "DataError")}), flush=True)
    else:
        print(json.dumps({"result": {"id": os.getpid(), **asked}}), flush=True)
"""


def test_an_implausible_sum_is_told_from_other_refusals() -> None:
    async def inside() -> None:
        process = JsonProcess([sys.executable, "-c", FAKE], [ImplausibleSumError])
        with pytest.raises(ImplausibleSumError, match="not that"):
            await process.ask({"do": "refuse", "kind": "ImplausibleSumError"}, 30)
        with pytest.raises(DataError, match="not that"):
            await process.ask({"do": "refuse", "kind": "RuntimeError"}, 30)
        await process.close()

    asyncio.run(inside())


def test_the_process_is_restarted_whenever_it_dies() -> None:
    async def inside() -> None:
        process = JsonProcess([sys.executable, "-c", FAKE])
        first = await process.ask({"do": "echo", "x": [1, "é"]}, 30)
        assert first["x"] == [1, "é"]
        with pytest.raises(DataError, match="not that"):
            await process.ask({"do": "refuse"}, 30)
        assert (await process.ask({"do": "echo"}, 30))["id"] == first["id"]
        with pytest.raises(LearnerDiedError):
            await process.ask({"do": "die"}, 30)
        second = await process.ask({"do": "echo"}, 30)
        assert second["id"] != first["id"]
        os.kill(second["id"], signal.SIGKILL)
        with pytest.raises(LearnerDiedError):
            await process.ask({"do": "echo"}, 30)
        with pytest.raises(LearnerDiedError):
            await process.ask({"do": "sleep"}, 0.2)
        third = await process.ask({"do": "echo"}, 30)
        await process.close()
        with pytest.raises(ProcessLookupError):
            os.kill(third["id"], 0)

    asyncio.run(inside())
