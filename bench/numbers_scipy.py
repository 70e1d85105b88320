# SciPy's side of bench/numbers.sh.
#
# usage: numbers_scipy.py WHAT FILE ROUNDS
#
# FILE has lines "f n g m" and failpat's numbers. Prints the median, least and most
# of the milliseconds that SciPy takes, and the largest relative difference.
import sys
import time

import numpy as np
from scipy import stats

what, path, rounds = sys.argv[1], sys.argv[2], int(sys.argv[3])
rows = np.loadtxt(path)
f, n, g, m = rows[:, 0], rows[:, 1], rows[:, 2], rows[:, 3]
ours = rows[:, 4:]


def clopper_pearson():
    low = np.where(f == 0, 0.0, stats.beta.ppf(0.025, np.maximum(f, 0.5), n - f + 1))
    high = np.where(f == n, 1.0, stats.beta.ppf(0.975, f + 1, np.maximum(n - f, 0.5)))
    return np.stack([low, high], axis=1)


def jeffreys():
    low = np.where(f == 0, 0.0, stats.beta.ppf(0.025, f + 0.5, n - f + 0.5))
    high = np.where(f == n, 1.0, stats.beta.ppf(0.975, f + 0.5, n - f + 0.5))
    return np.stack([low, high], axis=1)


def wilson():
    z = stats.norm.ppf(0.975)
    rate = f / n
    middle = (rate + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * np.sqrt(rate * (1 - rate) / n + z * z / (4 * n * n))
    low = np.where(f == 0, 0.0, middle - half)
    high = np.where(f == n, 1.0, middle + half)
    return np.stack([low, high], axis=1)


def fisher():
    tables = np.stack([f, n - f, g, m - g], axis=1).astype(np.int64)
    return np.array([[stats.fisher_exact([[a, b], [c, d]])[1]] for a, b, c, d in tables.tolist()])


work = {"clopper-pearson": clopper_pearson, "jeffreys": jeffreys, "wilson": wilson, "fisher": fisher}[what]
times = []
for _ in range(rounds):
    start = time.perf_counter()
    theirs = work()
    times.append((time.perf_counter() - start) * 1000)
seen = np.maximum(np.abs(ours), np.abs(theirs)) > 1e-300
differs = np.max(np.abs(ours - theirs)[seen] / np.maximum(np.abs(ours), np.abs(theirs))[seen])
print(f"{np.median(times)} {min(times)} {max(times)}")
print(f"{differs:.1e}")
