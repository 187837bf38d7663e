"""The tour of the first opening, step by step."""

from keyboard_app.tour import SENTENCES, Tour


def test_three_sentences_and_what_each_took() -> None:
    tour = Tour()
    assert (tour.heading, tour.over) == ("A tour: sentence 1 of 3", False)
    assert "keys for" not in tour.text
    texts = {tour.text}
    for keys in (30, 8, 1):
        tour = tour.after(keys, 31)
        texts.add(tour.text)
        assert tour.outcome == f"{keys} {'key' if keys == 1 else 'keys'} for 31 characters."
    assert tour.after(2, 1).outcome == "2 keys for 1 character."
    assert tour.over
    assert tour.sent == SENTENCES
    assert len(texts) == 4
