#!/usr/bin/env python3
"""What the goldens can see: leaves one trait of a family out and prints how far the logits move, in
units of the largest. The tests allow 1e-3; a trait that moves less would be tested by nothing."""

import json
import os

import numpy as np

import forward
import weights
from make import DATA, GOLDEN

NONE = lambda *_: None
LAST = lambda *args: args[-1]


def without(**methods):
    return lambda config: (config, methods)


def changed(**keys):
    return lambda config: ({**config, **keys}, {})


def dropped(*keys):
    return lambda config: ({k: v for k, v in config.items() if k not in keys}, {})


def rope(**keys):
    return lambda c: ({**c, "rope_scaling": {**c["rope_scaling"], **keys}}, {})


def keep_heads(self, p, q, k):
    return q, k


def unbiased(self, name):
    return forward.Llama.get(self, name) * (not name.endswith("bias"))


def tiny_epsilon(config):
    return {**config, **{k: 1e-6 for k in config if "eps" in k}}, {}


NAMES = sorted(f[:-5] for f in os.listdir(DATA) if f.endswith(".json"))
TRAITS = [
    ("llama3", "llama3 scaling", dropped("rope_scaling")),
    ("llama_linear", "linear scaling", dropped("rope_scaling")),
    ("llama_yarn", "yarn", dropped("rope_scaling")),
    ("llama_yarn", "yarn: attention factor", rope(attention_factor=1.0)),
    ("llama_yarn", "yarn: original context", rope(original_max_position_embeddings=256)),
    ("llama_v5", "rope_parameters", dropped("rope_parameters")),
    ("mistral", "window", without(window=NONE)),
    ("mistral", "window one longer", changed(sliding_window=9)),
    ("smollm3", "layers without rope", without(rope_config=lambda self, i: forward.rope_parameters(self.c))),
    ("granite", "attention multiplier", changed(attention_multiplier=0.25)),
    ("granite", "residual multiplier", changed(residual_multiplier=1.0)),
    ("qwen2", "window that is switched off", changed(use_sliding_window=True)),
    ("qwen2_moe", "no renormalization", changed(norm_topk_prob=True)),
    ("qwen3", "q/k norm", without(qk_norm=keep_heads)),
    ("qwen3_moe", "renormalization", changed(norm_topk_prob=False)),
    ("gemma", "exact GELU instead of tanh", changed(hidden_act="gelu")),
    ("gemma2", "window", without(window=NONE)),
    ("gemma2", "windows in the other layers", without(window=lambda self, i: 8 if i % 2 else None)),
    ("gemma2", "attention soft cap", changed(attn_logit_softcapping=None)),
    ("gemma2", "logit soft cap", changed(final_logit_softcapping=None)),
    ("gemma3", "local rope base", changed(rope_local_base_freq=1e6)),
    ("gemma3", "pattern of 6", changed(sliding_window_pattern=3)),
    ("gemma3", "q/k norm", without(qk_norm=keep_heads)),
    ("gemma3_linear", "scaling of full layers", dropped("rope_scaling")),
    ("phi3_window", "window", without(window=NONE)),
    ("phi3_long", "long factors", changed(original_max_position_embeddings=24)),
    ("phi4_mini", "partial rotation", lambda c: ({**c, "partial_rotary_factor": 1.0, "rope_scaling": None}, {})),
    ("phi4_mini", "attention factor", rope(attention_factor=1.0)),
    ("olmo2", "q/k norm per head", without(qk_norm=lambda self, p, q, k: tuple(
        forward.rms_norm(x, 1.0, self.eps) for x in (q, k)))),
    ("gpt2", "exact GELU instead of tanh", changed(activation_function="gelu")),
    ("stablelm", "partial rotation", changed(partial_rotary_factor=1.0)),
    ("stablelm_12b", "q/k norm", changed(qk_layernorm=False)),
    ("starcoder2_window", "window", without(window=NONE)),
    ("falcon", "tanh GELU instead of exact", changed(activation="gelu_new")),
    ("cohere", "pairs that rotate", without(rotate=staticmethod(forward.rotate_halves))),
    ("cohere_plus", "q/k norm", changed(use_qk_norm=False)),
    ("gpt_oss", "sinks", without(sinks=NONE)),
    ("gpt_oss", "windows", without(window=NONE)),
    ("gpt_oss_ramp", "yarn: ramp not rounded", rope(truncate=True)),
    ("gpt_oss", "clamp at 7", changed(swiglu_limit=1e9)),
    ("bitnet", "ternary weights", without(get=forward.Llama.get)),
    *((name, "biases", without(get=unbiased)) for name in ("llama_bias", "qwen2", "gpt2", "stablelm", "starcoder2", "falcon", "gpt_oss")),
    *((name, "epsilon", tiny_epsilon) for name in NAMES),
]


def main():
    for name, what, change in TRAITS:
        config = json.load(open(os.path.join(DATA, name + ".json")))
        golden = json.load(open(os.path.join(GOLDEN, name + ".json")))
        tensors = weights.build(*weights.read_manifest(os.path.join(DATA, name + ".tensors")))
        other, methods = change(config)
        base = forward.CLASSES[config["architectures"][0]]
        right = base(config, tensors).forward(golden["tokens"])
        wrong = type("Ablated", (base,), methods)(other, tensors).forward(golden["tokens"])
        moved = np.abs(wrong - right).max(axis=1) / golden["scale"]
        first = int(np.argmax(moved > 1e-4)) if (moved > 1e-4).any() else "-"
        print(f"{name:18} {what:32} {moved.max():.1e}  from position {first}")


if __name__ == "__main__":
    main()
