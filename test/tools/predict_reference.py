#!/usr/bin/python3
"""Writes test/fixtures/predict_cells.csv and predict_effects.csv: a small table
and the penalised logistic regression of it, by scipy's minimiser, with the
posterior variances from the inverse of the Hessian at its end.

The prior is that of src/predict/fit.c with spread 0.25 and nothing tuned.
"""
import csv
import os

import numpy as np
from scipy.optimize import minimize

rng = np.random.default_rng(64)
cells = []
for a in (1, 2, 3):
    for loras in ((), (1,), (2,), (3,), (4,), (1, 2), (2, 4), (1, 3, 4)):
        for at in (1, 2, 3, 4):
            n = int(rng.integers(1, 60))
            x = -2 + 0.5 * (a == 2) + 0.3 * len(loras) + 0.9 * (4 in loras) + 0.2 * at
            cells.append((a, loras, at, int(rng.binomial(n, 1 / (1 + np.exp(-x)))), n))

f = np.array([c[3] for c in cells], float)
n = np.array([c[4] for c in cells], float)
terms = [('intercept', '', lambda c: True)]
terms += [('a', str(v), lambda c, v=v: c[0] == v) for v in (1, 2, 3)]
terms += [('lora', str(v), lambda c, v=v: v in c[1]) for v in (1, 2, 3, 4)]
terms += [('count', str(v), lambda c, v=v: len(c[1]) == v) for v in (0, 1, 2, 3)]
terms += [('at', str(v), lambda c, v=v: c[2] == v) for v in (1, 2, 3, 4)]
x = np.array([[float(t[2](c)) for t in terms] for c in cells])
q = np.zeros((len(terms), len(terms)))
q[0, 0] = 1 / 100
for kind in ('a', 'lora'):
    for i, t in enumerate(terms):
        q[i, i] += (t[0] == kind) / 0.25
for kind in ('count', 'at'):
    at = [i for i, t in enumerate(terms) if t[0] == kind]
    w = np.array([n @ x[:, i] for i in at])
    w /= w.sum()
    q[np.ix_(at, at)] += np.eye(len(at)) / 100 + np.outer(w, w) / 1e-4
    for i, j in zip(at, at[1:]):
        q[i, i] += 1 / 0.0625
        q[j, j] += 1 / 0.0625
        q[i, j] -= 1 / 0.0625
        q[j, i] -= 1 / 0.0625


def value(b):
    eta = x @ b
    return (n * np.logaddexp(0, eta) - f * eta).sum() + b @ q @ b / 2


def gradient(b):
    return x.T @ (n / (1 + np.exp(-(x @ b))) - f) + q @ b


def hessian(b):
    p = 1 / (1 + np.exp(-(x @ b)))
    return (x.T * (n * p * (1 - p))) @ x + q


best = minimize(value, np.zeros(len(terms)), jac=gradient, hess=hessian, method='trust-exact',
                options={'gtol': 1e-11, 'maxiter': 1000}).x
variances = np.diag(np.linalg.inv(hessian(best)))
top = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'fixtures')
with open(os.path.join(top, 'predict_cells.csv'), 'w', newline='') as out:
    w = csv.writer(out, lineterminator='\n')
    w.writerow(['a', 'lora1', 'lora2', 'lora3', 'lora4', 'at', 'failures', 'trials'])
    for c in cells:
        w.writerow([c[0]] + [int(v in c[1]) for v in (1, 2, 3, 4)] + [c[2], c[3], c[4]])
with open(os.path.join(top, 'predict_effects.csv'), 'w', newline='') as out:
    w = csv.writer(out, lineterminator='\n')
    w.writerow(['dimension', 'value', 'effect', 'variance'])
    for t, b, v in zip(terms, best, variances):
        w.writerow([t[0], t[1], '%.12g' % b, '%.12g' % v])
