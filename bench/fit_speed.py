#!/usr/bin/python3
"""Processor time of scikit-learn's logistic regression.

usage: bench/fit_speed.py FILE

FILE has observations, comma-separated without a header: failed (0 or 1), workflow,
model, LoRA, another LoRA (either -1: none), character, scene type, position. They
are encoded as fp_predict's main effects are: a column per value, per member of a
set, per number of members; that is not timed. The penalty is given; fp_predict
chooses its own, looks for pairs, and tells the uncertainty of each effect. Prints
milliseconds of processor time on one thread, and the number of columns.
"""
import os
import sys
import time

for name in 'OMP_NUM_THREADS', 'OPENBLAS_NUM_THREADS':
    os.environ[name] = '1'

import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.linear_model import LogisticRegression

frame = pd.read_csv(sys.argv[1], header=None, dtype=np.int16)
failed = frame[0].to_numpy()
n = len(frame)
loras = frame[[3, 4]].to_numpy()
columns = [frame[i].to_numpy().astype(np.int32) for i in (1, 2, 5, 6, 7)]
columns.append((loras >= 0).sum(axis=1).astype(np.int32))
places = np.empty((n, len(columns) + 2), dtype=np.int32)
width = 0
for i, codes in enumerate(columns):
    places[:, i] = codes + width
    width += int(codes.max()) + 1
# no LoRA: a value 0 in the last column, which counts for nothing
values = np.ones(places.shape, dtype=np.float32)
for i in range(2):
    places[:, len(columns) + i] = np.where(loras[:, i] >= 0, loras[:, i] + width, width)
    values[:, len(columns) + i] = loras[:, i] >= 0
width += int(loras.max()) + 1
del frame, columns, loras
matrix = sparse.csr_matrix((values.ravel(), places.ravel(), np.arange(n + 1, dtype=np.int32) * places.shape[1]), (n, width))
model = LogisticRegression(max_iter=1000)
started = time.process_time()
model.fit(matrix, failed)
print(round((time.process_time() - started) * 1000), width)
