"""A person's second language: a word is never "corrected" after one use, and suggested after two."""

import pytest

from data.tokenizer import tokenize
from keyboard_app.learning.models import Models
from model.device.folder import PRETRAINED, load_model

SENTENCES = {
    "German": (
        "heute fahre ich mit dem fahrrad zur uni",
        "ich habe keine lust auf die vorlesung",
        "das wetter ist richtig schön",
    ),
    "Spanish": (
        "mañana vamos a la playa con mi hermana",
        "mi abuela cocina la mejor paella",
        "qué bueno verte otra vez amigo",
    ),
    "Polish": ("dzisiaj wieczorem idziemy do kina", "bardzo dziękuję za pomoc"),
    "Finnish": ("minä menen huomenna kauppaan ostamaan leipää", "hyvää huomenta kaikille ystäville"),
    "Turkish": ("yarın akşam sinemaya gidiyoruz",),
    "Hindi": ("मैं कल बाज़ार जा रहा हूँ",),
}


@pytest.fixture(scope="module")
def models() -> Models:
    return Models(load_model(PRETRAINED), None)


@pytest.mark.parametrize("language", SENTENCES)
def test_words_of_a_second_language(models: Models, language: str) -> None:
    models.use_messages(["see you tomorrow"])
    places = []  # the text before a word, and the word
    for text in SENTENCES[language]:
        models.ngram.learn(text)
        words = [token.text for token in tokenize(text)]
        places += [(" ".join(words[:i]) + " ", word) for i, word in enumerate(words)]
    assert [(word, new) for before, word in places if (new := models.correct(before, word))] == []
    for text in SENTENCES[language]:
        models.ngram.learn(text)
    missing = [word for before, word in places if len(word) > 3 and word not in models.suggest(before, word[:3])]
    assert missing == []


def test_a_message_of_typos_does_not_make_them_words(models: Models) -> None:
    models.use_messages([])
    models.ngram.learn("i recieved yuor mesage tehn")
    assert models.correct("I ", "recieved") == "received"
    assert models.correct("your ", "mesage") == "message"
