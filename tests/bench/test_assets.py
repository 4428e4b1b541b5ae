from collections import Counter

import pytest

from distill.catalog.captions import VOCABULARY
from tests.bench.assets import held_out_prompts, sort_of


def test_the_held_out_prompts_are_thirty_of_all_sorts():
    """Always the same ones, never trained on, no thing twice."""
    prompts = held_out_prompts()
    captions = [VOCABULARY.parse(prompt) for prompt in prompts]
    assert prompts == held_out_prompts() != held_out_prompts(seed=1)
    assert all(caption.held_out for caption in captions)
    assert Counter(map(sort_of, captions)) == {"solid": 3, "pair": 5, "decorated": 10, "simple": 12}
    assert max(Counter(thing.kind for caption in captions for thing in caption.things).values()) == 1


@pytest.mark.parametrize(
    ("prompt", "sort"),
    [
        ("a red cube", "solid"),
        ("a striped red cube", "solid"),
        ("a red mushroom with a white stem", "simple"),  # as it is anyway
        ("a red mushroom with a blue stem", "decorated"),
        ("a spotted mushroom", "decorated"),
        ("a mushroom on a cube", "pair"),
    ],
)
def test_sorts(prompt, sort):
    assert sort_of(VOCABULARY.parse(prompt)) == sort
