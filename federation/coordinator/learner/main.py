"""The learner: the process in which TFF makes the next global model (`federation.coordinator.learner.learner`).

It reads requests from standard input and answers them one at a time (`federation.coordinator.learner.messages`).
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

from data.errors import UserFacingError
from federation.coordinator.learner.messages import request_from_json, temporary_folder
from federation.coordinator.settings.federation_settings import FederationSettings
from federation.large_imports import large_imports
from federation.temporary_files import use_empty_folder


def main() -> None:
    """Runs `python -m federation.coordinator.learner.main FOLDER MODEL BEFORE`.

    The arguments are the folders of the coordinator and of the model that its rounds build on, and the number of rounds before
    that model, as the privacy spent counts them.
    """
    # TensorFlow's libraries print to standard output: that becomes standard error, and answers keep the pipe to themselves.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    folder, first_model, before = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    # TensorFlow leaves the sources that it generated if this process is killed.
    use_empty_folder(temporary_folder(folder) / "learner")
    with large_imports():
        from federation.coordinator.learner.learner import Learner
        from federation.engine.local import engine
    with engine():
        learner = Learner(FederationSettings.load(folder), first_model, before)
        for line in sys.stdin:
            answer: dict[str, Any]
            try:
                answer = {"result": learner.answer(request_from_json(json.loads(line))).to_json()}
            except (UserFacingError, OSError, RuntimeError) as error:
                answer = {"error": " ".join(str(error).split()) or type(error).__name__, "kind": type(error).__name__}
            answers.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    main()
