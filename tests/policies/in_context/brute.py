"""Retrieval, kernels and growth once more, in loops over plain float64 arrays and lists."""

import numpy as np


def features(rows, shared, metric):
    """Weighted features per row, zeros included."""
    return np.array([[*(row * metric.rows), *(shared * metric.shared)] for row in rows])


def distances(cases, rows, shared, metric):
    """To every case that there is: (squared distance, place), sorted."""
    mine = features(rows, shared, metric)
    pairs = []
    for i in np.flatnonzero(cases["valid"]):
        theirs = features(cases["rows"][i], cases["shared"][i], metric)
        pairs.append((float(((mine - theirs) ** 2).sum()), int(i)))
    return sorted(pairs)


def kernel(cases, places, rows, shared, metric, hard, width=0.2, temperature=0.3):
    """Each row's decision from all rows of the cases at `places`."""
    mine, out = features(rows, shared, metric), []
    for f in mine:
        logits, actions = [], []
        for i in places:
            for g, a, gain in zip(
                features(cases["rows"][i], cases["shared"][i], metric),
                cases["action"][i],
                cases["advantage"][i],
                strict=True,
            ):
                logits.append(-((f - g) ** 2).sum() / (2 * width**2) + gain / temperature)
                actions.append(a)
        weights = np.exp(np.array(logits) - max(logits))
        out.append(actions[int(np.argmax(logits))] if hard else weights @ actions / weights.sum())
    return np.array(out)


class Ring:
    """A set that grows, as a list of (stamp, tag, value); None where there is no case."""

    def __init__(self, values, capacity):
        self.slots = [(i, 0, v) for i, v in enumerate(values)] + [None] * (capacity - len(values))
        self.written = len(values)

    def append(self, value, worth, of_near):
        """As `cases.grow`."""
        if of_near and worth <= np.median(of_near):
            return
        if None in self.slots:
            place = self.slots.index(None)
        else:
            appended = [s for s in self.slots if s[1] == 1] or self.slots
            place = self.slots.index(min(appended))
        self.slots[place] = (self.written, 1, value)
        self.written += 1
