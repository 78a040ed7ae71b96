#!/usr/bin/env python3
"""Writes tiny NVFP4 checkpoints as NVIDIA ModelOpt and compressed-tensors store them, and the logits
they give.

    nvfp4.py        # tests/data/packed/NAME.{json,safetensors}, tests/golden/arch/NAME.{json,logits}

Projections are NVFP4, all else is plain. The goldens are as make.py's: first the logits of the
decoded weights, then, for the first and last tokens, those of a program that multiplies NVFP4 with
activations rounded to Q8_0, as ggml does.
"""

import json
import os

import numpy as np

import families
import forward
import make
import packed
import weights

COMMON = {
    "hidden_size": 64, "num_attention_heads": 4, "num_key_value_heads": 2, "num_hidden_layers": 2, "vocab_size": 288,
    "max_position_embeddings": 256, "bos_token_id": 1, "eos_token_id": 2, "hidden_act": "silu", "rms_norm_eps": 0.01,
    "rope_theta": 10000.0, "attention_bias": False, "torch_dtype": "float32",
}
MODELS = {
    # ModelOpt; a factor per projection; q and k rows are permuted by the converter
    "nvfp4_llama": ({"architectures": ["LlamaForCausalLM"], "model_type": "llama", "intermediate_size": 128,
                     "head_dim": 16, "mlp_bias": False, "tie_word_embeddings": True}, "modelopt"),
    # compressed-tensors; a factor per expert
    "nvfp4_moe": ({"architectures": ["Qwen3MoeForCausalLM"], "model_type": "qwen3_moe", "intermediate_size": 96,
                   "head_dim": 32, "num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 64,
                   "norm_topk_prob": True, "decoder_sparse_step": 1, "mlp_only_layers": [], "use_sliding_window": False,
                   "sliding_window": None, "tie_word_embeddings": False}, "compressed-tensors"),
}


def pack(name, shape, seed):
    """-> codes, scales, factor, decoded. Scales 2^-3 .. 15/8 in e4m3, factors a few hundredths."""
    q = packed.bits(f"{seed}.{name}", shape, 4)
    s = packed.bits(f"{seed}.{name}.s", (shape[0], shape[1] // 16), 5) + np.uint8(0x20)
    factor = np.float32(3) * packed.steps(f"{seed}.{name}.f", (1,))[0]
    return q, s, factor, packed.E2M1[q] * (np.repeat(packed.e4m3(s), 16, axis=1) * factor)


def stored(stem, q, s, factor, style):
    codes, one = q[:, 0::2] | q[:, 1::2] << 4, np.float32(0.0123)
    if style == "modelopt":
        return {stem + ".weight": ("U8", codes), stem + ".weight_scale": ("F8_E4M3", s),
                stem + ".weight_scale_2": ("F32", np.array(factor)), stem + ".input_scale": ("F32", np.array(one))}
    return {stem + ".weight_packed": ("U8", codes), stem + ".weight_scale": ("F8_E4M3", s),
            stem + ".weight_global_scale": ("F32", np.array([np.float32(1) / factor])),
            stem + ".input_global_scale": ("F32", np.array([np.float32(1) / one]))}


def quantization(style):
    group = {"weights": {"num_bits": 4, "type": "float", "group_size": 16, "strategy": "tensor_group", "symmetric": True},
             "input_activations": {"num_bits": 4, "type": "float", "group_size": 16, "dynamic": "local"},
             "targets": ["Linear"]}
    if style == "modelopt":
        return {"quant_method": "modelopt", "quant_algo": "NVFP4", "ignore": ["lm_head"], "config_groups": {"group_0": group}}
    return {"quant_method": "compressed-tensors", "format": "nvfp4-pack-quantized", "ignore": ["lm_head", "re:.*mlp.gate$"],
            "config_groups": {"group_0": group}, "quantization_status": "compressed"}


def is_packed(name):
    return name.endswith("_proj.weight")


def build(config, style, seed):
    tensors, files = {}, {}
    for name, offset, shift, shape in families.tensors(config):
        if name.endswith("inv_freq"):
            continue
        if not is_packed(name):
            tensors[name] = weights.values(name, seed, offset, shift, shape)
            files[name] = ("F32", tensors[name])
            continue
        stem = name[: -len(".weight")]
        q, s, factor, w = pack(stem, shape, seed)
        if style != "modelopt":  # the reciprocal of what is stored is what counts
            factor = np.float32(1) / (np.float32(1) / factor)
            w = packed.E2M1[q] * (np.repeat(packed.e4m3(s), 16, axis=1) * factor)
        tensors[name] = w.astype(np.float32)
        files |= stored(stem, q, s, factor, style)
    return tensors, files


def rounded(config, tensors):
    """make.q8_0_model, but only what NVFP4 is multiplied with is rounded; weights stay."""

    class Rounded(forward.CLASSES[config["architectures"][0]]):
        rounding_gap = scale_gap = 0.5

        def activation(self, x, name):
            if not is_packed(name):
                return x
            strict = x[: make.Q8_FIRST] if len(x) > 1 else x[: self.position < make.Q8_FIRST]
            if strict.size:
                blocks = np.abs(strict).reshape(-1, 32)
                largest = blocks.max(axis=1, keepdims=True)
                self.rounding_gap = min(self.rounding_gap, make.tie_distance(blocks / largest * 127))
                self.scale_gap = min(self.scale_gap, make.tie_distance(np.frexp(largest / 127)[0] * 2048))
            return make.q8_0_along(x, -1)

    return Rounded(config, tensors)


class Run:
    def __init__(self, config, tensors, tokens):
        self.f32, self.q8 = forward.model(config, tensors), rounded(config, tensors)
        self.logits, self.q8_logits = self.f32.forward(tokens), self.q8.forward(tokens)
        self.gaps = {"rounding_gap": (self.q8.rounding_gap, 5e-5), "scale_gap": (self.q8.scale_gap, 1e-3)}
        if self.f32.choices:
            same = all((np.sort(a) == np.sort(b)).all() for a, b in zip(self.f32.choices, self.q8.choices))
            self.gaps["router_gap"] = (min(self.f32.router_gap, self.q8.router_gap) if same else -1.0, 0.03)

    def margin(self):
        return min(found / wanted for found, wanted in self.gaps.values())


def write(name):
    config, style = MODELS[name]
    config = COMMON | config
    tokens = make.tokens_for(config["vocab_size"])
    best = (-1.0, 0)
    for seed in range(1, 257):
        best = max(best, (Run(config, build(config, style, seed)[0], tokens).margin(), -seed))
        if best[0] >= make.ENOUGH:
            break
    tensors, files = build(config, style, -best[1])
    run = Run(config, tensors, tokens)
    assert run.margin() >= 1, run.gaps
    with open(os.path.join(packed.DATA, name + ".json"), "w") as out:
        out.write(json.dumps(config | {"quantization_config": quantization(style)}, indent=1) + "\n")
    packed.write_safetensors(os.path.join(packed.DATA, name + ".safetensors"), files)
    scale = float(np.abs(run.logits).max())
    golden = {"tokens": tokens, "vocab": config["vocab_size"], "q8_first": make.Q8_FIRST, "q8_last": make.Q8_LAST,
              "sha256": "0" * 64, "scale": scale, "q8_shift": float(np.abs(run.q8_logits - run.logits).max() / scale),
              "trace": [round(t, 6) for t in run.f32.trace], "q8_trace": [round(t, 6) for t in run.q8.trace],
              **{n: found for n, (found, _) in run.gaps.items()}}
    with open(os.path.join(make.GOLDEN, name + ".json"), "w") as out:
        out.write("{\n" + ",\n".join(f"  {json.dumps(k)}: {json.dumps(v)}" for k, v in golden.items()) + "\n}\n")
    with open(os.path.join(make.GOLDEN, name + ".logits"), "wb") as out:
        for part in (run.logits, run.q8_logits[: make.Q8_FIRST], run.q8_logits[-make.Q8_LAST :]):
            out.write(part.astype("<f4").tobytes())
    print(f"{name:18} seed {-best[1]:3} scale {scale:7.3f} q8 {golden['q8_shift']:.4f} margin {run.margin():.1f}")


if __name__ == "__main__":
    for each in MODELS:
        write(each)
