import numpy as np


def period(series, most=64):
    s = np.asarray(series)
    if len(s) < 4 or not np.isfinite(s).all():
        return None
    tol = 1e-9 * max(np.ptp(s), 0) + 1e3 * 2.2e-16 * np.abs(s).max()
    for k in range(1, min(most, len(s) // 3) + 1):
        if np.abs(s[k:] - s[:-k]).max() <= tol:
            return k
    return None
