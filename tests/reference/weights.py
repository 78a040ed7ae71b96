"""Weights of the tiny models: one rule for Python (here) and C (tests/arch_tiny.c).

A manifest (tests/data/arch/NAME.tensors) has a line `seed S`, then one line per tensor as stored in
the Hugging Face repository:

    NAME OFFSET SHIFT DIM [DIM ...]        # dimensions in Hugging Face order, row-major

Element i of a tensor is  OFFSET + u * 2^SHIFT  with

    k = splitmix64(fnv1a64(NAME) + S * 2^32 + i) >> 40           # 24 bits
    u = (k - 2^23) / 2^23                                        # [-1, 1), exact in float32

Both multiplications are by powers of two, and the one addition (OFFSET is 0 or 1) is a float32
addition of two float32 values: the bits are the same on every machine.
"""

import hashlib

import numpy as np

MASK = (1 << 64) - 1


def fnv1a64(name):
    h = 0xCBF29CE484222325
    for byte in name.encode():
        h = ((h ^ byte) * 0x100000001B3) & MASK
    return h


def splitmix64(x):
    """x: uint64 array. The output function of SplitMix64 (Steele, Lea, Flood 2014) at state x."""
    z = x + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def values(name, seed, offset, shift, shape):
    n = int(np.prod(shape))
    start = np.uint64((fnv1a64(name) + (seed << 32)) & MASK)
    with np.errstate(over="ignore"):
        k = splitmix64(start + np.arange(n, dtype=np.uint64)) >> np.uint64(40)
    u = (k.astype(np.int64) - (1 << 23)).astype(np.float32) * np.float32(2.0**-23)
    x = np.float32(offset) + u * np.float32(2.0**shift)
    return x.astype(np.float32).reshape(shape)


def read_manifest(path):
    """(seed, [(name, offset, shift, shape)])"""
    rows, seed = [], 0
    for line in open(path):
        f = line.split()
        if f[0] == "seed":
            seed = int(f[1])
        else:
            rows.append((f[0], int(f[1]), int(f[2]), tuple(map(int, f[3:]))))
    return seed, rows


def write_manifest(path, seed, rows):
    with open(path, "w") as out:
        out.write(f"seed {seed}\n")
        for name, offset, shift, shape in rows:
            out.write(f"{name} {offset} {shift} {' '.join(map(str, shape))}\n")


def build(seed, rows):
    return {name: values(name, seed, offset, shift, shape) for name, offset, shift, shape in rows}


def sha256(tensors, rows):
    """Of all tensors' little-endian bytes, in manifest order: the data section of the file."""
    h = hashlib.sha256()
    for name, *_ in rows:
        h.update(tensors[name].astype("<f4").tobytes())
    return h.hexdigest()


def q8_0(x):
    """float32 [..., n*32] -> the values after a round trip through ggml's Q8_0: blocks of 32 along
    the last axis, d = max|x| / 127 stored as float16, codes roundf(x / d) with the float32 d
    (ggml-quants.c, quantize_row_q8_0_ref)."""
    b = x.astype(np.float32).reshape(-1, 32)
    d = np.abs(b).max(axis=1, keepdims=True) / np.float32(127)
    inverse = np.where(d > 0, np.float32(1) / np.where(d > 0, d, np.float32(1)), np.float32(0))
    scaled = b * inverse
    codes = np.trunc(scaled + np.copysign(np.float32(0.5), scaled))  # half away from zero
    return (codes * d.astype(np.float16).astype(np.float32)).reshape(x.shape)
