"""Plain forward passes of decoder language models in NumPy: config.json + weights -> logits.

Written from the modeling files of huggingface/transformers (src/transformers/models/FAMILY/
modeling_FAMILY.py, eager attention, no cache, no dropout), one class per family in the way those
files inherit from one another. Weights are float32; everything is computed in float64, so that what
differs from this is the other program's rounding. No code is shared with nibble.

Shapes: x [tokens, hidden]; q [heads, tokens, head_dim]; k, v [kv_heads, tokens, head_dim].
"""

import math

import numpy as np

from rope import rope_parameters, rope_table, rotate_halves, rotate_pairs

# --- pieces ---------------------------------------------------------------------------------------

erf = np.vectorize(math.erf, otypes=[np.float64])


def gelu_tanh(x):
    return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def silu(x):
    return x * sigmoid(x)


ACTIVATIONS = {  # transformers/activations.py, ACT2FN
    "silu": silu,
    "gelu": lambda x: 0.5 * x * (1 + erf(x / math.sqrt(2))),
    "gelu_new": gelu_tanh,
    "gelu_pytorch_tanh": gelu_tanh,
    "relu2": lambda x: np.maximum(x, 0) ** 2,
}


def softmax(x):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def rms_norm(x, weight, eps):
    return x / np.sqrt((x * x).mean(axis=-1, keepdims=True) + eps) * weight


def layer_norm(x, weight, eps, bias=0.0):
    centred = x - x.mean(axis=-1, keepdims=True)
    return centred / np.sqrt((centred * centred).mean(axis=-1, keepdims=True) + eps) * weight + bias


# --- the decoder all families vary ----------------------------------------------------------------


class Llama:
    """models/llama. Also Mistral (a window), and the base of the others."""

    activation_keys = ("hidden_act",)
    embed_name, norm_name, head_name = "model.embed_tokens", "model.norm", "lm_head"
    layer_name = "model.layers.{}."
    tied_default = False
    eps_key = "rms_norm_eps"
    rotate = staticmethod(rotate_halves)

    def __init__(self, config, weights):
        self.c, self.w = config, weights
        self.hidden = config["hidden_size"]
        self.n_layer = config["num_hidden_layers"]
        self.n_head = config["num_attention_heads"]
        self.n_kv = config.get("num_key_value_heads") or self.n_head
        self.head_dim = config.get("head_dim") or self.hidden // self.n_head
        self.rotary_dim = int(self.head_dim * config.get("partial_rotary_factor", 1.0))
        self.eps = config.get(self.eps_key)
        key = next((k for k in self.activation_keys if config.get(k)), None)
        self.act = ACTIVATIONS[config[key]] if key else None
        self.router_gap = math.inf  # smallest distance between a chosen and a refused expert
        self.choices = []  # of experts, [T, k] per layer
        self.position = 0  # of the one row an expert is working on
        self.trace = []

    # weights by name

    def get(self, name):
        return self.w[name].astype(np.float64)

    def activation(self, x, name):
        """What the matrix `name` is multiplied with: a place for activation quantization."""
        return x

    def linear(self, x, name):
        y = self.activation(x, name + ".weight") @ self.get(name + ".weight").T
        return y + self.get(name + ".bias") if name + ".bias" in self.w else y

    def norm(self, x, name):
        return rms_norm(x, self.get(name + ".weight"), self.eps)

    # one layer's parts

    def qkv(self, p, x):
        """Separate projections -> q [heads, T, d], k, v [kv_heads, T, d]."""
        return [self.heads(self.linear(x, f"{p}self_attn.{n}_proj")) for n in "qkv"]

    def heads(self, x):
        return x.reshape(len(x), -1, self.head_dim).transpose(1, 0, 2)

    def qk_norm(self, p, q, k):
        return q, k

    def rope_config(self, i):
        """Parameters of layer i, None where it has no position embedding."""
        return rope_parameters(self.c)

    def scale(self):
        return self.head_dim**-0.5

    def window(self, i):
        """Tokens a query sees, itself included; None = all before it."""
        return None

    def soft_cap(self):
        return None

    def sinks(self, p):
        """[heads] or None."""
        return None

    def attend(self, p, i, x):
        q, k, v = self.qkv(p, x)
        q, k = self.qk_norm(p, q, k)
        n, parameters = len(x), self.rope_config(i)
        if parameters is not None:
            cos, sin = rope_table(self.c, parameters, self.rotary_dim, n)
            q, k = self.rotate(q, cos, sin), self.rotate(k, cos, sin)
        group = self.n_head // self.n_kv
        k, v = np.repeat(k, group, axis=0), np.repeat(v, group, axis=0)
        scores = q @ k.transpose(0, 2, 1) * self.scale()
        cap = self.soft_cap()
        if cap is not None:
            scores = np.tanh(scores / cap) * cap
        behind = np.arange(n)[:, None] - np.arange(n)[None, :]
        window = self.window(i)
        seen = (behind >= 0) & (behind < (window or n + 1))
        scores = np.where(seen, scores, -np.inf)
        sinks = self.sinks(p)
        if sinks is None:
            weights = softmax(scores)
        else:
            column = np.broadcast_to(sinks[:, None, None], (self.n_head, n, 1))
            weights = softmax(np.concatenate([scores, column], axis=-1))[..., :-1]
        return (weights @ v).transpose(1, 0, 2).reshape(n, -1)

    def attention(self, p, i, x):
        return self.linear(self.attend(p, i, x), p + "self_attn.o_proj")

    def gated(self, x, gate, up, down):
        return self.linear(self.act(self.linear(x, gate)) * self.linear(x, up), down)

    def mlp(self, p, x):
        return self.gated(x, p + "mlp.gate_proj", p + "mlp.up_proj", p + "mlp.down_proj")

    def layer(self, p, i, x):
        x = x + self.attention(p, i, self.norm(x, p + "input_layernorm"))
        return x + self.mlp(p, self.norm(x, p + "post_attention_layernorm"))

    # both ends

    def embed(self, tokens):
        return self.get(self.embed_name + ".weight")[tokens]

    def logits(self, x):
        tied = self.c.get("tie_word_embeddings", self.tied_default)
        return self.linear(x, self.embed_name if tied else self.head_name)

    def forward(self, tokens):
        """[tokens, vocab]; self.trace: RMS of the hidden state after the embedding, after each
        layer, after the last norm."""
        x = self.embed(np.array(tokens))
        steps = [x]
        for i in range(self.n_layer):
            x = self.layer(self.layer_name.format(i), i, x)
            steps.append(x)
        x = self.norm(x, self.norm_name)
        steps.append(x)
        self.trace = [float(np.sqrt((s * s).mean())) for s in steps]
        return self.logits(x)

    # mixtures of experts

    def choose(self, router_logits, k):
        """Indices of the k best [T, k], best first; notes how close the nearest refused one came."""
        order = np.argsort(-router_logits, axis=-1, kind="stable")
        ranked = np.take_along_axis(router_logits, order, axis=-1)
        self.router_gap = min(self.router_gap, float((ranked[:, k - 1] - ranked[:, k]).min()))
        self.choices.append(order[:, :k])
        return order[:, :k]

    def mix(self, x, chosen, weights, expert):
        """sum over the chosen experts of weight * expert(e, row)."""
        out = np.zeros_like(x)
        for t in range(len(x)):
            self.position = t
            for e, weight in zip(chosen[t], weights[t]):
                out[t] += weight * expert(e, x[t : t + 1])[0]
        return out


class Mistral(Llama):
    """models/mistral: the sliding window counts the query itself (masking_utils.py,
    sliding_window_overlay: key > query - window)."""

    def window(self, i):
        return self.c.get("sliding_window")


class SmolLM3(Llama):
    """models/smollm3: layers whose no_rope_layers entry is 0 have no position embedding."""

    def rope_config(self, i):
        every = self.c.get("no_rope_layer_interval", 4)
        flags = self.c.get("no_rope_layers") or [(j + 1) % every for j in range(self.n_layer)]
        return rope_parameters(self.c) if flags[i] else None


class Granite(Llama):
    """models/granite: four multipliers."""

    def scale(self):
        return self.c["attention_multiplier"]

    def embed(self, tokens):
        return super().embed(tokens) * self.c["embedding_multiplier"]

    def layer(self, p, i, x):
        m = self.c["residual_multiplier"]
        x = x + m * self.attention(p, i, self.norm(x, p + "input_layernorm"))
        return x + m * self.mlp(p, self.norm(x, p + "post_attention_layernorm"))

    def logits(self, x):
        return super().logits(x) / self.c["logits_scaling"]


class Mixtral(Mistral):
    """models/mixtral: softmax over all experts, the best renormalized."""

    def mlp(self, p, x):
        p += "block_sparse_moe."
        router = self.linear(x, p + "gate")
        chosen = self.choose(router, self.c["num_experts_per_tok"])
        weights = np.take_along_axis(softmax(router), chosen, axis=-1)
        weights = weights / weights.sum(axis=-1, keepdims=True)
        names = lambda e: [f"{p}experts.{e}.{w}" for w in ("w1", "w3", "w2")]
        return self.mix(x, chosen, weights, lambda e, row: self.gated(row, *names(e)))


class Qwen2(Llama):
    """models/qwen2: biases on q, k, v (found by name). A window only with use_sliding_window, and
    then from layer max_window_layers on."""

    def window(self, i):
        c = self.c
        sliding = c.get("use_sliding_window") and i >= c["max_window_layers"]
        return c.get("sliding_window") if sliding else None


class QwenExperts(Qwen2):
    def routed(self, p, x):
        """models/qwen2_moe: weights are renormalized only with norm_topk_prob."""
        router = self.linear(x, p + "gate")
        chosen = self.choose(router, self.c["num_experts_per_tok"])
        weights = np.take_along_axis(softmax(router), chosen, axis=-1)
        if self.c["norm_topk_prob"]:
            weights = weights / weights.sum(axis=-1, keepdims=True)
        names = lambda e: [f"{p}experts.{e}.{w}_proj" for w in ("gate", "up", "down")]
        return self.mix(x, chosen, weights, lambda e, row: self.gated(row, *names(e)))


class Qwen2Moe(QwenExperts):
    """models/qwen2_moe: a shared expert behind a sigmoid gate."""

    def mlp(self, p, x):
        p += "mlp."
        shared = self.gated(x, *[f"{p}shared_expert.{w}_proj" for w in ("gate", "up", "down")])
        return self.routed(p, x) + sigmoid(self.linear(x, p + "shared_expert_gate")) * shared


class HeadNorms:
    """q_norm and k_norm over each head's components, before rotation (qwen3, gemma3)."""

    def qk_norm(self, p, q, k):
        return self.norm(q, p + "self_attn.q_norm"), self.norm(k, p + "self_attn.k_norm")


class Qwen3(HeadNorms, Qwen2):
    """models/qwen3."""


class Qwen3Moe(HeadNorms, QwenExperts):
    """models/qwen3_moe."""

    def mlp(self, p, x):
        return self.routed(p + "mlp.", x)


class Olmo2(Llama):
    """models/olmo2: norms after attention and MLP; q and k normalized over the whole projection."""

    def qkv(self, p, x):
        p += "self_attn."
        q = self.norm(self.linear(x, p + "q_proj"), p + "q_norm")
        k = self.norm(self.linear(x, p + "k_proj"), p + "k_norm")
        return self.heads(q), self.heads(k), self.heads(self.linear(x, p + "v_proj"))

    def layer(self, p, i, x):
        x = x + self.norm(self.attention(p, i, x), p + "post_attention_layernorm")
        return x + self.norm(self.mlp(p, x), p + "post_feedforward_layernorm")


class BitNet(Llama):
    """models/bitnet (Microsoft's) and 1bitLLM's modeling_bitnet.py: a norm before o_proj and one
    before down_proj; the seven projections are ternary: round(w / mean|w|) clamped to -1..1, times
    mean|w| (their weight_quant). Activations stay float here: their 8 bits are the kernel's."""

    inner = {"bitnet": ("attn_sub_norm", "ffn_sub_norm"), "llama": ("inner_attn_ln", "ffn_layernorm")}

    def get(self, name):
        w = super().get(name)
        if not name.endswith("_proj.weight"):
            return w
        mean = max(np.abs(w).mean(), 1e-5)
        return np.clip(np.round(w / mean), -1, 1) * mean

    def attention(self, p, i, x):
        name = p + "self_attn." + self.inner[self.c["model_type"]][0]
        return self.linear(self.norm(self.attend(p, i, x), name), p + "self_attn.o_proj")

    def mlp(self, p, x):
        p += "mlp."
        inner = self.act(self.linear(x, p + "gate_proj")) * self.linear(x, p + "up_proj")
        return self.linear(self.norm(inner, p + self.inner[self.c["model_type"]][1]), p + "down_proj")


class Gemma(Llama):
    """models/gemma: norm weights count from 1; embeddings times sqrt(hidden); tied. Without
    hidden_activation the tanh form of GELU (modeling_gemma.py before 4.5x, GemmaMLP)."""

    activation_keys = ("hidden_activation", "hidden_act")
    tied_default = True

    def norm(self, x, name):
        return rms_norm(x, 1 + self.get(name + ".weight"), self.eps)

    def embed(self, tokens):
        return super().embed(tokens) * self.hidden**0.5

    def logits(self, x):
        y, cap = super().logits(x), self.c.get("final_logit_softcapping")
        return np.tanh(y / cap) * cap if cap else y


class Gemma2(Gemma):
    """models/gemma2: norms before and after both parts; every other layer slides, the first does;
    scores and logits soft-capped."""

    def scale(self):
        return self.c["query_pre_attn_scalar"] ** -0.5

    def window(self, i):
        return self.c["sliding_window"] if i % 2 == 0 else None

    def soft_cap(self):
        return self.c.get("attn_logit_softcapping")

    def layer(self, p, i, x):
        y = self.attention(p, i, self.norm(x, p + "input_layernorm"))
        x = x + self.norm(y, p + "post_attention_layernorm")
        y = self.mlp(p, self.norm(x, p + "pre_feedforward_layernorm"))
        return x + self.norm(y, p + "post_feedforward_layernorm")


class Gemma3(HeadNorms, Gemma2):
    """models/gemma3, text: five sliding layers with their own rope base, unscaled, then a full one."""

    def slides(self, i):
        if self.c.get("layer_types"):
            return self.c["layer_types"][i] == "sliding_attention"
        return (i + 1) % self.c.get("sliding_window_pattern", 6) != 0

    def window(self, i):
        return self.c["sliding_window"] if self.slides(i) else None

    def rope_config(self, i):
        if self.slides(i):
            return {"rope_type": "default", "rope_theta": self.c.get("rope_local_base_freq", 1e4)}
        return rope_parameters({"rope_theta": 1e6, **self.c})


class Gemma3Vision(Gemma3):
    """models/gemma3, Gemma3ForConditionalGeneration on text alone; keys that text_config leaves out
    as in configuration_gemma3.py."""

    embed_name, norm_name = "language_model.model.embed_tokens", "language_model.model.norm"
    layer_name = "language_model.model.layers.{}."

    def __init__(self, config, weights):
        super().__init__({"hidden_activation": "gelu_pytorch_tanh", **config["text_config"]}, weights)


class Phi3(Mistral):
    """models/phi3: q, k and v in one matrix, gate and up in another."""

    def qkv(self, p, x):
        y = self.linear(x, p + "self_attn.qkv_proj")
        nq, nkv = self.n_head * self.head_dim, self.n_kv * self.head_dim
        return [self.heads(part) for part in np.split(y, [nq, nq + nkv], axis=-1)]

    def mlp(self, p, x):
        gate, up = np.split(self.linear(x, p + "mlp.gate_up_proj"), 2, axis=-1)
        return self.linear(up * self.act(gate), p + "mlp.down_proj")


class LayerNorms:
    def norm(self, x, name):
        bias = self.get(name + ".bias") if name + ".bias" in self.w else 0.0
        return layer_norm(x, self.get(name + ".weight"), self.eps, bias)


class Gpt2(LayerNorms, Llama):
    """models/gpt2: learned positions, Conv1D weights [in, out], no gate."""

    activation_keys = ("activation_function",)
    embed_name, norm_name, layer_name = "wte", "ln_f", "h.{}."
    tied_default = True
    eps_key = "layer_norm_epsilon"

    def __init__(self, config, weights):
        names = {"hidden_size": "n_embd", "num_hidden_layers": "n_layer", "num_attention_heads": "n_head"}
        super().__init__({**config, **{k: config[v] for k, v in names.items()}}, weights)

    def conv1d(self, x, name):
        y = self.activation(x, name + ".weight") @ self.get(name + ".weight")
        return y + self.get(name + ".bias")

    def embed(self, tokens):
        return super().embed(tokens) + self.get("wpe.weight")[: len(tokens)]

    def rope_config(self, i):
        return None

    def qkv(self, p, x):
        return [self.heads(part) for part in np.split(self.conv1d(x, p + "attn.c_attn"), 3, axis=-1)]

    def layer(self, p, i, x):
        x = x + self.conv1d(self.attend(p, i, self.norm(x, p + "ln_1")), p + "attn.c_proj")
        y = self.act(self.conv1d(self.norm(x, p + "ln_2"), p + "mlp.c_fc"))
        return x + self.conv1d(y, p + "mlp.c_proj")


class StableLm(LayerNorms, Llama):
    """models/stablelm: a quarter of each head rotates; 12B: a norm of its own for every head, and
    attention and MLP side by side."""

    eps_key = "layer_norm_eps"

    def qk_norm(self, p, q, k):
        if not self.c["qk_layernorm"]:
            return q, k
        name = p + "self_attn.{}_layernorm.norms.{}"
        each = lambda x, which: np.stack([self.norm(h, name.format(which, j)) for j, h in enumerate(x)])
        return each(q, "q"), each(k, "k")

    def layer(self, p, i, x):
        normed = self.norm(x, p + "input_layernorm")
        if self.c["use_parallel_residual"]:
            return x + self.attention(p, i, normed) + self.mlp(p, normed)
        x = x + self.attention(p, i, normed)
        return x + self.mlp(p, self.norm(x, p + "post_attention_layernorm"))


class Starcoder2(LayerNorms, Mistral):
    """models/starcoder2: biases everywhere (found by name), no gate."""

    eps_key = "norm_epsilon"

    def mlp(self, p, x):
        return self.linear(self.act(self.linear(x, p + "mlp.c_fc")), p + "mlp.c_proj")


class Falcon(LayerNorms, Llama):
    """models/falcon, rotary forms: attention and MLP side by side. 7B: one norm, one k and v head
    after all q heads. New decoder architecture (40B): two norms; rows grouped per k and v head."""

    embed_name, norm_name = "transformer.word_embeddings", "transformer.ln_f"
    layer_name = "transformer.h.{}."
    tied_default = True
    eps_key = "layer_norm_epsilon"

    def __init__(self, config, weights):
        super().__init__(config, weights)
        self.new = config["new_decoder_architecture"]
        self.n_kv = config["num_kv_heads"] if self.new else 1
        self.act = ACTIVATIONS[config.get("activation", "gelu")]

    def qkv(self, p, x):
        y = self.linear(x, p + "self_attention.query_key_value")
        y = y.reshape(len(x), self.n_kv, self.n_head // self.n_kv + 2, self.head_dim)
        q = y[:, :, :-2].reshape(len(x), self.n_head, self.head_dim)
        return [part.transpose(1, 0, 2) for part in (q, y[:, :, -2], y[:, :, -1])]

    def layer(self, p, i, x):
        names = ("ln_attn", "ln_mlp") if self.new else ("input_layernorm",) * 2
        y = self.attend(p, i, self.norm(x, p + names[0]))
        m = self.act(self.linear(self.norm(x, p + names[1]), p + "mlp.dense_h_to_4h"))
        return x + self.linear(y, p + "self_attention.dense") + self.linear(m, p + "mlp.dense_4h_to_h")


class Cohere(LayerNorms, Llama):
    """models/cohere: layer norms without bias, neighbouring pairs rotate, attention and MLP side by
    side, logits scaled; with use_qk_norm a weight for every component of every head."""

    tied_default = True
    eps_key = "layer_norm_eps"
    rotate = staticmethod(rotate_pairs)

    def qk_norm(self, p, q, k):
        if not self.c["use_qk_norm"]:
            return q, k
        each = lambda x, n: layer_norm(x, self.get(f"{p}self_attn.{n}.weight")[:, None, :], self.eps)
        return each(q, "q_norm"), each(k, "k_norm")

    def layer(self, p, i, x):
        normed = self.norm(x, p + "input_layernorm")
        return x + self.attention(p, i, normed) + self.mlp(p, normed)

    def logits(self, x):
        return super().logits(x) * self.c["logit_scale"]


class GptOss(Llama):
    """models/gpt_oss: a learned sink in every head's softmax, alternating windows, experts with
    biases, clamped gate and up, and (up + 1) * gate * sigmoid(1.702 gate)."""

    def window(self, i):
        return self.c["sliding_window"] if self.c["layer_types"][i] == "sliding_attention" else None

    def sinks(self, p):
        return self.get(p + "self_attn.sinks")

    def mlp(self, p, x):
        p, limit = p + "mlp.", self.c["swiglu_limit"]
        router = self.linear(x, p + "router")
        chosen = self.choose(router, self.c["num_experts_per_tok"])
        weights = softmax(np.take_along_axis(router, chosen, axis=-1))
        both, both_bias = self.get(p + "experts.gate_up_proj"), self.get(p + "experts.gate_up_proj_bias")
        down, down_bias = self.get(p + "experts.down_proj"), self.get(p + "experts.down_proj_bias")

        def expert(e, row):
            y = self.activation(row, p + "experts.gate_up_proj") @ both[e] + both_bias[e]
            gate, up = np.minimum(y[:, 0::2], limit), np.clip(y[:, 1::2], -limit, limit)
            y = (up + 1) * gate * sigmoid(1.702 * gate)
            return self.activation(y, p + "experts.down_proj") @ down[e] + down_bias[e]

        return self.mix(x, chosen, weights, expert)


CLASSES = {
    "LlamaForCausalLM": Llama, "MistralForCausalLM": Mistral, "SmolLM3ForCausalLM": SmolLM3,
    "GraniteForCausalLM": Granite, "MixtralForCausalLM": Mixtral, "Qwen2ForCausalLM": Qwen2,
    "Qwen2MoeForCausalLM": Qwen2Moe, "Qwen3ForCausalLM": Qwen3, "Qwen3MoeForCausalLM": Qwen3Moe,
    "Olmo2ForCausalLM": Olmo2, "BitNetForCausalLM": BitNet, "BitnetForCausalLM": BitNet,
    "GemmaForCausalLM": Gemma, "Gemma2ForCausalLM": Gemma2, "Gemma3ForCausalLM": Gemma3,
    "Gemma3ForConditionalGeneration": Gemma3Vision,
    "Phi3ForCausalLM": Phi3, "GPT2LMHeadModel": Gpt2, "StableLmForCausalLM": StableLm,
    "Starcoder2ForCausalLM": Starcoder2, "FalconForCausalLM": Falcon, "CohereForCausalLM": Cohere,
    "GptOssForCausalLM": GptOss,
}


def model(config, weights):
    return CLASSES[config["architectures"][0]](config, weights)
