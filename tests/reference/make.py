#!/usr/bin/env python3
"""Writes the manifests and goldens of the tiny models: make.py [NAME ...] (default: all).

For every tests/data/arch/NAME.json: NAME.tensors beside it, and in tests/golden/arch NAME.json
(tokens, hash of the weights, what to expect of the rounding, a trace) and NAME.logits: little-endian
float32, first the F32 model's logits [tokens, vocab], then those of the Q8_0 model for the first
q8_first and the last q8_last tokens.

Between Q8_0 programs the last bit of a sum can turn a rounding over, and all that follows is then
rounded anew: at the first tokens no value comes near a tie (the seed is chosen so), there equality
can be asked for; at the last ones only likeness.
"""

import glob
import json
import os
import re
import sys

import numpy as np

import families
import forward
import weights

HERE = os.path.dirname(os.path.abspath(__file__))
DATA = os.path.join(HERE, "..", "data", "arch")
GOLDEN = os.path.join(HERE, "..", "golden", "arch")
N_TOKENS, Q8_FIRST, Q8_LAST = 24, 4, 4
SEEDS, ENOUGH = 256, 4


def tokens_for(vocab):
    """24 ids from 3 up; the two halves of 6 in the middle repeat, as text does."""
    ids = (weights.splitmix64(np.arange(1000, 1000 + N_TOKENS, dtype=np.uint64)) % np.uint64(vocab - 3) + np.uint64(3))
    ids[12:18] = ids[6:12]
    return [int(t) for t in ids]


def quantized(name, shape):
    """What llama-quantize makes Q8_0 (llama-quant.cpp, tensor_allows_quantization): matrices whose
    name ends in "weight", but no norm, router, position embedding, or the one-row shared gate."""
    if len(shape) < 2 or shape[0] == 1:
        return False
    if name.endswith(("experts.gate_up_proj", "experts.down_proj")):
        return True  # gpt-oss: become ffn_*_exps.weight
    keep = r"norm|\.gate\.weight$|mlp\.router\.|wpe\.weight"
    return name.endswith("weight") and not re.search(keep, name)


def q8_0_along(x, axis):
    """Blocks of 32 along one axis, values as float64."""
    moved = np.ascontiguousarray(np.moveaxis(x, axis, -1)).astype(np.float32)
    return np.moveaxis(weights.q8_0(moved), -1, axis).astype(np.float64)


def tie_distance(x):
    return float(np.abs(x % 1 - 0.5).min())


def q8_0_model(config, tensors):
    """The same model as a Q8_0 file runs: matrices in Q8_0 along their input axis (the last one,
    but for Conv1D and gpt-oss experts), and, as ggml multiplies Q8_0 only with Q8_0, what they are
    multiplied with rounded to Q8_0 too. rounding_gap, scale_gap: how close a code and a block's
    float16 scale came to a tie, in units of their last place, at the first tokens."""

    class Q8(forward.CLASSES[config["architectures"][0]]):
        rounding_gap = scale_gap = 0.5

        def get(self, name):
            x = super().get(name)
            if not quantized(name, x.shape):
                return x
            conv1d = name.startswith("h.") and name.endswith(".weight")
            experts = name.endswith(("experts.gate_up_proj", "experts.down_proj"))
            return q8_0_along(x, -2 if conv1d or experts else -1)

        def activation(self, x, name):
            if not quantized(name, self.w[name].shape):
                return x
            strict = x[:Q8_FIRST] if len(x) > 1 else x[: self.position < Q8_FIRST]
            if strict.size:
                blocks = np.abs(strict).reshape(-1, 32)
                largest = blocks.max(axis=1, keepdims=True)
                self.rounding_gap = min(self.rounding_gap, tie_distance(blocks / largest * 127))
                mantissa = np.frexp(largest / 127)[0] * 2048  # float16: 11 bits
                self.scale_gap = min(self.scale_gap, tie_distance(mantissa))
            return q8_0_along(x, -1)

    return Q8(config, tensors)


def ternary_margin(tensors):
    """Distance of the nearest weight from a rounding tie of BitNet's weight_quant."""
    ratios = [np.abs(w).astype(np.float64) / np.abs(w.astype(np.float64)).mean()
              for name, w in tensors.items() if name.endswith("_proj.weight")]
    return min(float(np.abs(r - 0.5).min()) for r in ratios)


class Run:
    """Both passes over the tokens and how far they stay from every discrete choice."""

    def __init__(self, config, tensors, tokens):
        self.f32, self.q8 = forward.model(config, tensors), q8_0_model(config, tensors)
        self.logits, self.q8_logits = self.f32.forward(tokens), self.q8.forward(tokens)
        # found, wanted at least
        self.gaps = {"rounding_gap": (self.q8.rounding_gap, 5e-5), "scale_gap": (self.q8.scale_gap, 1e-3)}
        if self.f32.choices:
            pairs = zip(self.f32.choices, self.q8.choices)
            same = all((np.sort(a) == np.sort(b)).all() for a, b in pairs)
            gap = min(self.f32.router_gap, self.q8.router_gap) if same else -1.0
            self.gaps["router_gap"] = (gap, 0.03)
        if isinstance(self.f32, forward.BitNet):
            self.gaps["ternary_gap"] = (ternary_margin(tensors), 2e-6)

    def margin(self):
        return min(found / wanted for found, wanted in self.gaps.values())


def best_seed(config, rows, tokens):
    """The first seed that stays ENOUGH times farther than needed from roundings and choices which
    another program's last bit could turn over, or the best of SEEDS."""
    best = (-1.0, 0)
    for seed in range(1, SEEDS + 1):
        best = max(best, (Run(config, weights.build(seed, rows), tokens).margin(), -seed))
        if best[0] >= ENOUGH:
            break
    return -best[1]


def make(name):
    config = json.load(open(os.path.join(DATA, name + ".json")))
    rows = families.tensors(config)
    vocab = config.get("text_config", config)["vocab_size"]
    tokens = tokens_for(vocab)
    seed = best_seed(config, rows, tokens)
    weights.write_manifest(os.path.join(DATA, name + ".tensors"), seed, rows)
    tensors = weights.build(*weights.read_manifest(os.path.join(DATA, name + ".tensors")))
    run = Run(config, tensors, tokens)
    assert run.margin() >= 1, run.gaps
    # The tanh form of GELU, which ggml uses for the exact one too, moves values over ties.
    first, last = (0, 8) if run.f32.act is forward.ACTIVATIONS["gelu"] else (Q8_FIRST, Q8_LAST)
    scale = float(np.abs(run.logits).max())
    golden = {
        "tokens": tokens, "vocab": vocab, "q8_first": first, "q8_last": last,
        "sha256": weights.sha256(tensors, rows), "scale": scale,
        "q8_shift": float(np.abs(run.q8_logits - run.logits).max() / scale),
        "trace": [round(t, 6) for t in run.f32.trace], "q8_trace": [round(t, 6) for t in run.q8.trace],
        **{name: found for name, (found, _) in run.gaps.items()},
    }
    with open(os.path.join(GOLDEN, name + ".json"), "w") as out:
        lines = (f"  {json.dumps(k)}: {json.dumps(v)}" for k, v in golden.items())
        out.write("{\n" + ",\n".join(lines) + "\n}\n")
    with open(os.path.join(GOLDEN, name + ".logits"), "wb") as out:
        for part in (run.logits, run.q8_logits[:first], run.q8_logits[-last:]):
            out.write(part.astype("<f4").tobytes())
    print(f"{name:18} seed {seed:3} scale {scale:7.3f} q8 {golden['q8_shift']:.4f} margin {run.margin():.1f}", flush=True)


if __name__ == "__main__":
    os.makedirs(GOLDEN, exist_ok=True)
    names = sys.argv[1:] or sorted(os.path.basename(p)[:-5] for p in glob.glob(os.path.join(DATA, "*.json")))
    for each in names:
        make(each)
