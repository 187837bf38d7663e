from pathlib import Path


def test_a_listing_has_folders_and_files_of_the_right_kind(display: None, tmp_path: Path) -> None:
    from keyboard_app.window.pages.file_picker import list_folder

    for name in ("b.txt", "A.TXT", "c.png", ".hidden.txt", "chat.jsonl"):
        (tmp_path / name).touch()
    (tmp_path / "Folder").mkdir()
    listing = list_folder(tmp_path, (".txt", ".jsonl"))
    assert [path.name for path in listing.folders] == ["Folder"]
    assert [path.name for path in listing.files] == ["A.TXT", "b.txt", "chat.jsonl"]
    assert list_folder(tmp_path, ()).files == []


def test_a_folder_that_cannot_be_read_says_why(display: None, tmp_path: Path) -> None:
    from keyboard_app.window.pages.file_picker import list_folder

    listing = list_folder(tmp_path / "gone", (".txt",))
    assert (listing.folders, listing.files, listing.problem) == ([], [], "No such file or directory")


def test_a_free_name_overwrites_nothing(display: None, tmp_path: Path) -> None:
    from keyboard_app.window.pages.file_picker import free_name

    first = free_name(tmp_path, "messages", ".jsonl")
    first.touch()
    second = free_name(tmp_path, "messages", ".jsonl")
    assert (first.name, second.name) == ("messages.jsonl", "messages 2.jsonl")
