import numpy as np
import pytest

from tests.unit.ml.tiny import CORPUS
from viveiro.ml.embedding import SentenceEncoder
from viveiro.ml.engines import engines

TEXTS = [*CORPUS, "ok", " ".join(CORPUS[:3])]


def least_cosine(first, second):
    return ((first * second).sum(1) / np.linalg.norm(first, axis=1) / np.linalg.norm(second, axis=1)).min()


@pytest.fixture(params=list(engines))
def engine(request, starter):
    engine = engines[request.param]()
    engine.load(starter)
    yield engine
    engine.close()


class TestEveryEngine:
    """What an engine must promise before anything is served with it."""

    def test_it_answers_as_torch_in_float32_does(self, engine, starter):
        reference = SentenceEncoder(starter, precision="float32").encode(TEXTS)
        outputs = np.concatenate([engine.run([item]) for item in engine.items(TEXTS)])
        assert outputs.dtype == np.float32
        assert engine.caps.quantised or least_cosine(outputs, reference) >= 0.999

    def test_a_text_has_the_same_answer_alone_and_in_company(self, engine):
        items = engine.items(TEXTS)
        alone = np.concatenate([engine.run([item]) for item in items])
        assert not engine.caps.batch_invariant or least_cosine(alone, engine.run(items)) >= 0.999

    def test_longer_texts_cost_more(self, engine):
        short, long = engine.items(["ok", " ".join(CORPUS)])
        assert 0 < engine.cost(short) < engine.cost(long)

    def test_no_item_costs_more_than_the_longest_input(self, engine):
        (item,) = engine.items(["word " * 5000])
        assert engine.cost(item) <= engine.stats().max_length

    def test_it_counts_what_it_does(self, engine):
        engine.run(engine.items(TEXTS))
        stats = engine.stats()
        assert (stats.texts, stats.batches) == (len(TEXTS), 1)
