"""What a fine-tuned model has to beat: logistic regression over counted characters or words.

Both read the very rows that the model reads. A baseline has no knob: sublinear TF-IDF, and C = 10,
which of 3, 10 and 30 did best on ChnSentiCorp's validation rows.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

Kind = Literal["character", "word"]
#: A text, or its words.
Document = str | Sequence[str]

KINDS: tuple[Kind, ...] = ("character", "word")
_INVERSE_REGULARISATION = 10.0
#: With scikit-learn's tolerance of 1e-4 lbfgs takes 15 to 80 steps here; at 3e-4 it stops too soon
#: and the baseline loses up to a point of accuracy on ChnSentiCorp.
_STEPS = 300
#: The most frequent ones: ChnSentiCorp has 233,000 with no better accuracy, and the solver's memory
#: is twenty times features times labels.
_FEATURES = 100_000
#: From so many rows on, what stands in one row only is left out.
_RARE_FROM_ROWS = 1000


class Baseline:
    """TF-IDF and logistic regression with probabilities in the order of the label ids.

    Args:
        kind: ``character`` counts 1- to 3-grams of texts, ``word`` the words of word lists.
        n_labels: Of the label map; labels that training lacks get probability 0.
    """

    def __init__(self, kind: Kind, n_labels: int) -> None:
        self.kind, self.n_labels = kind, n_labels
        self._vectorizer: Any = None
        self._classifier: _Classifier | None = None

    def fit(self, documents: Sequence[Document], labels: NDArray[np.int64]) -> Baseline:
        """Learns from ``documents`` with label ids ``labels``."""
        self._classifier = _Classifier(self.n_labels).fit(self.count(documents), labels)
        return self

    def count(self, documents: Sequence[Document]) -> csr_matrix:
        """Learns the vocabulary and gives the documents' TF-IDF: ``(documents, features)``."""
        from scipy.sparse import csr_matrix
        from sklearn.feature_extraction.text import TfidfVectorizer

        options: dict[str, Any] = (
            {"analyzer": "char", "ngram_range": (1, 3), "lowercase": True}
            if self.kind == "character"
            else {"analyzer": list}
        )
        self._vectorizer = TfidfVectorizer(
            **options,
            sublinear_tf=True,
            min_df=2 if len(documents) >= _RARE_FROM_ROWS else 1,
            max_features=_FEATURES,
            dtype=np.float32,
        )
        try:
            return self._vectorizer.fit_transform(documents)
        except ValueError:  # an empty vocabulary: every document is blank
            self._vectorizer = None
            return csr_matrix((len(documents), 1), dtype=np.float32)

    def probabilities(self, documents: Sequence[Document]) -> NDArray[np.float64]:
        """Probabilities of shape ``(documents, n_labels)``."""
        from scipy.sparse import csr_matrix

        if self._classifier is None:
            raise RuntimeError("fit() comes before probabilities()")
        if self._vectorizer is None or not len(documents):
            features = csr_matrix((len(documents), 1), dtype=np.float32)
        else:
            features = self._vectorizer.transform(documents)
        return self._classifier.probabilities(features)


def out_of_fold(
    kind: Kind,
    documents: Sequence[Document],
    labels: NDArray[np.int64],
    n_labels: int,
    *,
    folds: int = 5,
    seed: int = 0,
    on_fold: Callable[[], object] = lambda: None,
) -> NDArray[np.float64]:
    """Probabilities of every document by a baseline that has not learned from it.

    The vocabulary and the document frequencies are counted once over all documents: they know
    no labels. Equal documents share a fold. ``on_fold`` is called after each.

    Returns:
        ``(documents, n_labels)``.
    """
    features = Baseline(kind, n_labels).count(documents)
    fold_of = assign_folds(documents, labels, folds, seed)
    probabilities = np.zeros((len(documents), n_labels))
    for fold in np.unique(fold_of):
        held = fold_of == fold
        learned = ~held if (~held).any() else held  # a single document has no other
        classifier = _Classifier(n_labels).fit(features[learned], labels[learned])
        probabilities[held] = classifier.probabilities(features[held])
        on_fold()
    return probabilities


def assign_folds(
    documents: Sequence[Document], labels: NDArray[np.int64], folds: int, seed: int
) -> NDArray[np.int64]:
    """A fold for each document: shuffled, labels spread evenly, equal documents together."""
    numbers: dict[Any, int] = {}
    group = np.fromiter(
        (
            numbers.setdefault(d if isinstance(d, str) else tuple(d), len(numbers))
            for d in documents
        ),
        dtype=np.int64,
        count=len(documents),
    )
    _, first = np.unique(group, return_index=True)
    shuffled = np.random.default_rng(seed).permutation(len(first))
    by_label = shuffled[np.argsort(labels[first[shuffled]], kind="stable")]
    fold_of_group = np.empty(len(first), dtype=np.int64)
    fold_of_group[by_label] = np.arange(len(first)) % folds
    return fold_of_group[group]


class _Classifier:
    """Logistic regression that also copes with a single class."""

    def __init__(self, n_labels: int) -> None:
        self.n_labels = n_labels
        self._model: Any = None
        self._classes = np.zeros(0, dtype=np.int64)

    def fit(self, features: csr_matrix, labels: NDArray[np.int64]) -> _Classifier:
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.linear_model import LogisticRegression

        self._classes = np.unique(labels)
        if len(self._classes) < 2:
            return self
        self._model = LogisticRegression(C=_INVERSE_REGULARISATION, max_iter=_STEPS)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            self._model.fit(features, labels)
        return self

    def probabilities(self, features: csr_matrix) -> NDArray[np.float64]:
        result = np.zeros((features.shape[0], self.n_labels))
        if self._model is None:
            result[:, self._classes] = 1.0
        elif features.shape[0]:
            result[:, self._classes] = self._model.predict_proba(features)
        return result
