"""From prompts to vectors: `SlotText` for the catalog's grammar, `WordText` for free captions.

Both turn a prompt into one row of numbers on the host (so that embedding is done once, and rows batch and save
easily), and rows into vectors inside the network.
"""

import hashlib
import re
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from guidance.vocabulary import Caption, Vocabulary

THINGS, SLOTS = 2, 3
WORDS = 24  # longest caption WordText reads
BUCKETS = 8192


class SlotText(nn.Module):
    """Kinds and resolved slot colors of up to two things: attributes are bound by the parser, not by attention.

    A row is (2 kinds, 18 color numbers): kind K stands for "no second thing", K + 1 for the null prompt.
    """

    row_length = THINGS + THINGS * SLOTS * 3

    def __init__(self, vocabulary: Vocabulary, width: int) -> None:
        super().__init__()
        self.vocabulary = vocabulary
        count = len(vocabulary.objects)
        self.first = nn.Embedding(count + 2, width)
        self.second = nn.Embedding(count + 2, width)
        self.color = nn.Linear(THINGS * SLOTS * 3, width)
        self.slot = nn.Parameter(torch.randn(THINGS * SLOTS, width))
        self.paint = nn.Linear(3, width)
        nn.init.normal_(self.paint.weight)  # colors as loud as kinds: at torch's default they are learned last

    def caption_row(self, caption: Caption) -> Tensor:
        """The row of a parsed caption, (row_length,) float."""
        count = len(self.vocabulary.objects)
        kinds = [self.vocabulary.index(t) for t in caption.things]
        row = torch.zeros(self.row_length)
        row[:THINGS] = torch.tensor([*kinds, count][:THINGS])
        for i, thing in enumerate(caption.things):
            colors = torch.tensor(self.vocabulary.rgb(thing))
            start = THINGS + i * SLOTS * 3
            row[start : start + colors.numel()] = colors.flatten() * 2 - 1
        return row

    def null_row(self) -> Tensor:
        """The row of the unconditional prompt, (row_length,)."""
        row = torch.zeros(self.row_length)
        row[:THINGS] = len(self.vocabulary.objects) + 1
        return row

    def rows(self, prompts: Sequence[str]) -> Tensor:
        """(n, row_length) of prompts; "" is the null prompt. ValueError names what is not understood."""
        return torch.stack([self.caption_row(self.vocabulary.parse(p)) if p else self.null_row() for p in prompts])

    def forward(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """(n, row_length) -> (vector (n, 3 * width), tokens (n, 6, width): a slot of a kind and its color each)."""
        kinds = rows[:, :THINGS].long()
        first, second = self.first(kinds[:, 0]), self.second(kinds[:, 1])
        vector = torch.cat([first, second, self.color(rows[:, THINGS:])], -1)
        owner = torch.stack([first] * SLOTS + [second] * SLOTS, 1)
        return vector, owner + self.slot + self.paint(rows[:, THINGS:].unflatten(1, (THINGS * SLOTS, 3)))


class WordText(nn.Module):
    """Free captions: hashed words with positions through one self-attention layer, mean-pooled.

    No word list is stored: a word's bucket is its SHA-256 modulo BUCKETS; bucket 0 is padding.
    """

    row_length = WORDS

    def __init__(self, width: int) -> None:
        super().__init__()
        self.words = nn.Embedding(BUCKETS, width)
        self.positions = nn.Parameter(torch.zeros(WORDS, width))
        self.layer = nn.TransformerEncoderLayer(width, 4, 2 * width, dropout=0.0, batch_first=True, norm_first=True)
        self.out = nn.Linear(width, 3 * width)

    def rows(self, prompts: Sequence[str]) -> Tensor:
        """(n, WORDS) of prompts; "" is the null prompt, words past the 24th are dropped."""
        out = torch.zeros(len(prompts), WORDS)
        for i, prompt in enumerate(prompts):
            words = re.findall(r"\w+", prompt.lower())[:WORDS]
            if prompt and not words:
                raise ValueError(f"{prompt!r} holds no word; say in words what to show")
            for j, word in enumerate(words):
                out[i, j] = 1 + int(hashlib.sha256(word.encode()).hexdigest(), 16) % (BUCKETS - 1)
        return out

    def null_row(self) -> Tensor:
        """The row of the unconditional prompt, (WORDS,)."""
        return torch.zeros(WORDS)

    def forward(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """(n, WORDS) -> (vector (n, 3 * width), tokens (n, WORDS, width)); the null row's vector is the output bias."""
        words = rows.long()
        seen = (words > 0).to(rows.dtype)[..., None]
        hidden = self.layer(self.words(words) + self.positions)
        pooled = (hidden * seen).sum(1) / seen.sum(1).clamp_min(1)
        return self.out(pooled), hidden * seen
