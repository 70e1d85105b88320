#!/usr/bin/python3
"""Calibration error over 10 bins of equal size, and how much of it is chance.

usage: bench/calibration.py COUNTS.csv [FOLDS [RUNS]]

COUNTS.csv has a column per dimension, then failures and trials (as
test/fixtures/ucb_admissions.csv). The rates of its cells are taken as the
truth; outcomes are drawn from it RUNS times, judged in FOLDS folds as
bench/predict.sh judges real data. Printed are the mean error and how often it
lies above 0.02 and above 0.025, of a model that knows the truth, and of one
that has a parameter for each cell and learns it from the other folds.
"""
import csv
import sys

import numpy as np


def calibration_error(p, f, n):
    """f failures of n trials in each row, predicted to fail with p"""
    order = np.argsort(p, kind='stable')
    bins = np.minimum(10 * (np.cumsum(n[order]) - n[order] / 2) / n.sum(), 9.999).astype(int)
    error = 0
    for b in range(10):
        i = order[bins == b]
        if len(i):
            error += abs((f[i] - n[i] * p[i]).sum()) / n.sum()
    return error


def main():
    with open(sys.argv[1], newline='') as file:
        rows = [(int(r['failures']), int(r['trials'])) for r in csv.DictReader(file)]
    folds = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    runs = int(sys.argv[3]) if len(sys.argv) > 3 else 2000
    failures, trials = np.array(rows).T
    truth = failures / trials
    random = np.random.default_rng(1)
    errors = {'the truth': [], 'a rate per cell, learnt': []}
    for _ in range(runs):
        # observations go to folds by chance, as in bench/predict.sh
        n = np.array([random.multinomial(t, [1 / folds] * folds) for t in trials]).T
        f = random.binomial(n, truth)
        others_n = n.sum(axis=0) - n
        learnt = (f.sum(axis=0) - f + 0.5) / (others_n + 1)
        # the rows of all folds together, fold by fold
        for name, p in (('the truth', np.tile(truth, folds)), ('a rate per cell, learnt', learnt.ravel())):
            errors[name].append(calibration_error(p, f.ravel().astype(float), n.ravel().astype(float)))
    for name, e in errors.items():
        e = np.array(e)
        print('%s\tmean %.4f\tabove 0.02: %.0f %%\tabove 0.025: %.0f %%' %
              (name, e.mean(), 100 * (e > 0.02).mean(), 100 * (e > 0.025).mean()))


if __name__ == '__main__':
    main()
