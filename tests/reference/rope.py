"""Rotary position embeddings, all scalings (transformers/modeling_rope_utils.py)."""

import math

import numpy as np


def rope_parameters(c):
    """The scaling dictionary whatever its spelling: rope_scaling with "type" or "rope_type" (up to
    transformers 4), rope_parameters with rope_theta inside (5)."""
    p = dict(c.get("rope_parameters") or c.get("rope_scaling") or {})
    p.setdefault("rope_theta", c.get("rope_theta", 10000.0))
    p["rope_type"] = p.get("rope_type") or p.get("type") or "default"
    return p


def yarn(p, c, dim, inv_freq):
    """YaRN (arXiv 2309.00071): low frequencies interpolated, high ones kept, a ramp between."""
    base, factor = p["rope_theta"], p["factor"]
    original = p.get("original_max_position_embeddings") or c["max_position_embeddings"]

    def correction(rotations):
        return dim * math.log(original / (rotations * 2 * math.pi)) / (2 * math.log(base))

    low, high = correction(p.get("beta_fast") or 32), correction(p.get("beta_slow") or 1)
    if p.get("truncate", True):
        low, high = math.floor(low), math.ceil(high)
    low, high = max(low, 0), min(high, dim - 1)
    if low == high:
        high += 0.001
    ramp = np.clip((np.arange(dim // 2) - low) / (high - low), 0, 1)
    scale = p.get("attention_factor")
    if scale is None:
        scale = 0.1 * math.log(factor) + 1 if factor > 1 else 1.0
    return inv_freq / factor * ramp + inv_freq * (1 - ramp), scale


def llama3(p, inv_freq):
    """Wavelengths beyond the original context are divided by factor, those well inside kept."""
    old, factor = p["original_max_position_embeddings"], p["factor"]
    low, high = p["low_freq_factor"], p["high_freq_factor"]
    wavelength = 2 * math.pi / inv_freq
    smooth = (old / wavelength - low) / (high - low)
    between = (1 - smooth) * inv_freq / factor + smooth * inv_freq
    scaled = np.where(wavelength > old / low, inv_freq / factor, inv_freq)
    medium = (wavelength <= old / low) & (wavelength >= old / high)
    return np.where(medium, between, scaled)


def longrope(p, c, inv_freq, n_tokens):
    """Phi-3: one factor per frequency, of two lists, by the length of the sequence."""
    original = c.get("original_max_position_embeddings") or p["original_max_position_embeddings"]
    factor = c["max_position_embeddings"] / original
    scale = p.get("attention_factor")
    if scale is None:
        scale = math.sqrt(1 + math.log(factor) / math.log(original)) if factor > 1 else 1.0
    factors = p["long_factor"] if n_tokens > original else p["short_factor"]
    return inv_freq / np.array(factors, dtype=np.float64), scale


def rope_table(c, p, dim, n_tokens):
    """cos and sin [tokens, dim/2], the attention factor multiplied in."""
    inv_freq = p["rope_theta"] ** -(np.arange(0, dim, 2, dtype=np.float64) / dim)
    scale, kind = 1.0, p["rope_type"]
    if kind == "linear":
        inv_freq = inv_freq / p["factor"]
    elif kind == "llama3":
        inv_freq = llama3(p, inv_freq)
    elif kind == "yarn":
        inv_freq, scale = yarn(p, c, dim, inv_freq)
    elif kind == "longrope":
        inv_freq, scale = longrope(p, c, inv_freq, n_tokens)
    elif kind != "default":
        raise ValueError(f"rope type {kind}")
    angle = np.arange(n_tokens)[:, None] * inv_freq[None, :]
    return np.cos(angle) * scale, np.sin(angle) * scale


def rotate_halves(x, cos, sin):
    """Pairs (i, i + dim/2) of the first dim = 2 * len(cos) components; the rest passes."""
    half = cos.shape[-1]
    a, b, rest = x[..., :half], x[..., half : 2 * half], x[..., 2 * half :]
    return np.concatenate([a * cos - b * sin, b * cos + a * sin, rest], axis=-1)


def rotate_pairs(x, cos, sin):
    """Pairs (2i, 2i + 1)."""
    out = np.empty_like(x)
    out[..., 0::2] = x[..., 0::2] * cos - x[..., 1::2] * sin
    out[..., 1::2] = x[..., 1::2] * cos + x[..., 0::2] * sin
    return out
