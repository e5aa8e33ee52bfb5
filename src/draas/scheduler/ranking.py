"""Ranking: how all nodes score for one ask, kept from tick to tick and brought up to date row by row."""

import numpy as np

from draas.scheduler.ask import Amounts
from draas.scheduler.books import Books, Rows
from draas.scheduler.score import Bools, Floats, Ints, Scores, score


class Ranking:
    """Scores of all rows for one ask. What only concerns some rows is caught up from the books' log."""

    def __init__(self, need: Amounts, books: Books) -> None:
        self.need: Ints = np.array(need, np.int64).reshape(3, 1)
        self.version = -1
        self.able: Bools = np.zeros(0, np.bool_)  # could run it, were all of the node free
        self.allowed: Bools = self.able  # able, and not kept busy by others' work where that can be avoided
        self.scores: Scores = np.zeros(0, np.float32)
        self._image: Floats | None = None
        self._books = books
        self._position = 0

    def refresh(self, fitness: Bools, image: Floats | None) -> None:
        """Look at all rows afresh."""
        books, count = self._books, self._books.count
        self._image = image
        self.able = books.usable[:count] & fitness & (self.need <= books.capacity[:, :count]).all(axis=0)
        calm = self.able & books.calm[:count]
        self.allowed = calm if calm.any() else self.able
        self.version = books.version
        self._score_all()

    def catch_up(self) -> None:
        """Score again what changed since the last look."""
        if self._position == self._books.log_end:
            return
        rows = self._books.touched_since(self._position)
        if rows is None:
            self._score_all()
            return
        self._position = self._books.log_end
        ints = self._books.ints.take(rows, axis=1)
        image = self._image.take(rows) if self._image is not None else None
        self.scores[rows] = score(
            ints[:3] + self.need, ints[3:], self._books.floats.take(rows, axis=1), image, self.allowed.take(rows)
        )

    def best(self) -> int:
        """The row with the best score, the first by name among equals; -1 where it fits nowhere."""
        if not len(self.scores):
            return -1
        row = int(self.scores.argmax())
        return row if self.scores[row] >= 0 else -1

    def best_run(self, count: int) -> list[int]:
        """The rows that `count` such jobs would be given one after the other, fewer where no more fit.

        A node's score never rises as it fills, so taking the best again and again is the same as sorting what every
        node would score for its first, second, … job of this kind.
        """
        candidates = self._candidates(count)
        if not len(candidates):
            return []
        depth = min(count, max(4, 2 * count // len(candidates)))
        flat = self._ladder(candidates, depth).astype(np.float32).ravel()
        order = np.argsort(-flat, kind="stable")[:count]  # stable: equal scores by name, then by how many are there
        order = order[flat[order] >= 0]
        exhausted = np.flatnonzero(order % depth == depth - 1)
        if len(exhausted):  # beyond this one the ladder is too short to tell
            order = order[: exhausted[0] + 1]
        found: list[int] = candidates[order // depth].tolist()
        return found

    def _candidates(self, count: int) -> Rows:
        """Rows in order that can be among the first `count`: the best by their first score."""
        fitting = np.flatnonzero(self.scores >= 0)
        if len(fitting) <= count:
            return fitting
        scores = self.scores[fitting]
        least = np.partition(scores, len(scores) - count)[len(scores) - count]
        above = fitting[scores > least]
        level = fitting[scores == least][: count - len(above)]
        return np.sort(np.concatenate((above, level)))

    def _ladder(self, rows: Rows, depth: int) -> Floats:
        """A matrix of what each of `rows` would score for its first, second, … such job."""
        ints = self._books.ints.take(rows, axis=1)[:, :, None]
        times = np.arange(1, depth + 1, dtype=np.int64)
        return score(
            ints[:3] + self.need[:, :, None] * times,
            ints[3:],
            self._books.floats.take(rows, axis=1)[:, :, None],
            self._image.take(rows)[:, None] if self._image is not None else None,
            self.allowed.take(rows)[:, None],
        )

    def _score_all(self) -> None:
        books, count = self._books, self._books.count
        self._position = books.log_end
        ints = books.ints[:, :count]
        scores = score(ints[:3] + self.need, ints[3:], books.floats[:, :count], self._image, self.allowed)
        self.scores = scores.astype(np.float32)
