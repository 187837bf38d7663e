import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from federation.protocol.exchange_folder import Mailbox
from federation.protocol.json_messages import Invitation
from keyboard_app.cli import main
from keyboard_app.federating.membership import FILE
from keyboard_app.recording.user_profile import PERSONAL, Profile
from model.device.folder import WEIGHTS, load_model
from model.device.weights import digest, load_weights

TEXT = "I think you are good, but I don't like that!\n\nΠώς είσαι; 😀\r\nmeet me at seven\n"


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "lines.txt"
    path.write_text(TEXT * 5, "utf-8")
    return path


def failure(capsys: pytest.CaptureFixture[str], arguments: Sequence[object], status: int = 1) -> str:
    """Runs a command that must fail; returns its error message, one line."""
    try:
        assert main([str(a) for a in arguments]) == status
    except SystemExit as stopped:
        assert stopped.code == status
    captured = capsys.readouterr()
    assert captured.out == ""
    (line,) = [line for line in captured.err.splitlines() if not line.startswith("INFO: ")]  # of LiteRT
    assert line.startswith("keyboard: ")
    return line


def test_a_script_the_status_and_an_answer(
    tmp_path: Path, script: Path, small_model_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    common = ["--profile", str(tmp_path / "p"), "--model", str(small_model_folder)]
    assert main(["--script", str(script), "--json", *common]) == 0
    report = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert set(report) == {
        "words",
        "recall_at_3",
        "ksr",
        "kept",
        "suggest_ms",
        "train_words_per_second",
        "peak_memory_mb",
    }
    assert (report["words"], len(report["recall_at_3"])) == (90, 4)

    assert main(["status", "--json", *common]) == 0
    status = json.loads(capsys.readouterr().out)
    assert (status["messages"], status["words"], status["personal_model"]) == (15, 90, True)
    assert (status["consent"], status["keep_days"]) == (None, None)
    assert str(tmp_path / "p" / "key.json") in status["key"]

    Mailbox(tmp_path / "p").invite(Invitation("r1", 0.1, 1.0, 1, 1000, 1), small_model_folder / WEIGHTS)
    assert main([*common, "answer"]) == 0
    assert "contributed to round r1 from" in capsys.readouterr().out
    contribution = Mailbox(tmp_path / "p").contribution("r1")
    assert contribution is not None
    assert contribution.words > 0
    assert main(["answer", *common]) == 0
    assert capsys.readouterr().out == "there is nothing to answer\n"


def test_answering_one_round_does_nothing_else(
    tmp_path: Path, script: Path, small_model_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    profile = tmp_path / "p"
    common = ["--profile", str(profile), "--model", str(small_model_folder)]
    main(["--script", str(script), *common])
    (profile / PERSONAL).write_bytes(b"damaged")
    for round_id in ("r1", "r2"):
        Mailbox(profile).invite(Invitation(round_id, 0.1, 1.0, 1, 1000, 1), small_model_folder / WEIGHTS)
    Mailbox(profile).release(small_model_folder)
    capsys.readouterr()
    assert main(["answer", "--round", "r2", *common]) == 0
    assert "contributed to round r2 from" in capsys.readouterr().out
    assert Mailbox(profile).contribution("r1") is None
    assert Mailbox(profile).released()
    assert (profile / PERSONAL).read_bytes() == b"damaged"
    for round_id in ("r2", "r3"):  # r2 is answered, r3 never existed
        assert f"no invitation to round {round_id}" in failure(capsys, ["answer", "--round", round_id, *common])


def test_interrupted_by_the_person(
    tmp_path: Path, script: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(_options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("keyboard_app.cli._script", stop)
    assert failure(capsys, ["--script", script]) == "keyboard: stopped"


def test_a_script_leaves_the_persons_own_profile_alone(
    tmp_path: Path,
    script: Path,
    small_model_folder: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("keyboard_app.cli.default_path", lambda: tmp_path / "own")
    assert main(["--script", str(script), "--model", str(small_model_folder)]) == 0
    assert "keystroke savings rate" in capsys.readouterr().out
    assert not (tmp_path / "own").exists()


def test_status_as_text_while_the_keyboard_is_open(
    tmp_path: Path, small_model_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Profile.open(tmp_path):
        assert main(["status", "--profile", str(tmp_path), "--model", str(small_model_folder)]) == 0
    printed = capsys.readouterr().out
    assert "0 messages" in printed
    assert "recording       not decided yet; messages are kept until deleted" in printed


def test_the_status_tells_of_a_damaged_file_of_the_federation(
    tmp_path: Path, small_model_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Profile.open(tmp_path):
        (tmp_path / FILE).write_bytes(b"no database" * 100)
    assert main(["status", "--profile", str(tmp_path), "--model", str(small_model_folder)]) == 0
    told = capsys.readouterr()
    assert f"kept as {tmp_path / FILE}.damaged: join the federation again" in told.err
    assert "0 messages" in told.out


@pytest.mark.parametrize(
    ("content", "message"), [(b"", "holds no message"), (b" \n\n", "holds no message"), (b"caf\xe9", "not UTF-8 text")]
)
def test_a_file_without_messages(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes, message: str
) -> None:
    path = tmp_path / "lines.txt"
    path.write_bytes(content)
    assert message in failure(capsys, ["--script", path, "--profile", tmp_path / "p"])


def test_missing_files(tmp_path: Path, script: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "No such file" in failure(capsys, ["--script", tmp_path / "none"])
    assert "there is no model folder" in failure(capsys, ["--script", script, "--model", tmp_path / "none"])
    assert "is not a keyboard profile" in failure(capsys, ["status", "--profile", tmp_path / "none"])
    assert not (tmp_path / "none").exists()


def test_a_profile_in_use(tmp_path: Path, script: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Profile.open(tmp_path / "p"):
        assert "is open in another keyboard" in failure(capsys, ["answer", "--profile", tmp_path / "p"])


def test_data_is_listed_searched_exported_deleted_and_imported(
    tmp_path: Path, script: Path, small_model_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    common = ["--profile", str(tmp_path / "p"), "--model", str(small_model_folder)]
    assert main(["--script", str(script), *common]) == 0
    capsys.readouterr()

    def data(*arguments: object) -> dict:
        assert main(["data", *map(str, arguments), *common, "--json"]) == 0
        return json.loads(capsys.readouterr().out.splitlines()[-1])

    found = data("list", "--search", "SEVEN", "--count", "2")["messages"]
    assert [m["text"] for m in found] == ["Meet me at seven"] * 2
    assert data("export", tmp_path / "mine.jsonl") == {"exported": 15}
    opened = data("model", tmp_path / "opened")
    assert opened == {"model": str(tmp_path / "opened")}
    _, provenance = load_weights(tmp_path / "opened")
    assert provenance.parent == digest(load_model(small_model_folder).weights)
    deleted = data("delete", *(m["id"] for m in found))
    assert deleted["deleted"] == 2
    assert deleted["still_held"] > 0
    assert data("relearn")["still_held"] == 0
    assert data("delete", "--all")["deleted"] == 13
    assert data("list") == {"messages": []}
    assert data("import", tmp_path / "mine.jsonl") == {"imported": 15, "left_out": 0}
    assert main(["data", "list", "--count", "1", *common]) == 0
    assert capsys.readouterr().out.endswith("Meet me at seven\n")
    assert "--count must be at least 1" in failure(capsys, ["data", "list", "--count", "0", *common])
    assert "name the messages to delete" in failure(capsys, ["data", "delete", *common])
    assert "cannot read" in failure(capsys, ["data", "import", tmp_path / "none", *common])
    chat = [{"user": user, "time": str(n), "text": f"rope {n}"} for n, user in enumerate(["Ann", "Bob", "Ann"])]
    (tmp_path / "chat.jsonl").write_text("\n".join(map(json.dumps, chat)))
    asked = failure(capsys, ["data", "import", tmp_path / "chat.jsonl", *common])
    assert "name yourself with --person NAME, one of Ann (2 messages), Bob (1 message)" in asked
    assert data("import", tmp_path / "chat.jsonl", "--person", "Ann") == {"imported": 2, "left_out": 0}
    (tmp_path / "alone.jsonl").write_text(json.dumps(chat[0]))
    assert "--person NAME" in failure(capsys, ["data", "import", tmp_path / "alone.jsonl", *common])
    (tmp_path / "plain.txt").write_text("I wrote this\nand this\n")
    asked = failure(capsys, ["data", "import", tmp_path / "plain.txt", *common])
    assert "begins: I wrote this / and this – if you wrote all of it, add --plain" in asked
    assert "plain text" in failure(capsys, ["data", "import", tmp_path / "plain.txt", "--person", "Ann", *common])
    assert data("import", tmp_path / "plain.txt", "--plain") == {"imported": 2, "left_out": 0}
    assert "one of Ann" in failure(capsys, ["data", "import", tmp_path / "chat.jsonl", "--plain", *common])
    for exported in (["export"], ["model"]):
        overwriting = ["data", *exported, tmp_path / "p" / "key.json", *common]
        assert "lies in the profile" in failure(capsys, overwriting)
    assert data("list", "--count", "1")["messages"], "the profile can still be read"


@pytest.mark.parametrize(
    "arguments", [["list"], ["delete", "--all"], ["export", "x.jsonl"], ["relearn"], ["model", "x"]], ids=lambda a: a[0]
)
def test_a_command_that_begins_no_profile_says_that_there_is_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    missing = failure(capsys, ["data", *arguments, "--profile", tmp_path / "typo"])
    assert "there is no keyboard profile in" in missing
    assert ("no personal model yet" in missing) == (arguments[0] == "model")
    assert "there is no keyboard profile in" in failure(capsys, ["device", "--leave", "--profile", tmp_path / "typo"])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "arguments",
    [
        ["--json"],
        ["dance"],
        ["--script"],
        ["--script", "x", "answer"],
        ["answer", "--wrong"],
        ["data"],
        ["data", "burn"],
        ["device", "--leave", "--join", "LINK"],
        ["device", "--leave", "--new-words", "yes"],
    ],
)
def test_bad_calls(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    assert "see keyboard --help" in failure(capsys, arguments, status=2)


def test_without_a_display(
    tmp_path: Path, small_model_folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER"):
        monkeypatch.delenv(name, raising=False)
    line = failure(capsys, ["--profile", tmp_path / "p", "--model", small_model_folder])
    assert "no display to open a window on" in line


def test_a_keyboard_opens_without_what_reads_chats() -> None:
    """Compiling its regular expressions took a third of the time of all imports."""
    code = "import keyboard_app.cli, sys; print('keyboard_app.my_data.reading' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
