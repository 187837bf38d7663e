"""`federate serve` from start to end, as its operator sees it."""

import json
import signal
import subprocess
import sys
from pathlib import Path

from federation.coordinator.coordinator import Coordinator
from federation.coordinator.secure_sum import SecureSummation
from federation.processes import free_port, start
from federation.protocol.join_link import JoinLink
from model.device.folder import load_model
from model.device.weights import digest


def test_serve_prints_a_join_link_and_at_the_end_its_result(world) -> None:
    """The folder has one committed round. The result names the model's folder, and has the recall that devices reported."""
    world.enrol(6)
    world.coordinator.rounds.schedule(1)
    world.finish()
    folder, shipped, settings = world.folder, world.shipped, world.settings
    world.close()
    options = ("--folder", folder, "--model", shipped, "--port", free_port(), "--control-port", free_port())
    command = [sys.executable, "-m", "federation", "serve", *map(str, options), "--invite", "1", "--json"]
    with start(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        printed = ""
        for line in process.stderr:
            printed += line
            if "open the dashboard at" in line:
                break
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=120)
    assert process.returncode == 0, printed + errors
    JoinLink.parse(next(line for line in printed.splitlines() if line.startswith("federated-keyboard://")))
    result = json.loads(output.splitlines()[-1])
    assert result["folder"] == str(folder) and result["model_round"] == 1
    (row,) = result["rounds"]
    assert (row["state"], row["top1"], row["top1_after"], row["top3"], row["top3_after"]) == (
        "committed",
        *(0.2, 0.4, 0.6, 0.8),
    )
    again = Coordinator(folder, shipped, settings, SecureSummation, 0.0)
    assert digest(load_model(Path(result["model"])).weights) == again.rounds.model_digest
    again.close()
