/* Hugging Face tensor names -> GGUF names and row orders (quant.md 2.2). One table per family of
 * spellings; an architecture's row says which it uses. */
#include "core/files/hf_private.h"

#include <stdio.h>
#include <string.h>

typedef struct name_row {
    const char *hf, *gguf; /* stems without .weight/.bias; in a layer: after "model.layers.N." */
    nb_row_order order;
    bool kv_heads; /* NB_ROWS_QK: permuted by head_count_kv instead of head_count */
} name_row;

static const name_row global_names[] = {
    {"model.embed_tokens", "token_embd", NB_ROWS_PLAIN, false},
    {"model.norm", "output_norm", NB_ROWS_PLAIN, false},
    {"lm_head", "output", NB_ROWS_PLAIN, false},
};
static const name_row layer_names[] = {
    {"input_layernorm", "attn_norm", NB_ROWS_PLAIN, false},
    {"self_attn.q_proj", "attn_q", NB_ROWS_QK, false},
    {"self_attn.k_proj", "attn_k", NB_ROWS_QK, true},
    {"self_attn.v_proj", "attn_v", NB_ROWS_PLAIN, false},
    {"self_attn.o_proj", "attn_output", NB_ROWS_PLAIN, false},
    {"post_attention_layernorm", "ffn_norm", NB_ROWS_PLAIN, false},
    {"mlp.gate_proj", "ffn_gate", NB_ROWS_PLAIN, false},
    {"mlp.up_proj", "ffn_up", NB_ROWS_PLAIN, false},
    {"mlp.down_proj", "ffn_down", NB_ROWS_PLAIN, false},
};

static const nb_hf_arch archs[] = {
    {"LlamaForCausalLM", "llama", true},
    {"MistralForCausalLM", "llama", true},
};

const nb_hf_arch *nb_hf_arch_find(const char *class_name)
{
    for (size_t i = 0; i < countof(archs); i++)
        if (strcmp(archs[i].class_name, class_name) == 0)
            return &archs[i];
    return NULL;
}

bool nb_hf_runs(const char *gguf_arch)
{
    for (size_t i = 0; i < countof(archs); i++)
        if (strcmp(archs[i].gguf, gguf_arch) == 0)
            return true;
    return false;
}

void nb_hf_arch_list(char *out, size_t cap)
{
    size_t n = 0;
    for (size_t i = 0; i < countof(archs) && n < cap; i++)
        n += (size_t)snprintf(out + n, cap - n, "%s%s", i ? ", " : "", archs[i].class_name);
}

static const name_row *find(const name_row *row, size_t n, const char *stem, size_t len)
{
    for (size_t i = 0; i < n; i++)
        if (strlen(row[i].hf) == len && memcmp(row[i].hf, stem, len) == 0)
            return &row[i];
    return NULL;
}

/* "model.layers.12.rest" -> 12 and "rest"; false if it is no layer's tensor. */
static bool split_layer(const char *name, unsigned *layer, const char **rest)
{
    static const char prefix[] = "model.layers.";
    if (strncmp(name, prefix, sizeof prefix - 1) != 0)
        return false;
    const char *s = name + sizeof prefix - 1;
    unsigned n = 0, digits = 0;
    for (; *s >= '0' && *s <= '9' && digits < 4; s++, digits++)
        n = n * 10 + (unsigned)(*s - '0');
    if (digits == 0 || *s != '.')
        return false;
    *layer = n;
    *rest = s + 1;
    return true;
}

static uint32_t heads_of(const nb_kvs *kvs, bool kv)
{
    const char *arch;
    size_t n;
    char key[96];
    uint64_t v = 0;
    if (!nb_kvs_str(kvs, "general.architecture", &arch, &n))
        return 0;
    snprintf(key, sizeof key, "%.*s.attention.head_count%s", (int)n, arch, kv ? "_kv" : "");
    return nb_kvs_uint(kvs, key, &v) && v <= UINT32_MAX ? (uint32_t)v : 0;
}

static nb_status order_rows(nb_view *view, const nb_kvs *kvs, const name_row *row, nb_err *err)
{
    view->order = row->order;
    if (row->order == NB_ROWS_PLAIN)
        return NB_OK;
    view->heads = heads_of(kvs, row->kv_heads);
    uint64_t rows = nb_tensor_rows(&view->t);
    if (view->t.n_dims == 1) /* a bias: its elements are the rows */
        return nb_fail(err, NB_UNSUPPORTED, "tensor \"%s\": biases of q and k are not supported",
                       view->stored_name);
    if (view->heads == 0 || rows % (2ull * view->heads) != 0)
        return nb_fail(err, NB_FORMAT, "tensor \"%s\": %llu rows do not divide into %u heads",
                       view->stored_name, (unsigned long long)rows, view->heads);
    return NB_OK;
}

nb_status nb_hf_map(const nb_kvs *kvs, const nb_tensor *stored, char *name_out, nb_view *view,
                    bool *drop, nb_err *err)
{
    const char *stem = stored->name, *dot = strrchr(stored->name, '.');
    unsigned layer = 0;
    *drop = strstr(stored->name, "rotary_emb.inv_freq") != NULL;
    if (*drop)
        return NB_OK;
    bool in_layer = split_layer(stored->name, &layer, &stem);
    bool suffix = dot && (strcmp(dot, ".weight") == 0 || strcmp(dot, ".bias") == 0) && dot > stem;
    const name_row *row =
        !suffix    ? NULL
        : in_layer ? find(layer_names, countof(layer_names), stem, (size_t)(dot - stem))
                   : find(global_names, countof(global_names), stem, (size_t)(dot - stem));
    if (!row)
        return nb_fail(err, NB_UNSUPPORTED, "tensor \"%.120s\" has no place in a llama model",
                       stored->name);
    int n = in_layer ? snprintf(name_out, NB_MAX_NAME + 1, "blk.%u.%s%s", layer, row->gguf, dot)
                     : snprintf(name_out, NB_MAX_NAME + 1, "%s%s", row->gguf, dot);
    if (n < 0 || n > NB_MAX_NAME)
        return nb_fail(err, NB_FORMAT, "tensor \"%.120s\": name is too long", stored->name);
    *view = (nb_view){.t = *stored, .stored_name = stored->name};
    view->t.name = name_out;
    bool norm = strstr(row->gguf, "norm") != NULL;
    view->out_type = stored->n_dims == 1 || norm ? NK_F32 : stored->type;
    return order_rows(view, kvs, row, err);
}
