#!/usr/bin/env python3
"""Writes packed checkpoints in the layouts that quantizers publish, and what they decode to.

    packed.py       # tests/data/packed/NAME.{json,safetensors}, tests/golden/packed/NAME.f32

Each is a Qwen2 model of one layer whose seven projections are packed one way. Codes, scales and
zeros come from the hash of weights.py, in the natural order [out, in]; the decoded value is computed
from those, not from the packed bytes, so a reader is held to the layout and to the formula at once.
Sources of the layouts are named at each packer. NAME.f32 holds, little-endian float32, the decoded
weights of mlp.down_proj [64, 96], or [64, 128] (WIDE); of gpt_oss_mxfp4 the experts' gate, up and down [2, 64, 64].
"""

import json
import os
import struct

import numpy as np

from weights import MASK, fnv1a64, splitmix64, values

HERE = os.path.dirname(os.path.abspath(__file__))
DATA = os.path.join(HERE, "..", "data", "packed")
GOLDEN = os.path.join(HERE, "..", "golden", "packed")
HIDDEN, FF, HEADS, KV_HEADS, HEAD_DIM, VOCAB, GROUP = 64, 96, 2, 1, 32, 64, 32
LINEARS = {
    "self_attn.q_proj": (HEADS * HEAD_DIM, HIDDEN), "self_attn.k_proj": (KV_HEADS * HEAD_DIM, HIDDEN),
    "self_attn.v_proj": (KV_HEADS * HEAD_DIM, HIDDEN), "self_attn.o_proj": (HIDDEN, HEADS * HEAD_DIM),
    "mlp.gate_proj": (FF, HIDDEN), "mlp.up_proj": (FF, HIDDEN), "mlp.down_proj": (HIDDEN, FF),
}
CHECKED = "mlp.down_proj"


# --- numbers ----------------------------------------------------------------------------------------


def bits(name, shape, n):
    """n-bit codes [shape], uint8."""
    start = np.uint64((fnv1a64(name) + (1 << 32)) & MASK)
    with np.errstate(over="ignore"):
        h = splitmix64(start + np.arange(int(np.prod(shape)), dtype=np.uint64))
    return (h >> np.uint64(64 - n)).astype(np.uint8).reshape(shape)


def steps(name, shape):
    """Quantization steps 64/2^13 .. 127/2^13: 7 bits, exact in float16 and in bfloat16."""
    return ((64 + bits(name, shape, 6)) / np.float32(8192)).astype(np.float32)


def e4m3(code):
    """float8 e4m3fn: sign, 4 exponent bits (bias 7), 3 mantissa bits; 0x7F and 0xFF are NaN."""
    sign = np.where(code & 0x80, -1.0, 1.0)
    exponent, mantissa = (code >> 3 & 15).astype(np.int32), code & 7
    normal = (1 + mantissa / 8) * 2.0 ** (exponent - 7)
    return (sign * np.where(exponent, normal, mantissa / 8 * 2.0**-6)).astype(np.float32)


def not_nan(code):
    return np.where(code & 0x7F == 0x7F, code - 1, code).astype(np.uint8)


def bf16(x):
    return (x.astype("<f4").view("<u4") >> 16).astype("<u2")  # exact for what steps() gives


def words(codes, n):
    """Codes of n bits along the last axis -> int32 words, first code in the lowest bits; codes of 3
    bits run over word ends."""
    stream = (codes[..., None] >> np.arange(n, dtype=np.uint8) & 1).reshape(*codes.shape[:-1], -1)
    return np.packbits(stream, axis=-1, bitorder="little").view("<i4")


# --- layouts: name, [out, in] -> ({stored name: (dtype, array)}, decoded) ----------------------------


def gptq(n, symmetric, act_order=False, v2=False):
    """AutoGPTQ, nn_modules/qlinear/qlinear_cuda.py, pack(): codes packed along in; zeros along out, one less than
    they are (v2: as they are); w = s[g] (q - z)."""

    def pack(name, rows, cols):
        q = bits(name, (rows, cols), n)
        order = (np.arange(cols) * 5 + 3) % cols if act_order else np.arange(cols)
        group = (order // GROUP).astype(np.int32)  # [in]
        s = steps(name + ".s", (cols // GROUP, rows))
        z = np.full(s.shape, 1 << (n - 1), np.uint8)
        if not symmetric:
            z = np.maximum(bits(name + ".z", s.shape, n), 1)
        stored = {
            ".qweight": ("I32", np.ascontiguousarray(words(q, n).T)),
            ".qzeros": ("I32", words(z - (0 if v2 else 1), n)),
            ".scales": ("F16", s.astype("<f2")),
            ".g_idx": ("I32", group),
        }
        w = s.T[:, group] * (q.astype(np.float32) - z.T[:, group].astype(np.float32))
        return stored, w

    config = {"bits": n, "group_size": GROUP, "desc_act": act_order, "sym": symmetric, "lm_head": False,
              "damp_percent": 0.01, "true_sequential": True, "static_groups": False,
              "quant_method": "gptq", "checkpoint_format": "gptq_v2" if v2 else "gptq"}
    return pack, config


def awq(gemv=False):
    """AutoAWQ, awq/modules/linear/gemm.py and gemv.py, from_linear(). gemm: nibble k of a word is column
    0 2 4 6 1 3 5 7 of its eight, words along out. gemv: words along in, zeros and scales [out,
    groups] padded (calculate_zeros_width). w = s (q - z)."""

    def pack(name, rows, cols):
        q, groups = bits(name, (rows, cols), 4), cols // GROUP
        s, z = steps(name + ".s", (rows, groups)), bits(name + ".z", (rows, groups), 4)
        each = np.arange(cols) // GROUP
        w = s[:, each] * (q.astype(np.float32) - z[:, each].astype(np.float32))
        if gemv:
            width = 4 * -(-(-(-groups // 8)) // 4)  # words of 8 zeros, a multiple of 4 at group 32
            wide = lambda x: np.pad(x, ((0, 0), (0, width * 8 - groups)))
            return {".qweight": ("I32", words(q, 4)), ".qzeros": ("I32", words(wide(z), 4)),
                    ".scales": ("F16", wide(s).astype("<f2"))}, w
        mix = lambda x: x.T.reshape(x.shape[1], rows // 8, 8)[..., [0, 2, 4, 6, 1, 3, 5, 7]].reshape(x.shape[1], rows)
        return {".qweight": ("I32", words(mix(q), 4)), ".qzeros": ("I32", words(mix(z), 4)),
                ".scales": ("F16", s.T.astype("<f2"))}, w

    return pack, {"bits": 4, "group_size": GROUP, "zero_point": True, "version": "gemv" if gemv else "gemm",
                  "quant_method": "awq", "modules_to_not_convert": None}


def plain(name, rows, cols):
    """A linear that was left as it was."""
    w = values(name, 1, 0, -2, (rows, cols))
    return {".weight": ("F16", w.astype("<f2"))}, w


def marlin(names, group, config):
    """AutoAWQ, awq/modules/linear/marlin.py, and AutoGPTQ, qlinear_marlin.py: 4 bit, zeros 8. A word belongs
    to a tensor core's thread t (of 32) and a tile of 16 x 16 (of 4 side by side along out): outputs
    t // 4 and 8 more, inputs 2 (t % 4) + 0, 1, 8, 9; first the even of these eight codes, then the
    odd ones. Scales: 64 outputs as 8 x 8 turned, or, one for all inputs, 32 as pairs."""

    def pack(name, rows, cols):
        if rows % 64:
            return plain(name, rows, cols)
        q, size = bits(name, (rows, cols), 4), group if group > 0 else cols
        s = steps(name + ".s", (rows, cols // size))
        stored = np.zeros((cols // 16, rows * 2), np.uint32)
        for t in range(32):
            eight = [(t // 4 + 8 * half, 2 * (t % 4) + k) for half in (0, 1) for k in (0, 1, 8, 9)]
            for place, (n, k) in enumerate(eight[0::2] + eight[1::2]):
                for tile in range(4):
                    codes = q[16 * tile + n :: 64, k::16].T.astype(np.uint32)  # [in / 16, out / 64]
                    stored[:, 4 * t + tile :: 128] |= codes << np.uint32(4 * place)
        if group > 0:
            scales = s.T.reshape(-1, rows // 64, 8, 8).transpose(0, 1, 3, 2).reshape(-1, rows)
        else:
            scales = s.T.reshape(1, rows // 32, 4, 4, 2).transpose(0, 1, 3, 2, 4).reshape(1, rows)
        w = s[:, np.arange(cols) // size] * (q.astype(np.float32) - 8)
        return {names[0]: ("I32", stored.view("<i4")), names[1]: ("F16", np.ascontiguousarray(scales).astype("<f2"))}, w

    return pack, config


def gemv_fast():
    """AutoAWQ, awq/modules/linear/gemv_fast.py, pack_intweight: of 32 inputs number 8 a + 2 b + c at 8 b + 4 c
    + a; four outputs' 64 inputs one after another, four codes to a word. Scales and -scale zero in
    float16, [groups padded to 8, out]; w = scale q + that."""

    def pack(name, rows, cols):
        if cols % 64:
            return plain(name, rows, cols)
        q, groups = bits(name, (rows, cols), 4), cols // 64
        s, z = steps(name + ".s", (rows, groups)), bits(name + ".z", (rows, groups), 4).astype(np.float32)
        mixed = q.reshape(rows, cols // 32, 4, 4, 2).transpose(0, 1, 3, 4, 2).reshape(rows, cols)
        mixed = mixed.reshape(rows // 4, 4, cols // 64, 64).transpose(0, 2, 1, 3).reshape(rows // 4, cols, 4)
        codes = (mixed.astype(np.uint16) << np.array([0, 4, 8, 12], dtype=np.uint16)).sum(axis=-1).astype("<u2")
        wide = lambda x: np.pad(x, ((0, 0), (0, 16 - groups))).T.astype("<f2")
        offset = (-s * z).astype("<f2").astype(np.float32)
        each = np.arange(cols) // 64
        stored = {".qweight": ("I16", codes.view("<i2")), ".scales": ("F16", wide(s)), ".qzeros": ("F16", wide(offset))}
        return stored, s[:, each] * q.astype(np.float32) + offset[:, each]

    return pack, {"bits": 4, "group_size": 64, "zero_point": True, "version": "gemv_fast", "quant_method": "awq"}


NF4 = [-1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635,
       -0.18477343022823334, -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725,
       0.24611230194568634, 0.33791524171829224, 0.44070982933044434, 0.5626170039176941,
       0.7229568362236023, 1.0]
FP4 = [0, 0.0625, 8, 12, 4, 6, 2, 3]
FP4 = [x / 12 for x in FP4] + [-x / 12 for x in FP4]


def bnb4(kind, nested=False):
    """bitsandbytes, functional.py (quantize_4bit, QuantState.as_dict): row-major, first of two in the
    high nibble, blocks of 64; nested: absmax itself in 8 bits, blocks of 256, less its mean."""
    table = np.array(NF4 if kind == "nf4" else FP4, dtype=np.float32)

    def pack(name, rows, cols):
        q = bits(name, (rows, cols), 4)
        flat, blocks = q.reshape(-1), rows * cols // 64
        state = {"quant_type": kind, "blocksize": 64, "dtype": "float16", "shape": [rows, cols]}
        stored = {".weight": ("U8", (flat[0::2] << 4 | flat[1::2]).reshape(-1, 1)),
                  ".weight.quant_map": ("F32", table)}
        if nested:
            offset = np.float32(0.0625)
            codes = bits(name + ".s", (blocks,), 8)
            curve = ((np.arange(256, dtype=np.float32) - 127) / 128).astype(np.float32)
            outer = steps(name + ".n", (-(-blocks // 256),))
            absmax = (curve[codes] * outer[np.arange(blocks) // 256]).astype(np.float32) + offset
            state |= {"nested_blocksize": 256, "nested_dtype": "float32", "nested_offset": float(offset)}
            stored |= {".weight.absmax": ("U8", codes), ".weight.nested_absmax": ("F32", outer),
                       ".weight.nested_quant_map": ("F32", curve)}
        else:
            absmax = steps(name + ".s", (blocks,)) * 16
            stored[".weight.absmax"] = ("F32", absmax)
        text = np.frombuffer(json.dumps(state).encode(), dtype=np.uint8)
        stored[f".weight.quant_state.bitsandbytes__{kind}"] = ("U8", text)
        w = table[flat] * np.repeat(absmax, 64)
        return stored, w.astype(np.float32).reshape(rows, cols)

    return pack, {"quant_method": "bitsandbytes", "load_in_4bit": True, "load_in_8bit": False,
                  "bnb_4bit_quant_type": kind, "bnb_4bit_use_double_quant": nested,
                  "bnb_4bit_compute_dtype": "float16", "bnb_4bit_quant_storage": "uint8",
                  "llm_int8_skip_modules": None, "llm_int8_threshold": 6.0}


def bnb8():
    """bitsandbytes, nn/modules.py, Linear8bitLt: int8 rows, w = q SCB / 127."""

    def pack(name, rows, cols):
        q = np.maximum(bits(name, (rows, cols), 8).view(np.int8), -127)
        scb = steps(name + ".s", (rows,)) * 16
        stored = {".weight": ("I8", q), ".SCB": ("F32", scb), ".weight_format": ("U8", np.zeros((), np.uint8))}
        return stored, (q.astype(np.float64) * scb[:, None] / 127).astype(np.float32)

    return pack, {"quant_method": "bitsandbytes", "load_in_4bit": False, "load_in_8bit": True,
                  "llm_int8_skip_modules": None, "llm_int8_threshold": 6.0, "llm_int8_has_fp16_weight": False}


def compressed(kind, symmetric=True):
    """vllm-project/compressed-tensors, compressors/pack_quantized and its neighbours. pack-quantized:
    q + 8 packed along in, zeros along out; w = s (q - z). int: int8 per row. float: e4m3 per row."""

    def pack(name, rows, cols):
        if kind == "float-quantized":
            q, s = not_nan(bits(name, (rows, cols), 8)), steps(name + ".s", (rows, 1))
            return {".weight": ("F8_E4M3", q), ".weight_scale": ("BF16", bf16(s))}, e4m3(q) * s
        if kind == "int-quantized":
            q, s = bits(name, (rows, cols), 8).view(np.int8), steps(name + ".s", (rows, 1))
            return {".weight": ("I8", q), ".weight_scale": ("BF16", bf16(s))}, q.astype(np.float32) * s
        q, groups = bits(name, (rows, cols), 4), cols // GROUP
        s, each = steps(name + ".s", (rows, groups)), np.arange(cols) // GROUP
        z = np.full(s.shape, 8, np.uint8) if symmetric else bits(name + ".z", s.shape, 4)
        stored = {".weight_packed": ("I32", words(q, 4)), ".weight_scale": ("BF16", bf16(s)),
                  ".weight_shape": ("I64", np.array([rows, cols], dtype="<i8"))}
        if not symmetric:
            stored[".weight_zero_point"] = ("I32", np.ascontiguousarray(words(np.ascontiguousarray(z.T), 4).T))
        return stored, s[:, each] * (q.astype(np.float32) - z[:, each].astype(np.float32))

    floats, whole = kind == "float-quantized", kind != "pack-quantized"
    arguments = {"num_bits": 8 if whole else 4, "type": "float" if floats else "int", "symmetric": symmetric,
                 "strategy": "channel" if whole else "group", "group_size": None if whole else GROUP,
                 "dynamic": False, "actorder": None, "block_structure": None, "observer": "minmax"}
    group = {"targets": ["Linear"], "weights": arguments, "input_activations": None, "output_activations": None}
    return pack, {"quant_method": "compressed-tensors", "format": kind, "config_groups": {"group_0": group},
                  "ignore": ["lm_head"], "kv_cache_scheme": None, "quantization_status": "compressed"}


def mixed():
    """Several config_groups: 4 bit in groups of 32 for attention, 8 bit packed for down_proj, int8 for the
    rest; what a linear is stored as tells which."""
    four, four_config = compressed("pack-quantized")
    eight, _ = compressed("int-quantized")

    def packed8(name, rows, cols):
        q, s = bits(name, (rows, cols), 8), steps(name + ".s", (rows, 1))
        stored = {".weight_packed": ("I32", words(q, 8)), ".weight_scale": ("BF16", bf16(s)),
                  ".weight_shape": ("I64", np.array([rows, cols], dtype="<i8"))}
        return stored, s * (q.astype(np.float32) - 128)

    def pack(name, rows, cols):
        return (four if "attn" in name else packed8 if "down" in name else eight)(name, rows, cols)

    groups = {"group_0": four_config["config_groups"]["group_0"] | {"targets": ["re:.*self_attn.*"], "format": "pack-quantized"}}
    for i, (target, kind) in enumerate((("re:.*down_proj", "pack-quantized"), ("Linear", "int-quantized"))):
        weights = {"num_bits": 8, "type": "int", "symmetric": True, "strategy": "channel", "group_size": None}
        groups[f"group_{i + 1}"] = {"targets": [target], "weights": weights, "format": kind}
    return pack, four_config | {"format": "mixed-precision", "config_groups": groups}


def fp8(scale_bits, size=64):
    """transformers, integrations/finegrained_fp8.py: e4m3 times weight_scale_inv of its block of
    size x size, blocks at the ends cut. scale_bits 0: powers of two."""

    def pack(name, rows, cols):
        q = not_nan(bits(name, (rows, cols), 8))
        shape = (-(-rows // size), -(-cols // size))
        s = steps(name + ".s", shape) / 16 if scale_bits else np.float32(2) ** -(bits(name + ".s", shape, 2) + np.float32(6))
        w = e4m3(q) * np.repeat(np.repeat(s, size, axis=0)[:rows], size, axis=1)[:, :cols]
        return {".weight": ("F8_E4M3", q), ".weight_scale_inv": ("F32", s)}, w

    return pack, {"quant_method": "fp8", "fmt": "e4m3", "activation_scheme": "dynamic", "weight_block_size": [size, size]}


E2M1 = np.array([0, 0.5, 1, 1.5, 2, 3, 4, 6, -0.0, -0.5, -1, -1.5, -2, -3, -4, -6], dtype=np.float32)


def nvfp4():
    """NVIDIA ModelOpt: e2m1 pairs, first in the low nibble; e4m3 scale per 16, one float32 factor."""

    def pack(name, rows, cols):
        q = bits(name, (rows, cols), 4)
        s = bits(name + ".s", (rows, cols // 16), 5) + np.uint8(0x38)  # 1 .. 15
        factor = steps(name + ".f", (1,))[0]
        stored = {".weight": ("U8", q[:, 0::2] | q[:, 1::2] << 4), ".weight_scale": ("F8_E4M3", s),
                  ".weight_scale_2": ("F32", np.array(factor)), ".input_scale": ("F32", np.array(np.float32(0.01)))}
        return stored, E2M1[q] * (np.repeat(e4m3(s), 16, axis=1) * factor)

    return pack, {"quant_method": "modelopt", "quant_algo": "NVFP4", "ignore": ["lm_head"],
                  "config_groups": {"group_0": {"weights": {"num_bits": 4, "type": "float", "group_size": 16}, "targets": ["Linear"]}}}


def bitnet(offline):
    """transformers, integrations/bitnet.py, pack_weights(): row k * out/4 + r in bits 2k of row r, code
    minus 1. BitLinear divides by weight_scale, AutoBitLinear (offline) multiplies."""

    def pack(name, rows, cols):
        q = bits(name, (rows, cols), 8) % np.uint8(3)
        quarter = q.reshape(4, rows // 4, cols)
        packed = quarter[0] | quarter[1] << 2 | quarter[2] << 4 | quarter[3] << 6
        s = steps(name + ".s", (1,))
        s = s if offline else np.float32(2) ** np.float32(5) * np.ones(1, np.float32)
        ternary = q.astype(np.float32) - 1
        return {".weight": ("U8", packed), ".weight_scale": ("BF16", bf16(s))}, ternary * s if offline else ternary / s

    config = {"quant_method": "bitnet", "modules_to_not_convert": None}
    return pack, config | ({"linear_class": "autobitlinear", "quantization_mode": "offline"} if offline else {})


def hqq(axis=1, n=4):
    """mobiusml/hqq, core/quantize.py and bitpack.py (pack_4bit_u8): the matrix as rows of one group, the
    first half of them in the high nibbles; w = (q - zero) scale, zero a float. Settings are
    tensors too, text as bytes. axis 0: the matrix as [group, n / group], groups downwards."""
    group = 32

    def pack(name, rows, cols):
        groups = rows * cols // group
        q = bits(name, (groups, group) if axis else (group, groups), n)
        half = len(q) // 2
        s = steps(name + ".s", (groups, 1) if axis else (1, groups))
        z = bits(name + ".z", s.shape, n).astype(np.float32) + np.float32(0.5)
        number = lambda x: ("I32", np.array([x], dtype="<i4"))
        flag = lambda x: ("U8", np.array([x], dtype=np.uint8))
        stored = {".W_q": ("U8", q if n == 8 else q[:half] << 4 | q[half:]), ".scale": ("F16", s.astype("<f2")),
                  ".zero": ("F16", z.astype("<f2")), ".shape": ("I64", np.array([rows, cols], dtype="<i8")),
                  ".nbits": number(n), ".group_size": number(group), ".axis": number(axis),
                  ".channel_wise": flag(1), ".optimize": flag(1), ".round_zero": flag(0), ".view_as_float": flag(0),
                  ".packing": ("U8", np.frombuffer(b"%dbit_u8" % n, dtype=np.uint8)),
                  ".unpack_view_dtype": ("U8", np.frombuffer(b"uint8", dtype=np.uint8))}
        return stored, ((q.astype(np.float32) - z) * s).reshape(rows, cols)

    parameters = {"nbits": n, "group_size": group, "axis": axis, "channel_wise": True, "optimize": True,
                  "round_zero": False, "view_as_float": False}
    return pack, {"quant_method": "hqq", "skip_modules": ["lm_head"], "quant_config": {
        "weight_quant_params": parameters, "scale_quant_params": None, "zero_quant_params": None, "offload_meta": False}}


def quanto(n):
    """huggingface/optimum-quanto, tensor/weights/qbytes.py, qbits.py, tensor/packed.py. qint8: a scale per row.
    qint4: rows of one group, the later half in the high nibbles; w = scale q - shift. Which layers:
    quanto_qmap.json; config.json says nothing."""

    def pack(name, rows, cols):
        ones = {f".{x}_scale": ("F32", np.array(np.float32(1))) for x in ("input", "output")}
        if n == 8:
            q, s = bits(name, (rows, cols), 8).view(np.int8), steps(name + ".s", (rows, 1))
            return {".weight._data": ("I8", q), ".weight._scale": ("F16", s.astype("<f2"))} | ones, q.astype(np.float32) * s
        group = 128  # nn/qmodule.py: less by 32 until it divides the columns
        while cols % group and group > 32:
            group -= 32
        q = bits(name, (rows * cols // group, group), 4)
        half = len(q) // 2
        s, shift = steps(name + ".s", (len(q), 1)), steps(name + ".z", (len(q), 1)) * 8
        stored = {".weight._data._data": ("U8", q[:half] | q[half:] << 4), ".weight._scale": ("F16", s.astype("<f2")),
                  ".weight._shift": ("F16", shift.astype("<f2"))}
        return stored | ones, (s * q.astype(np.float32) - shift).reshape(rows, cols)

    return pack, None


def mxfp4(name, experts, rows, cols):
    """openai/gpt-oss, torch/weights.py (_get_mxfp4_tensor): e2m1 pairs, first in the low nibble, 16 bytes
    to a block of 32 along in; one exponent byte, less 127, per block. -> stored, [experts, rows, cols]"""
    q = bits(name, (experts, rows, cols // 32, 32), 4)
    e = bits(name + ".s", (experts, rows, cols // 32), 3) + np.uint8(118)
    stored = {name + "_blocks": ("U8", q[..., 0::2] | q[..., 1::2] << 4), name + "_scales": ("U8", e)}
    return stored, (E2M1[q] * np.float32(2) ** (e.astype(np.float32) - 127)[..., None]).reshape(experts, rows, cols)


PACKINGS = {
    "gptq4": gptq(4, True), "gptq4_asym": gptq(4, False), "gptq4_order": gptq(4, True, act_order=True),
    "gptq4_v2": gptq(4, False, v2=True), "gptq2": gptq(2, True), "gptq3": gptq(3, False), "gptq8": gptq(8, True),
    "awq_gemm": awq(), "awq_gemv": awq(gemv=True),
    "bnb_nf4": bnb4("nf4"), "bnb_nf4_nested": bnb4("nf4", nested=True), "bnb_fp4": bnb4("fp4"), "bnb_int8": bnb8(),
    "ct_pack": compressed("pack-quantized"), "ct_pack_asym": compressed("pack-quantized", symmetric=False),
    "ct_mixed": mixed(), "ct_int8": compressed("int-quantized"), "ct_fp8": compressed("float-quantized"),
    "fp8_block": fp8(6), "fp8_block_pow2": fp8(0), "nvfp4": nvfp4(),
    "bitnet_packed": bitnet(False), "bitnet_offline": bitnet(True),
    "gptq_marlin": marlin((".B", ".s"), -1, {"bits": 4, "group_size": -1, "desc_act": False, "sym": True,
                                             "is_marlin_format": True, "quant_method": "gptq"}),
    "awq_marlin": marlin((".qweight", ".scales"), 32, {"bits": 4, "group_size": 32, "zero_point": False,
                                                      "version": "marlin", "quant_method": "awq"}),
    "awq_gemv_fast": gemv_fast(), "hqq4_axis0": hqq(axis=0), "hqq8_axis0": hqq(axis=0, n=8),
    "hqq4": hqq(), "quanto_int8": quanto(8), "quanto_int4": quanto(4),
}


WIDE = {"gptq_marlin": 128, "awq_marlin": 128, "awq_gemv_fast": 128}  # instead of FF, for whole tiles


# --- files ------------------------------------------------------------------------------------------


def plain_tensors():
    """What stays as it was, in float16."""
    norms = [f"model.layers.0.{n}" for n in ("input_layernorm", "post_attention_layernorm")] + ["model.norm"]
    yield "model.embed_tokens.weight", values("model.embed_tokens.weight", 1, 0, 0, (VOCAB, HIDDEN))
    for name in norms:
        yield name + ".weight", values(name, 1, 1, -3, (HIDDEN,))
    for n, heads in (("q", HEADS), ("k", KV_HEADS), ("v", KV_HEADS)):
        name = f"model.layers.0.self_attn.{n}_proj.bias"
        yield name, values(name, 1, 0, -3, (heads * HEAD_DIM,))


def write_safetensors(path, tensors):
    header, data = {"__metadata__": {"format": "pt"}}, b""
    for name, (dtype, array) in tensors.items():
        raw = np.ascontiguousarray(array).tobytes()
        header[name] = {"dtype": dtype, "shape": list(array.shape), "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as out:
        out.write(struct.pack("<Q", len(text)) + text + data)


def write_model(name, config, tensors, decoded):
    config |= {"num_hidden_layers": 1, "num_attention_heads": HEADS, "num_key_value_heads": KV_HEADS,
               "hidden_size": HIDDEN, "vocab_size": VOCAB, "max_position_embeddings": 64, "hidden_act": "silu",
               "rms_norm_eps": 1e-6, "rope_theta": 10000.0, "bos_token_id": 0, "eos_token_id": 1, "torch_dtype": "float16"}
    with open(os.path.join(DATA, name + ".json"), "w") as out:
        out.write(json.dumps(config, indent=1) + "\n")
    write_safetensors(os.path.join(DATA, name + ".safetensors"), tensors)
    if not decoded:
        return
    with open(os.path.join(GOLDEN, name + ".f32"), "wb") as out:
        for w in decoded:
            out.write(np.ascontiguousarray(w).astype("<f4").tobytes())
    print(f"{name:16} {sum(t[1].nbytes for t in tensors.values()):6} bytes, largest {max(np.abs(w).max() for w in decoded):.3f}")


def write(name):
    pack, quantization = PACKINGS[name]
    tensors = {n: ("F16", x.astype("<f2")) for n, x in plain_tensors()}
    decoded = {}
    ff = WIDE.get(name, FF)
    for linear, shape in LINEARS.items():
        shape = tuple(ff if n == FF else n for n in shape)
        stored, decoded[linear] = pack(linear, *shape)
        tensors |= {f"model.layers.0.{linear}{suffix}": t for suffix, t in stored.items()}
    config = {"architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2", "intermediate_size": ff, "tie_word_embeddings": True}
    if quantization:
        config["quantization_config"] = quantization
    else:
        with open(os.path.join(DATA, name + ".qmap.json"), "w") as out:
            kind = {"weights": "qint8" if name.endswith("8") else "qint4", "activations": "none"}
            json.dump({f"model.layers.0.{linear}": kind for linear in LINEARS}, out, indent=1)
    write_model(name, config, tensors, [decoded[CHECKED]])


def write_unpacked(name):
    """The same model with its linears spelled out, NAME_plain: what a reader of NAME must compute."""
    pack, _ = PACKINGS[name]
    tensors = {n: ("F16", x.astype("<f2")) for n, x in plain_tensors()}
    tensors |= {f"model.layers.0.{n}.weight": ("F32", pack(n, *shape)[1]) for n, shape in LINEARS.items()}
    config = {"architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2", "intermediate_size": FF, "tie_word_embeddings": True}
    write_model(name + "_plain", config, tensors, [])


def write_gpt_oss():
    """One layer, two experts of 64: gate and up rows interleaved in gate_up_proj."""
    experts, ff, p = 2, 64, "model.layers.0."
    linear = lambda name, rows, cols: ("BF16", bf16(values(name, 1, 0, -2, (rows, cols))))
    vector = lambda name, *shape: ("BF16", bf16(values(name, 1, 0, -3, shape)))
    tensors = {n: ("F16", x.astype("<f2")) for n, x in plain_tensors()}
    tensors["lm_head.weight"] = linear("lm_head", VOCAB, HIDDEN)
    for n, rows, cols in (("q", HIDDEN, HIDDEN), ("k", HEAD_DIM, HIDDEN), ("v", HEAD_DIM, HIDDEN), ("o", HIDDEN, HIDDEN)):
        tensors[f"{p}self_attn.{n}_proj.weight"] = linear(n, rows, cols)
        tensors[f"{p}self_attn.{n}_proj.bias"] = vector(n + ".bias", rows)
    tensors[p + "self_attn.sinks"] = vector("sinks", HEADS)
    tensors[p + "mlp.router.weight"] = linear("router", experts, HIDDEN)
    tensors[p + "mlp.router.bias"] = vector("router.bias", experts)
    gate_up, w = mxfp4(p + "mlp.experts.gate_up_proj", experts, 2 * ff, HIDDEN)
    down, w_down = mxfp4(p + "mlp.experts.down_proj", experts, HIDDEN, ff)
    tensors |= gate_up | down
    tensors[p + "mlp.experts.gate_up_proj_bias"] = vector("gu.bias", experts, 2 * ff)
    tensors[p + "mlp.experts.down_proj_bias"] = vector("d.bias", experts, HIDDEN)
    config = {"architectures": ["GptOssForCausalLM"], "model_type": "gpt_oss", "intermediate_size": ff, "head_dim": HEAD_DIM,
              "num_local_experts": experts, "num_experts_per_tok": 1, "experts_per_token": 1, "attention_bias": True,
              "sliding_window": 8, "layer_types": ["sliding_attention"], "swiglu_limit": 7.0, "tie_word_embeddings": False,
              "rope_scaling": {"beta_fast": 32.0, "beta_slow": 1.0, "factor": 2.0, "original_max_position_embeddings": 32,
                               "rope_type": "yarn", "truncate": False},
              "quantization_config": {"quant_method": "mxfp4", "modules_to_not_convert": [
                  "model.layers.*.self_attn", "model.layers.*.mlp.router", "model.embed_tokens", "lm_head"]}}
    write_model("gpt_oss_mxfp4", config, tensors, [w[:, 0::2], w[:, 1::2], w_down])


if __name__ == "__main__":
    os.makedirs(DATA, exist_ok=True)
    os.makedirs(GOLDEN, exist_ok=True)
    for each in PACKINGS:
        write(each)
    write_unpacked("gptq4_order")
    write_gpt_oss()
