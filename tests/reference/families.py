"""Which tensors a Hugging Face checkpoint of each family stores: names and shapes as its modeling
file declares them (huggingface/transformers, src/transformers/models/*/modeling_*.py)."""

import math


def matrix(name, out, inp, gain=0):
    """A linear layer [out, in]: uniform values of about unit gain; gain adds powers of two."""
    return (name, 0, round(math.log2(math.sqrt(3 / inp))) + gain, (out, inp))


def embedding(name, rows, cols, gain=0):
    return (name, 0, gain, (rows, cols))


def norm(name, *shape, one=1):
    return (name, one, -3, shape)


def bias(name, *shape):
    return (name, 0, -3, shape)


def head_dim(c):
    return c.get("head_dim") or c["hidden_size"] // c["num_attention_heads"]


def tied(c):
    """tie_word_embeddings, with the default of the family's configuration class."""
    default = c["model_type"] in ("gemma", "gemma2", "gemma3_text", "cohere", "falcon", "gpt2")
    return c.get("tie_word_embeddings", default)


def attention(c, p, biased, out_biased=False):
    h, hd = c["hidden_size"], head_dim(c)
    nq, nkv = c["num_attention_heads"] * hd, c.get("num_key_value_heads", c["num_attention_heads"]) * hd
    for name, rows in (("q", nq), ("k", nkv), ("v", nkv)):
        yield matrix(f"{p}{name}_proj.weight", rows, h)
        if biased:
            yield bias(f"{p}{name}_proj.bias", rows)
    yield matrix(f"{p}o_proj.weight", h, nq)
    if out_biased:
        yield bias(f"{p}o_proj.bias", h)


def gated(p, h, ff, biased=False, names=("gate_proj", "up_proj", "down_proj")):
    for name, out, inp in ((names[0], ff, h), (names[1], ff, h), (names[2], h, ff)):
        yield matrix(f"{p}{name}.weight", out, inp)
        if biased:
            yield bias(f"{p}{name}.bias", out)


def layer_norm(name, *shape, biased=True):
    yield norm(name + ".weight", *shape)
    if biased:
        yield bias(name + ".bias", *shape)


def ends(c, norm_name, layers, embed_gain=0, one=1, norm_bias=False):
    h, v = c["hidden_size"], c["vocab_size"]
    yield embedding("model.embed_tokens.weight", v, h, embed_gain)
    yield from layers
    yield norm(norm_name + ".weight", h, one=one)
    if norm_bias:
        yield bias(norm_name + ".bias", h)
    if not tied(c):
        yield matrix("lm_head.weight", v, h, gain=1)


def llama(c):
    """Llama, Mistral, Mixtral, SmolLM3, Granite, Qwen 2 and 3 (MoE too), OLMo 2."""
    kind, h = c["model_type"], c["hidden_size"]

    def layer(i):
        p = f"model.layers.{i}."
        if kind != "olmo2":
            yield norm(p + "input_layernorm.weight", h)
        both = c.get("attention_bias", False)
        yield from attention(c, p + "self_attn.", both or kind in ("qwen2", "qwen2_moe"), both)
        if kind in ("qwen3", "qwen3_moe"):
            yield norm(p + "self_attn.q_norm.weight", head_dim(c))
            yield norm(p + "self_attn.k_norm.weight", head_dim(c))
        if kind == "olmo2":
            yield norm(p + "self_attn.q_norm.weight", c["num_attention_heads"] * head_dim(c))
            yield norm(p + "self_attn.k_norm.weight", c["num_key_value_heads"] * head_dim(c))
        if c.get("weight_bits") == 1:
            yield norm(p + "self_attn.inner_attn_ln.weight", h)
            yield norm(p + "mlp.ffn_layernorm.weight", c["intermediate_size"])
        if kind == "bitnet":
            yield norm(p + "self_attn.attn_sub_norm.weight", h)
            yield norm(p + "mlp.ffn_sub_norm.weight", c["intermediate_size"])
        yield norm(p + "post_attention_layernorm.weight", h)
        if kind == "olmo2":
            yield norm(p + "post_feedforward_layernorm.weight", h)
        if kind == "mixtral":
            yield matrix(p + "block_sparse_moe.gate.weight", c["num_local_experts"], h, gain=1)
            for e in range(c["num_local_experts"]):
                yield from gated(f"{p}block_sparse_moe.experts.{e}.", h, c["intermediate_size"],
                                 names=("w1", "w3", "w2"))
        elif kind in ("qwen2_moe", "qwen3_moe"):
            yield matrix(p + "mlp.gate.weight", c["num_experts"], h, gain=1)
            for e in range(c["num_experts"]):
                yield from gated(f"{p}mlp.experts.{e}.", h, c["moe_intermediate_size"])
            if kind == "qwen2_moe":
                yield from gated(p + "mlp.shared_expert.", h, c["shared_expert_intermediate_size"])
                yield matrix(p + "mlp.shared_expert_gate.weight", 1, h)
        else:
            yield from gated(p + "mlp.", h, c["intermediate_size"], c.get("mlp_bias", False))
        if kind == "llama" and c.get("num_key_value_heads", c["num_attention_heads"]) == c["num_attention_heads"]:
            # Left in old Llama 1 and 2 repositories; not a weight.
            yield norm(p + "self_attn.rotary_emb.inv_freq", head_dim(c) // 2)

    layers = (t for i in range(c["num_hidden_layers"]) for t in layer(i))
    gain = -3 if c.get("embedding_multiplier") else 0
    return list(ends(c, "model.norm", layers, embed_gain=gain))


def gemma(c):
    kind, h = c["model_type"], c["hidden_size"]

    def layer(i):
        p = f"model.layers.{i}."
        names = ["input_layernorm", "post_attention_layernorm"]
        if kind != "gemma":
            names += ["pre_feedforward_layernorm", "post_feedforward_layernorm"]
        for name in names:
            yield norm(f"{p}{name}.weight", h, one=0)
        yield from attention(c, p + "self_attn.", False)
        if kind == "gemma3_text":
            yield norm(p + "self_attn.q_norm.weight", head_dim(c), one=0)
            yield norm(p + "self_attn.k_norm.weight", head_dim(c), one=0)
        yield from gated(p + "mlp.", h, c["intermediate_size"])

    layers = (t for i in range(c["num_hidden_layers"]) for t in layer(i))
    return list(ends(c, "model.norm", layers, embed_gain=-2, one=0))


def gemma3_vision(c):
    """models/gemma3: the language model inside, and two tensors of the part that sees, not carried
    over."""
    vision = c["vision_config"]
    yield embedding("vision_tower.vision_model.embeddings.position_embedding.weight", 4, vision["hidden_size"])
    yield norm("multi_modal_projector.mm_soft_emb_norm.weight", vision["hidden_size"], one=0)
    for name, *rest in gemma(c["text_config"]):
        yield ("language_model." + name, *rest)


def phi3(c):
    h, hd, ff = c["hidden_size"], head_dim(c), c["intermediate_size"]
    rows = (c["num_attention_heads"] + 2 * c["num_key_value_heads"]) * hd

    def layer(i):
        p = f"model.layers.{i}."
        yield norm(p + "input_layernorm.weight", h)
        yield matrix(p + "self_attn.qkv_proj.weight", rows, h)
        yield matrix(p + "self_attn.o_proj.weight", h, c["num_attention_heads"] * hd)
        yield norm(p + "post_attention_layernorm.weight", h)
        yield matrix(p + "mlp.gate_up_proj.weight", 2 * ff, h)
        yield matrix(p + "mlp.down_proj.weight", h, ff)

    return list(ends(c, "model.norm", (t for i in range(c["num_hidden_layers"]) for t in layer(i))))


def gpt2(c):
    """Names as in the openai-community repositories: no "transformer." in front; Conv1D weights
    are [in, out]; "attn.bias" is the causal mask, not a weight."""
    h, n = c["n_embd"], c["n_positions"]
    shift = matrix("", 1, h)[2]
    yield embedding("wte.weight", c["vocab_size"], h)
    yield embedding("wpe.weight", n, h)
    for i in range(c["n_layer"]):
        p = f"h.{i}."
        yield from layer_norm(p + "ln_1", h)
        yield (p + "attn.bias", 1, -3, (1, 1, n, n))
        yield (p + "attn.c_attn.weight", 0, shift, (h, 3 * h))
        yield bias(p + "attn.c_attn.bias", 3 * h)
        yield (p + "attn.c_proj.weight", 0, shift, (h, h))
        yield bias(p + "attn.c_proj.bias", h)
        yield from layer_norm(p + "ln_2", h)
        yield (p + "mlp.c_fc.weight", 0, shift, (h, 4 * h))
        yield bias(p + "mlp.c_fc.bias", 4 * h)
        yield (p + "mlp.c_proj.weight", 0, matrix("", 1, 4 * h)[2], (4 * h, h))
        yield bias(p + "mlp.c_proj.bias", h)
    yield from layer_norm("ln_f", h)


def stablelm(c):
    h, hd = c["hidden_size"], head_dim(c)

    def layer(i):
        p = f"model.layers.{i}."
        yield from layer_norm(p + "input_layernorm", h)
        yield from attention(c, p + "self_attn.", c["use_qkv_bias"])
        if c["qk_layernorm"]:
            for which, heads in (("q", c["num_attention_heads"]), ("k", c["num_key_value_heads"])):
                for j in range(heads):
                    yield norm(f"{p}self_attn.{which}_layernorm.norms.{j}.weight", hd)
        if not c["use_parallel_residual"]:
            yield from layer_norm(p + "post_attention_layernorm", h)
        yield from gated(p + "mlp.", h, c["intermediate_size"])

    layers = (t for i in range(c["num_hidden_layers"]) for t in layer(i))
    return list(ends(c, "model.norm", layers, norm_bias=True))


def starcoder2(c):
    h, ff, biased = c["hidden_size"], c["intermediate_size"], c["use_bias"]

    def layer(i):
        p = f"model.layers.{i}."
        yield from layer_norm(p + "input_layernorm", h)
        yield from attention(c, p + "self_attn.", biased, biased)
        yield from layer_norm(p + "post_attention_layernorm", h)
        for name, out, inp in (("c_fc", ff, h), ("c_proj", h, ff)):
            yield matrix(f"{p}mlp.{name}.weight", out, inp)
            yield bias(f"{p}mlp.{name}.bias", out)

    layers = (t for i in range(c["num_hidden_layers"]) for t in layer(i))
    return list(ends(c, "model.norm", layers, norm_bias=True))


def falcon(c):
    """Weights tied: lm_head is not stored."""
    h, heads = c["hidden_size"], c["num_attention_heads"]
    hd = h // heads
    kv = c["num_kv_heads"] if c["new_decoder_architecture"] else 1
    yield embedding("transformer.word_embeddings.weight", c["vocab_size"], h)
    for i in range(c["num_hidden_layers"]):
        p = f"transformer.h.{i}."
        for name in ("ln_attn", "ln_mlp") if c["new_decoder_architecture"] else ("input_layernorm",):
            yield from layer_norm(p + name, h)
        yield matrix(p + "self_attention.query_key_value.weight", (heads + 2 * kv) * hd, h)
        yield matrix(p + "self_attention.dense.weight", h, h)
        yield matrix(p + "mlp.dense_h_to_4h.weight", 4 * h, h)
        yield matrix(p + "mlp.dense_4h_to_h.weight", h, 4 * h)
    yield from layer_norm("transformer.ln_f", h)


def cohere(c):
    h, hd = c["hidden_size"], head_dim(c)

    def layer(i):
        p = f"model.layers.{i}."
        yield norm(p + "input_layernorm.weight", h)
        yield from attention(c, p + "self_attn.", c["attention_bias"])
        if c["use_qk_norm"]:
            yield norm(p + "self_attn.q_norm.weight", c["num_attention_heads"], hd)
            yield norm(p + "self_attn.k_norm.weight", c["num_key_value_heads"], hd)
        yield from gated(p + "mlp.", h, c["intermediate_size"])

    layers = (t for i in range(c["num_hidden_layers"]) for t in layer(i))
    return list(ends(c, "model.norm", layers, embed_gain=1))


def gpt_oss(c):
    """Experts as the modeling file holds them (BF16 repositories): [expert, in, out], gate and up
    columns interleaved; large enough to reach the clamp at 7."""
    h, ff, n = c["hidden_size"], c["intermediate_size"], c["num_local_experts"]
    shift, shift_ff = matrix("", 1, h)[2], matrix("", 1, ff)[2]

    def layer(i):
        p = f"model.layers.{i}."
        yield norm(p + "input_layernorm.weight", h)
        yield from attention(c, p + "self_attn.", True, True)
        yield (p + "self_attn.sinks", 0, 0, (c["num_attention_heads"],))
        yield norm(p + "post_attention_layernorm.weight", h)
        yield matrix(p + "mlp.router.weight", n, h, gain=1)
        yield bias(p + "mlp.router.bias", n)
        yield (p + "mlp.experts.gate_up_proj", 0, shift + 2, (n, h, 2 * ff))
        yield bias(p + "mlp.experts.gate_up_proj_bias", n, 2 * ff)
        yield (p + "mlp.experts.down_proj", 0, shift_ff - 3, (n, ff, h))
        yield bias(p + "mlp.experts.down_proj_bias", n, h)

    return list(ends(c, "model.norm", (t for i in range(c["num_hidden_layers"]) for t in layer(i))))


LLAMA_LIKE = ("llama", "mistral", "mixtral", "smollm3", "granite", "qwen2", "qwen2_moe", "qwen3",
              "qwen3_moe", "olmo2", "bitnet")
TABLE = {"gemma": gemma, "gemma2": gemma, "gemma3_text": gemma, "gemma3": gemma3_vision, "phi3": phi3, "gpt2": gpt2,
         "stablelm": stablelm, "starcoder2": starcoder2, "falcon": falcon, "cohere": cohere,
         "gpt_oss": gpt_oss, **{name: llama for name in LLAMA_LIKE}}


def tensors(c):
    return list(TABLE[c["model_type"]](c))
