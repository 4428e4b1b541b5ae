"""From prompts to vectors: `SlotText` for the catalog's grammar, `WordText` for free captions.

Both turn a prompt into one row of numbers on the host (so that embedding is done once, and rows batch and save
easily), and rows into vectors inside the network.
"""

import hashlib
import re
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from guidance.networks.feature_field import GROUPS, PAINTS, THINGS
from guidance.vocabulary import PATTERNS, RELATIONS, Caption, Vocabulary

WORDS = 24  # longest caption WordText reads
BUCKETS = 8192


class SlotText(nn.Module):
    """Kinds, patterns and resolved colors of up to two things: attributes are bound by the parser, not by attention.

    A row is (2 kinds, relation, 2 patterns, 24 color numbers in [-1, 1]: 3 slots and the pattern's second color of
    either thing). Kind K stands for "no second thing", K + 1 for the null prompt.
    """

    row_length = THINGS + 1 + THINGS + GROUPS * 3

    def __init__(self, vocabulary: Vocabulary, width: int) -> None:
        super().__init__()
        self.vocabulary = vocabulary
        self.kinds = len(vocabulary.objects)
        self.first = nn.Embedding(self.kinds + 2, width)
        self.second = nn.Embedding(self.kinds + 2, width)
        self.relation = nn.Embedding(1 + len(RELATIONS), width)
        self.pattern = nn.Embedding(len(PATTERNS), width)
        self.color = nn.Linear(GROUPS * 3, width)
        self.slot = nn.Parameter(torch.randn(GROUPS, width))
        self.paint = nn.Linear(3, width)
        nn.init.normal_(self.paint.weight)  # colors as loud as kinds: at torch's default they are learned last

    def caption_row(self, caption: Caption) -> Tensor:
        """The row of a parsed caption, (row_length,) float."""
        kinds = [self.vocabulary.index(t) for t in caption.things]
        row = torch.zeros(self.row_length)
        row[:THINGS] = torch.tensor([*kinds, self.kinds][:THINGS])
        if caption.relation:
            row[THINGS] = 1 + RELATIONS.index(caption.relation)
        paints = row[-GROUPS * 3 :].view(THINGS, PAINTS, 3)
        for i, thing in enumerate(caption.things):
            row[THINGS + 1 + i] = PATTERNS.index(thing.pattern)
            colors = torch.tensor(self.vocabulary.rgb(thing)) * 2 - 1
            paints[i, : len(colors)] = colors
            if thing.second:
                paints[i, -1] = torch.tensor(self.vocabulary.colors[thing.second]) * 2 - 1
        return row

    def null_row(self) -> Tensor:
        """The row of the unconditional prompt, (row_length,)."""
        row = torch.zeros(self.row_length)
        row[:THINGS] = self.kinds + 1
        return row

    def rows(self, prompts: Sequence[str]) -> Tensor:
        """(n, row_length) of prompts; "" is the null prompt. ValueError names what is not understood."""
        return torch.stack([self.caption_row(self.vocabulary.parse(p)) if p else self.null_row() for p in prompts])

    def forward(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """(n, row_length) -> (vector (n, 3 * width), tokens (n, 8, width): a slot of a kind and its color each)."""
        kinds = rows[:, :THINGS].long()
        first, second = self.first(kinds[:, 0]), self.second(kinds[:, 1])
        relation, patterns = self.relation(rows[:, THINGS].long()), self.pattern(rows[:, THINGS + 1 : 5].long())
        paints = self.paints(rows)
        vector = torch.cat(
            [first + patterns[:, 0], second + patterns[:, 1] + relation, self.color(paints.flatten(1))], -1
        )
        owner = torch.stack([first] * PAINTS + [second] * PAINTS, 1)
        return vector, owner + self.slot + self.paint(paints)

    def paints(self, rows: Tensor) -> Tensor:
        """Colors of rows (n, row_length) in [-1, 1], (n, GROUPS, 3)."""
        return rows[:, -GROUPS * 3 :].reshape(len(rows), GROUPS, 3)

    def present(self, rows: Tensor) -> Tensor:
        """Which things rows (n, row_length) name, (n, THINGS) bool."""
        return rows[:, :THINGS] < self.kinds

    def places(self, rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """What a field needs of rows (n, row_length): kinds (n, THINGS) int64 with K for none, relation (n,),
        patterns (n, THINGS)."""
        return rows[:, :THINGS].long().clamp_max(self.kinds), rows[:, THINGS].long(), rows[:, THINGS + 1 : 5].long()


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
