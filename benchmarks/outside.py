"""How good are other tools on the rows that ``charrnn train`` is measured on?

    python benchmarks/outside.py classify TRAIN TEST
    python benchmarks/outside.py tag TRAIN TEST

TRAIN and TEST are files as ``charrnn train`` reads them. Texts with one label are classified by a
linear support vector machine on character n-grams (scikit-learn), tokens are tagged by a
conditional random field (python-crfsuite); a line says so if the package is missing.
"""

import argparse
import sys
from collections.abc import Sequence
from functools import partial
from tempfile import TemporaryDirectory

from charrnn.tasks.measures import accuracy, is_bio, span_f1
from charrnn.text.conll import Sentence, read_sentences
from charrnn.text.pairs import read_pairs


def classify(train: str, test: str) -> None:
    """Accuracy on rows of a text and a label."""
    try:
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.svm import LinearSVC
    except ImportError:
        sys.exit("pip install scikit-learn")
    read = partial(read_pairs, left="text", right="label")
    known, asked = read(train).records, read(test).records
    gold = [row.right for row in asked]
    for analyzer, orders in (("char_wb", (1, 5)), ("char", (1, 5)), ("word", (1, 2))):
        features = TfidfVectorizer(analyzer=analyzer, ngram_range=orders, sublinear_tf=True)
        x = features.fit_transform([row.left for row in known])
        model = LinearSVC().fit(x, [row.right for row in known])
        found = model.predict(features.transform([row.left for row in asked])).tolist()
        print(
            f"linear, {analyzer} n-grams of {orders[0]} to {orders[1]}: {accuracy(gold, found):.4f}"
        )


def signs(tokens: Sequence[str], at: int) -> list[str]:
    """The usual features of a token for a CRF: the same as those of our map of features."""
    found = ["bias"]
    for step in (-2, -1, 0, 1, 2):
        there = 0 <= at + step < len(tokens)
        word = tokens[at + step] if there else ("<s>" if step < 0 else "</s>")
        found += [f"{step}:{word.lower()}", f"{step}:title={word.istitle()}"]
        if step in (-1, 0, 1):
            found += [f"{step}:last={word[-3:].lower()}", f"{step}:digit={word.isdigit()}"]
    word = tokens[at].lower()
    found += [f"first={word[:n]}" for n in range(1, 5)] + [f"last={word[-n:]}" for n in (1, 2, 4)]
    return [*found, f"upper={tokens[at].isupper()}"]


def tag(train: str, test: str) -> None:
    """Span F1, or the accuracy if the tags do not mark spans."""
    try:
        import pycrfsuite
    except ImportError:
        sys.exit("pip install python-crfsuite")

    def described(row: Sentence) -> list[list[str]]:
        return [signs(row.tokens, at) for at in range(len(row.tokens))]

    known, asked = read_sentences(train).records, read_sentences(test).records
    trainer = pycrfsuite.Trainer(verbose=False)
    for row in known:
        trainer.append(described(row), row.tags)
    trainer.set_params({"c1": 0.1, "c2": 0.05, "max_iterations": 60})
    tagger = pycrfsuite.Tagger()
    with TemporaryDirectory() as folder:
        trainer.train(f"{folder}/crf")
        tagger.open(f"{folder}/crf")
        found = [tagger.tag(described(row)) for row in asked]
        tagger.close()
    gold = [row.tags for row in asked]
    flat = [[name for names in some for name in names] for some in (gold, found)]
    print(f"CRF: token accuracy {accuracy(*flat):.4f}")
    if is_bio(flat[0]):
        print(f"CRF: span F1 {span_f1(gold, found):.4f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("task", choices=["classify", "tag"])
    parser.add_argument("train")
    parser.add_argument("test")
    options = parser.parse_args()
    {"classify": classify, "tag": tag}[options.task](options.train, options.test)


if __name__ == "__main__":
    main()
