#!/usr/bin/python3
"""Judges predictions on observations that the models have not seen.

usage: bench/predict.py FOLDER [SETS [NUMBERS]]

FOLDER has train-K.csv and test-K.csv for each fold K = 1, 2, ..., with the
columns failed and n, then one per dimension; test-K.csv has probability,
fp_predict's, too. The predictions of all folds are judged together. SETS and NUMBERS name the dimensions that are
sets ("{3,7}") and numbers, by commas. Prints a line per model: name, log loss,
Brier score, calibration error over 10 bins of equal size.

scikit-learn's models get the same encoding: a column per value of a dimension,
per member of a set, the number of members, and numbers as they are (and, for
the logistic regression, a column per number). Their settings are chosen, as one
would, by the last fifth of the training rows.
"""
import os
import sys

os.environ.setdefault('OMP_NUM_THREADS', '1')  # threads that wait for a busy core take longer than one

import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression

from calibration import calibration_error

folder = sys.argv[1]
sets = sys.argv[2].split(',') if len(sys.argv) > 2 else []
numbers = sys.argv[3].split(',') if len(sys.argv) > 3 else []


def members(text):
    return [m for m in text.strip('{}').split(',') if m]


class Encoding:
    def __init__(self, frame, dims):
        self.dims = dims
        self.values = {}
        for d in self.dims:
            if d in sets:
                self.values[d] = sorted({m for t in frame[d].unique() for m in members(t)})
            else:
                self.values[d] = sorted(frame[d].unique())

    def __call__(self, frame, one_hot_numbers):
        columns = []
        for d in self.dims:
            at = {v: i for i, v in enumerate(self.values[d])}
            rows, cols = [], []
            if d not in numbers or one_hot_numbers:
                for r, text in enumerate(frame[d]):
                    for v in members(text) if d in sets else [text]:
                        if v in at:
                            rows.append(r)
                            cols.append(at[v])
                columns.append(sparse.csr_matrix((np.ones(len(rows)), (rows, cols)), (len(frame), len(at))))
            if d in sets:
                columns.append(sparse.csr_matrix(frame[d].map(lambda t: len(members(t))).to_numpy(float)[:, None]))
            if d in numbers:
                number = pd.to_numeric(frame[d], errors='coerce').fillna(-1).to_numpy(float)
                columns.append(sparse.csr_matrix(number[:, None] / (10 if one_hot_numbers else 1)))
        return sparse.hstack(columns).tocsr()


def log_loss(p, f, n):
    p = np.clip(p, 1e-9, 1 - 1e-9)
    return -(f * np.log(p) + (n - f) * np.log(1 - p)).sum() / n.sum()


def report(name, p, f, n):
    brier = (f * (1 - p) ** 2 + (n - f) * p ** 2).sum() / n.sum()
    print('%s\t%.6f\t%.6f\t%.5f' % (name, log_loss(p, f, n), brier, calibration_error(p, f, n)), flush=True)


def counts(frame):
    return frame.failed.to_numpy(float), frame.n.to_numpy(float)


def fit(model, x, f, n):
    """A row for each observation: leaves of trees count rows."""
    f, n = f.astype(int), n.astype(int)
    rows = np.repeat(np.arange(len(n)), n)
    first = np.cumsum(n) - n
    y = (np.arange(len(rows)) - np.repeat(first, n) < np.repeat(f, n)).astype(float)
    return model.fit(x[rows], y)


MODELS = (
    ('logistic regression', True, [lambda c=c: LogisticRegression(C=c, max_iter=200, tol=1e-4) for c in (0.1, 1.0)]),
    ('gradient boosting', False,
     [lambda r=r, k=k: HistGradientBoostingClassifier(learning_rate=r, max_iter=k, early_stopping=False, random_state=1)
      for r, k in ((0.05, 80), (0.1, 120))]))
results = {}
outcomes = []
fold = 1
while os.path.exists('%s/train-%d.csv' % (folder, fold)):
    train, test = (pd.read_csv('%s/%s-%d.csv' % (folder, what, fold), dtype=str, keep_default_na=False)
                   for what in ('train', 'test'))
    dims = [c for c in train.columns if c not in ('failed', 'n')]
    f, n = counts(train)
    outcomes.append(counts(test))
    encode = Encoding(train, dims)
    cut = len(train) * 4 // 5
    results.setdefault('base rate', []).append(np.full(len(test), f.sum() / n.sum()))
    for name, one_hot, models in MODELS:
        x, tx = encode(train, one_hot), encode(test, one_hot)
        if not one_hot:
            x, tx = x.toarray().astype(np.float32), tx.toarray().astype(np.float32)
        best = models[0]
        if len(train) > 100:
            losses = [log_loss(fit(m(), x[:cut], f[:cut], n[:cut]).predict_proba(x[cut:])[:, 1], f[cut:], n[cut:])
                      for m in models]
            best = models[int(np.argmin(losses))]
        results.setdefault(name, []).append(fit(best(), x, f, n).predict_proba(tx)[:, 1])
    results.setdefault('fp_predict', []).append(test.probability.to_numpy(float))
    fold += 1
f, n = (np.concatenate(o) for o in zip(*outcomes))
for name, p in results.items():
    report(name, np.concatenate(p), f, n)
