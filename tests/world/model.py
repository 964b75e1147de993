"""The model: an extractive summariser. It picks the sentences that carry the most of the text's frequent words."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

WORD = re.compile(r"[^\W\d_]{3,}")
SENTENCE = re.compile(r"[^.!?\n]+[.!?]*")
COMMON = frozenset(
    re.findall(
        r"\w+",
        """the and for are but not you all any can had her was one our out his has him how its may new now old two way
        who did get let put say she too use that with have this will your from they know want been good much some time
        very when come here just like long make many more only over such take than them well were what would there""",
    )
)


def summarise(text: str, sentences: int = 3) -> Iterator[str]:
    """Up to ``sentences`` sentences of ``text``, in their order there; one piece each, as a model would stream them."""
    found = [piece.strip() for piece in SENTENCE.findall(text) if WORD.search(piece)]
    counts = Counter(word for word in map(str.lower, WORD.findall(text)) if word not in COMMON)

    def weight(sentence: str) -> float:
        words = [word for word in map(str.lower, WORD.findall(sentence)) if word in counts]
        return sum(counts[word] for word in words) / (len(words) + 2)

    best = sorted(range(len(found)), key=lambda index: (-weight(found[index]), index))[:sentences]
    for index in sorted(best):
        yield found[index] + "\n"
