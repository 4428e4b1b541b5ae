import torch

from guidance.networks.critic import Critic
from guidance.networks.text import WordText
from guidance.networks.unet import UNetSize

SIZE = UNetSize(side=32, levels=(16, 32, 16), width=32, text=8, middle=0)


def critic() -> Critic:
    torch.manual_seed(0)
    made = Critic(SIZE, WordText(SIZE.text)).double()
    torch.nn.init.normal_(made.head.weight)
    return made.requires_grad_(False)


def inputs(count: int = 3) -> list[torch.Tensor]:
    x = torch.randn(count, 3, 32, 32, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    text = WordText(SIZE.text).rows(["a red wall", "a blue wall", ""])[:count].double()
    camera = torch.tensor([[0.3, 0.2, 3.2, 0.7]], dtype=torch.float64).expand(count, -1)
    return [x, torch.linspace(-2, 2, count, dtype=torch.float64), text, camera]


def test_a_fresh_one_answers_zero():
    made = Critic(SIZE, WordText(SIZE.text))
    assert torch.equal(made(*(t.float() for t in inputs())), torch.zeros(3))


def test_it_sees_picture_level_text_and_camera_of_each_sample_alone():
    made, given = critic(), inputs()
    before = made(*given)
    assert before.shape == (3,)
    changes = (given[0] + 0.5, given[1] + 1.0, given[2].roll(1, 0), given[3] + torch.tensor([0.7, 0, 0, 0]))
    for place, changed in enumerate(changes):
        mixed = given[place].clone()
        mixed[1] = changed[1]
        after = made(*given[:place], mixed, *given[place + 1 :])
        assert abs(float(after[1] - before[1])) > 1e-4
        torch.testing.assert_close(after[[0, 2]], before[[0, 2]], rtol=1e-9, atol=1e-9)
