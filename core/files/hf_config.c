/* config.json -> the architecture's GGUF keys: common rows, the class's own, its extra function
 * (llama.cpp @ 2bbcf7f, conversion/base.py set_gguf_parameters and conversion/NAME.py). */
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/base/file.h"
#include "core/files/hf_private.h"

enum { MAX_CONFIG = 32 << 20, MAX_DIM = 1 << 20, MAX_VOCAB = 1 << 20, MAX_HEADS = 4096 };

/* head counts, key length and context are worked out by config_open */
static const nb_hf_key common_keys[] = {
    {"attention.layer_norm_rms_epsilon", "rms_norm_eps", NB_HF_F32, NB_HF_MAY, 1e-12, 1},
    {"attention.layer_norm_epsilon", "layer_norm_eps|layer_norm_epsilon|norm_epsilon|norm_eps",
     NB_HF_F32, NB_HF_MAY, 1e-12, 1},
    {"expert_count", "num_local_experts|num_experts", NB_HF_U32, NB_HF_TRUTHY, 0, 4096},
    {"expert_used_count", "num_experts_per_tok", NB_HF_U32, NB_HF_TRUTHY, 0, 4096},
    {0}};

/* --- reading ------------------------------------------------------------------------------------
 */

const nb_jval *nb_hf_get(const nb_hf_config *c, const char *name)
{
    const nb_jval *v = nb_jget(c->text, name);
    if (nb_jkind_of(v) == NB_JNULL)
        v = nb_jget(c->root, name);
    return nb_jkind_of(v) == NB_JNULL ? NULL : v;
}

static bool from_defaults(const nb_hf_class *class, const char *name, double *out)
{
    for (const nb_hf_default *d = class->defaults; d && d->name; d++)
        if (strcmp(d->name, name) == 0) {
            *out = d->value;
            return true;
        }
    return false;
}

/* The next of "a|b|c" into name; NULL at the end. */
static const char *next_name(const char *at, char name[64])
{
    size_t n = strcspn(at, "|");
    if (!*at)
        return NULL;
    snprintf(name, 64, "%.*s", (int)n, at);
    return at + n + (at[n] == '|');
}

nb_status nb_hf_number(const nb_hf_config *c, const char *names, double min, double max,
                       double *out, bool *found)
{
    char name[64];
    *found = false;
    for (const char *at = next_name(names, name); at; at = next_name(at, name)) {
        if (!nb_hf_get(c, name))
            continue;
        bool inner = nb_jkind_of(nb_jget(c->text, name)) != NB_JNULL;
        *found = true;
        *out = NAN;
        return nb_jopt_num(c->doc, inner ? c->text : c->root, name, min, max, out, c->err);
    }
    for (const char *at = next_name(names, name); at && !*found; at = next_name(at, name))
        *found = from_defaults(c->class, name, out);
    return NB_OK;
}

static nb_status whole_number(const nb_hf_config *c, const char *names, double min, double max,
                              int64_t *out, bool *found)
{
    double v = 0;
    NB_TRY(nb_hf_number(c, names, min, max, &v, found));
    if (*found && v != floor(v))
        return nb_fail(c->err, NB_FORMAT, "%s/config.json: %.*s: expected an integer, found %g",
                       c->dir, (int)strcspn(names, "|"), names, v);
    if (*found)
        *out = (int64_t)v;
    return NB_OK;
}

static nb_status need_number(const nb_hf_config *c, const char *names, double max, int64_t *out)
{
    bool found;
    NB_TRY(whole_number(c, names, 1, max, out, &found));
    if (!found || *out < 1)
        return nb_fail(c->err, NB_FORMAT, "%s/config.json: %.*s is missing", c->dir,
                       (int)strcspn(names, "|"), names);
    return NB_OK;
}

/* --- open ---------------------------------------------------------------------------------------
 */

static nb_status find_class(nb_hf_config *c)
{
    const char *class_name = NULL;
    char known[240];
    if (!nb_jstr(nb_jfirst(nb_jget(c->root, "architectures")), &class_name))
        return nb_fail(c->err, NB_FORMAT, "%s/config.json: architectures names no class", c->dir);
    c->class = nb_hf_class_find(class_name);
    if (c->class)
        return NB_OK;
    nb_hf_class_list(known, sizeof known);
    return nb_fail(c->err, NB_UNSUPPORTED,
                   "config.json: class %.60s does not run here (these do: %s)", class_name, known);
}

/* An absent or null count of key/value heads is that of the heads, unless the class assumes one
 * that divides them. Falcon has its own words: its extra function. */
static nb_status read_heads(nb_hf_config *c)
{
    bool found;
    double implied;
    NB_TRY(need_number(c, "num_attention_heads|n_head", MAX_HEADS, &c->heads));
    c->heads_kv = c->heads;
    const char *key = "num_key_value_heads";
    if (nb_hf_get(c, key))
        NB_TRY(whole_number(c, key, 1, (double)c->heads, &c->heads_kv, &found));
    else if (!nb_jget(c->text, key) && from_defaults(c->class, key, &implied) &&
             implied <= (double)c->heads && c->heads % (int64_t)implied == 0)
        c->heads_kv = (int64_t)implied;
    if (c->heads_kv < 1 || c->heads % c->heads_kv != 0)
        return nb_fail(c->err, NB_FORMAT, "%s/config.json: %lld heads over %lld key/value heads",
                       c->dir, (long long)c->heads, (long long)c->heads_kv);
    c->head_dim = c->width / c->heads;
    if (!(c->class->flags & NB_HF_NO_HEAD_DIM))
        NB_TRY(whole_number(c, "head_dim", 2, 65536, &c->head_dim, &found));
    return NB_OK;
}

static nb_status read_sizes(nb_hf_config *c)
{
    bool found;
    NB_TRY(need_number(c, "num_hidden_layers|n_layer|n_layers|num_layers", 1024, &c->layers));
    NB_TRY(need_number(c, "hidden_size|n_embd", MAX_DIM, &c->width));
    NB_TRY(read_heads(c));
    if (c->class->flags & NB_HF_TRIMS) /* 0: the tokenizer tells */
        NB_TRY(whole_number(c, "vocab_size", 1, MAX_VOCAB, &c->vocab, &found));
    else
        NB_TRY(need_number(c, "vocab_size", MAX_VOCAB, &c->vocab));
    return NB_OK;
}

nb_status nb_hf_config_of(nb_hf_config *out, nb_json *doc, const char *dir, nb_err *err)
{
    nb_hf_config c = {.dir = dir, .doc = doc, .root = nb_json_root(doc), .err = err};
    c.text = nb_jget(c.root, "text_config");
    if (nb_jkind_of(c.text) != NB_JOBJECT)
        c.text = c.root;
    nb_status st = find_class(&c);
    if (st == NB_OK)
        st = read_sizes(&c);
    if (st == NB_OK)
        *out = c;
    return st;
}

nb_status nb_hf_config_open(nb_hf_config *out, const char *dir, nb_err *err)
{
    char path[PATH_MAX];
    nb_json *doc;
    if (!nb_path_join(path, sizeof path, dir, "config.json"))
        return nb_fail(err, NB_NOTFOUND, "%s: path is too long", dir);
    NB_TRY(nb_json_load(&doc, path, MAX_CONFIG, err));
    nb_status st = nb_hf_config_of(out, doc, dir, err);
    if (st != NB_OK)
        nb_json_close(&doc);
    return st;
}

void nb_hf_config_close(nb_hf_config *c)
{
    nb_json_close(&c->doc);
}

/* --- writing ------------------------------------------------------------------------------------
 */

nb_status nb_hf_put_u32(nb_hf_config *c, const char *suffix, int64_t v)
{
    char key[96];
    snprintf(key, sizeof key, "%s.%s", c->class->gguf, suffix);
    return nb_kvs_put_u32(c->kvs, key, (uint32_t)v, c->err);
}

nb_status nb_hf_put_f32(nb_hf_config *c, const char *suffix, double v)
{
    char key[96];
    snprintf(key, sizeof key, "%s.%s", c->class->gguf, suffix);
    return nb_kvs_put_f32(c->kvs, key, (float)v, c->err);
}

nb_status nb_hf_put_str(nb_hf_config *c, const char *suffix, const char *v)
{
    char key[96];
    snprintf(key, sizeof key, "%s.%s", c->class->gguf, suffix);
    return nb_kvs_put_str(c->kvs, key, v, strlen(v), c->err);
}

static nb_status put_row(nb_hf_config *c, const nb_hf_key *row)
{
    bool found;
    double v = 0;
    int64_t n = 0;
    if (row->type == NB_HF_U32) {
        NB_TRY(whole_number(c, row->names, row->min, row->max, &n, &found));
        v = (double)n;
    } else {
        NB_TRY(nb_hf_number(c, row->names, row->min, row->max, &v, &found));
    }
    if (!found && row->how == NB_HF_NEED)
        return nb_fail(c->err, NB_FORMAT, "%s/config.json: %.*s is missing", c->dir,
                       (int)strcspn(row->names, "|"), row->names);
    if (!found || (row->how == NB_HF_TRUTHY && v == 0))
        return NB_OK;
    return row->type == NB_HF_U32 ? nb_hf_put_u32(c, row->gguf, n) : nb_hf_put_f32(c, row->gguf, v);
}

static nb_status put_rows(nb_hf_config *c, const nb_hf_key *row)
{
    for (; row && row->gguf; row++)
        NB_TRY(put_row(c, row));
    return NB_OK;
}

static nb_status put_sizes(nb_hf_config *c)
{
    const unsigned flags = c->class->flags;
    int64_t ff = 4 * c->width; /* GPT-2 and Falcon say it only where it is another */
    bool found;
    NB_TRY(need_number(c, "max_position_embeddings|n_ctx|n_positions", 1 << 30, &c->context));
    NB_TRY(whole_number(c, "intermediate_size|n_inner|ffn_hidden_size", 1, MAX_DIM, &ff, &found));
    if (!found && !(flags & NB_HF_FOURFOLD))
        return nb_fail(c->err, NB_FORMAT, "%s/config.json: intermediate_size is missing", c->dir);
    NB_TRY(nb_hf_put_u32(c, "block_count", c->layers));
    NB_TRY(nb_hf_put_u32(c, "context_length", c->context));
    NB_TRY(nb_hf_put_u32(c, "embedding_length", c->width));
    NB_TRY(nb_hf_put_u32(c, "feed_forward_length", ff));
    NB_TRY(nb_hf_put_u32(c, "attention.head_count", c->heads));
    NB_TRY(nb_hf_put_u32(c, "attention.head_count_kv", c->heads_kv));
    NB_TRY(put_rows(c, common_keys));
    double v;
    bool given = nb_hf_get(c, "head_dim") || from_defaults(c->class, "head_dim", &v);
    if ((given && !(flags & NB_HF_NO_HEAD_DIM)) || (flags & NB_HF_HEAD_DIM)) {
        NB_TRY(nb_hf_put_u32(c, "attention.key_length", c->head_dim));
        NB_TRY(nb_hf_put_u32(c, "attention.value_length", c->head_dim));
    }
    if (!(flags & NB_HF_ROPE_DIMS))
        return NB_OK;
    NB_TRY(nb_hf_put_u32(c, "vocab_size", c->vocab));
    return nb_hf_put_u32(c, "rope.dimension_count", c->head_dim);
}

nb_status nb_hf_keys_of_config(nb_hf_config *c)
{
    NB_TRY(put_sizes(c));
    NB_TRY(nb_hf_keys_of_rope(c));
    NB_TRY(put_rows(c, c->class->keys));
    return c->class->extra ? c->class->extra(c) : NB_OK;
}
