#include "core/files/hf_private.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/file.h"

enum {
    MAX_CONFIG = 32 << 20,
    MAX_SPM = 128 << 20,
    MAX_TEMPLATE = 1 << 20,
    MAX_VOCAB = 1 << 20,
    MAX_DIM = 1 << 20,
    TOKEN_CONTROL = 3,
    TOKEN_USER = 4,
};

typedef struct source {
    const char *dir;
    nb_kvs *kvs;
    const nb_hf_arch *arch;
    nb_json *config;
    const nb_jval *root;
    int64_t vocab, heads, head_dim;
    nb_err *err;
} source;

static nb_status load_optional(nb_json **doc, const char *dir, const char *name, nb_err *err)
{
    char path[PATH_MAX];
    *doc = NULL;
    if (!nb_path_join(path, sizeof path, dir, name) || !nb_exists(path))
        return NB_OK;
    return nb_json_load(doc, path, MAX_CONFIG, err);
}

/* --- config.json --------------------------------------------------------------------------------
 */

static nb_status put_u32(source *s, const char *suffix, int64_t v)
{
    char key[96];
    snprintf(key, sizeof key, "%s.%s", s->arch->gguf, suffix);
    return nb_kvs_put_u32(s->kvs, key, (uint32_t)v, s->err);
}

static nb_status put_f32(source *s, const char *suffix, double v)
{
    char key[96];
    snprintf(key, sizeof key, "%s.%s", s->arch->gguf, suffix);
    return nb_kvs_put_f32(s->kvs, key, (float)v, s->err);
}

static nb_status find_class(source *s)
{
    const nb_jval *list = nb_jget(s->root, "architectures");
    const char *class_name = NULL;
    char known[160];
    nb_hf_arch_list(known, sizeof known);
    if (!nb_jstr(nb_jfirst(list), &class_name))
        return nb_fail(s->err, NB_FORMAT, "%s/config.json: architectures names no class", s->dir);
    s->arch = nb_hf_arch_find(class_name);
    if (!s->arch)
        return nb_fail(s->err, NB_UNSUPPORTED,
                       "%s/config.json: class %.60s is not supported (supported: %s)", s->dir,
                       class_name, known);
    return NB_OK;
}

/* Sizes, in the order of llama.cpp's converter. */
static nb_status put_sizes(source *s)
{
    int64_t layers, ctx = 0, width, ff, kv;
    double theta = 10000.0, eps = 1e-5;
    nb_json *d = s->config;
    NB_TRY(nb_jneed_int(d, s->root, "num_hidden_layers", 1, 1024, &layers, s->err));
    NB_TRY(nb_jneed_int(d, s->root, "hidden_size", 1, MAX_DIM, &width, s->err));
    NB_TRY(nb_jneed_int(d, s->root, "intermediate_size", 1, MAX_DIM, &ff, s->err));
    NB_TRY(nb_jneed_int(d, s->root, "num_attention_heads", 1, 4096, &s->heads, s->err));
    NB_TRY(nb_jneed_int(d, s->root, "vocab_size", 1, MAX_VOCAB, &s->vocab, s->err));
    NB_TRY(nb_jneed_int(d, s->root, "max_position_embeddings", 1, 1 << 30, &ctx, s->err));
    kv = s->heads;
    NB_TRY(nb_jopt_int(d, s->root, "num_key_value_heads", 1, s->heads, &kv, s->err));
    s->head_dim = width / s->heads;
    NB_TRY(nb_jopt_int(d, s->root, "head_dim", 2, 65536, &s->head_dim, s->err));
    NB_TRY(nb_jopt_num(d, s->root, "rope_theta", 1, 1e12, &theta, s->err));
    NB_TRY(
        nb_jopt_num(d, nb_jget(s->root, "rope_parameters"), "rope_theta", 1, 1e12, &theta, s->err));
    NB_TRY(nb_jopt_num(d, s->root, "rms_norm_eps", 1e-12, 1, &eps, s->err));
    if (s->heads % kv != 0)
        return nb_fail(s->err, NB_FORMAT, "%s/config.json: %lld heads over %lld key/value heads",
                       s->dir, (long long)s->heads, (long long)kv);
    NB_TRY(put_u32(s, "block_count", layers));
    NB_TRY(put_u32(s, "context_length", ctx));
    NB_TRY(put_u32(s, "embedding_length", width));
    NB_TRY(put_u32(s, "feed_forward_length", ff));
    NB_TRY(put_u32(s, "attention.head_count", s->heads));
    NB_TRY(put_u32(s, "attention.head_count_kv", kv));
    NB_TRY(put_f32(s, "rope.freq_base", theta));
    NB_TRY(put_f32(s, "attention.layer_norm_rms_epsilon", eps));
    NB_TRY(put_u32(s, "attention.key_length", s->head_dim));
    NB_TRY(put_u32(s, "attention.value_length", s->head_dim));
    NB_TRY(put_u32(s, "vocab_size", s->vocab));
    return put_u32(s, "rope.dimension_count", s->head_dim);
}

static const char *scaling_type(const nb_jval *scaling)
{
    const char *type = NULL;
    if (!nb_jstr(nb_jget(scaling, "rope_type"), &type))
        nb_jstr(nb_jget(scaling, "type"), &type);
    return type;
}

/* transformers 5 moved rope_theta and the scaling into rope_parameters (quant.md 2.1). */
static const nb_jval *scaling_of(const nb_jval *root)
{
    const nb_jval *moved = nb_jget(root, "rope_parameters");
    return moved ? moved : nb_jget(root, "rope_scaling");
}

static nb_status put_scaling(source *s)
{
    const nb_jval *scaling = scaling_of(s->root);
    const char *type = scaling_type(scaling);
    if (!type || strcmp(type, "default") == 0 || strcmp(type, "llama3") == 0)
        return NB_OK; /* llama3 becomes the tensor rope_freqs.weight */
    if (strcmp(type, "linear") != 0)
        return nb_fail(s->err, NB_UNSUPPORTED,
                       "%s/config.json: rope_scaling %.40s is not supported", s->dir, type);
    double factor = 0;
    char key[96];
    NB_TRY(nb_jopt_num(s->config, scaling, "factor", 1, 1e6, &factor, s->err));
    if (factor < 1)
        return nb_fail(s->err, NB_FORMAT, "%s/config.json: rope_scaling has no factor", s->dir);
    snprintf(key, sizeof key, "%s.rope.scaling.type", s->arch->gguf);
    NB_TRY(nb_kvs_put_str(s->kvs, key, "linear", 6, s->err));
    return put_f32(s, "rope.scaling.factor", factor);
}

/* --- tokenizer ----------------------------------------------------------------------------------
 */

static nb_status put_spm(source *s)
{
    char path[PATH_MAX];
    char *bytes;
    size_t n;
    if (!nb_path_join(path, sizeof path, s->dir, "tokenizer.model") || !nb_exists(path))
        return nb_fail(s->err, NB_UNSUPPORTED,
                       "%s: no tokenizer.model (SentencePiece); tokenizer.json is not supported",
                       s->dir);
    NB_TRY(nb_file_read(&bytes, &n, path, MAX_SPM, s->err));
    nb_status st = nb_spm_keys(s->kvs, (const uint8_t *)bytes, n, (uint64_t)s->vocab, path, s->err);
    free(bytes);
    return st;
}

/* Copies of the token arrays, edited by added tokens, then put back. */
typedef struct token_list {
    const char **text; /* borrowed: kvs or JSON */
    size_t *len;
    float *score;
    int32_t *type;
    bool *spaced; /* an added token whose space marks become spaces */
    size_t n;
} token_list;

static void tokens_free(token_list *t)
{
    free(t->text);
    free(t->len);
    free(t->score);
    free(t->type);
    free(t->spaced);
}

static nb_status tokens_take(token_list *t, const nb_kvs *kvs, nb_err *err)
{
    const nb_kv *text = nb_kvs_find(kvs, "tokenizer.ggml.tokens");
    const nb_kv *score = nb_kvs_find(kvs, "tokenizer.ggml.scores");
    const nb_kv *type = nb_kvs_find(kvs, "tokenizer.ggml.token_type");
    const uint8_t *at = NULL;
    t->n = (size_t)text->n;
    t->text = nb_alloc(t->n, sizeof *t->text, "tokens", err);
    t->len = nb_alloc(t->n, sizeof *t->len, "tokens", err);
    t->score = nb_alloc(t->n, sizeof *t->score, "tokens", err);
    t->type = nb_alloc(t->n, sizeof *t->type, "tokens", err);
    t->spaced = nb_alloc(t->n, sizeof *t->spaced, "tokens", err);
    if (!t->text || !t->len || !t->score || !t->type || !t->spaced)
        return NB_NOMEM;
    for (size_t i = 0; i < t->n; i++) {
        double v = 0;
        nb_kv_next_string(text, &at, &t->text[i], &t->len[i]);
        nb_kv_elem_num(score, i, &v);
        t->score[i] = (float)v;
        nb_kv_elem_num(type, i, &v);
        t->type[i] = (int32_t)v;
    }
    return NB_OK;
}

/* An added user-defined token has its spaces plain: text is searched for it as it was typed
 * (llama.cpp, convert_hf_to_gguf.py). */
static void put_spaced(nb_str *all, const char *text, size_t n)
{
    static const char mark[] = "\xe2\x96\x81"; /* U+2581 */
    nb_str plain = {0};
    for (size_t i = 0; i < n;) {
        bool space = n - i >= 3 && memcmp(text + i, mark, 3) == 0;
        nb_str_addn(&plain, space ? " " : text + i, 1);
        i += space ? 3 : 1;
    }
    nb_kv_add_str(all, nb_str_c(&plain), plain.len);
    all->failed = all->failed || plain.failed;
    nb_str_free(&plain);
}

static nb_status tokens_put(const token_list *t, nb_kvs *kvs, nb_err *err)
{
    nb_str all = {0};
    for (size_t i = 0; i < t->n; i++)
        if (t->spaced[i])
            put_spaced(&all, t->text[i], t->len[i]);
        else
            nb_kv_add_str(&all, t->text[i], t->len[i]);
    nb_status st = nb_kvs_put_strs(kvs, "tokenizer.ggml.tokens", &all, t->n, err);
    nb_str_free(&all);
    if (st == NB_OK)
        st = nb_kvs_put_f32s(kvs, "tokenizer.ggml.scores", t->score, t->n, err);
    return st == NB_OK ? nb_kvs_put_i32s(kvs, "tokenizer.ggml.token_type", t->type, t->n, err) : st;
}

/* Shaped <|...|>: control even when not marked special, as in llama.cpp's converter. */
static bool looks_special(const char *text)
{
    size_t n = strlen(text);
    return n >= 4 && memcmp(text, "<|", 2) == 0 && memcmp(text + n - 2, "|>", 2) == 0;
}

static void set_token(token_list *t, size_t id, const char *text, int32_t type, bool spaced)
{
    t->text[id] = text;
    t->len[id] = strlen(text);
    t->score[id] = -1000.0f;
    t->type[id] = type;
    t->spaced[id] = spaced;
}

/* added_tokens.json: {"text": id}. */
static nb_status add_plain_tokens(const source *s, token_list *t, const nb_jval *root)
{
    for (const nb_jval *v = nb_jfirst(root); v; v = nb_jnext(v)) {
        int64_t id;
        if (!nb_jkey(v) || !nb_jint(v, &id) || id < 0)
            return nb_fail(s->err, NB_FORMAT, "%s/added_tokens.json: entry \"%.40s\" has no id",
                           s->dir, nb_jkey(v) ? nb_jkey(v) : "");
        if ((uint64_t)id < t->n)
            set_token(t, (size_t)id, nb_jkey(v), TOKEN_USER, false);
    }
    return NB_OK;
}

/* tokenizer_config.json: added_tokens_decoder {"id": {"content": text, "special": bool}}. */
static nb_status add_described_tokens(const source *s, token_list *t, const nb_jval *root)
{
    const nb_jval *v = nb_jfirst(nb_jget(root, "added_tokens_decoder"));
    for (; v; v = nb_jnext(v)) {
        uint64_t id;
        const char *text;
        bool special = false;
        if (!nb_jkey(v) || !nb_parse_u64(nb_jkey(v), &id) || !nb_jstr(nb_jget(v, "content"), &text))
            return nb_fail(s->err, NB_FORMAT,
                           "%s/tokenizer_config.json: added_tokens_decoder: entry \"%.40s\"",
                           s->dir, nb_jkey(v) ? nb_jkey(v) : "");
        if (id >= t->n)
            continue;
        nb_jbool(nb_jget(v, "special"), &special);
        special = special || looks_special(text);
        set_token(t, (size_t)id, text, special ? TOKEN_CONTROL : TOKEN_USER, !special);
    }
    return NB_OK;
}

static nb_status add_tokens(source *s, const nb_jval *tok, const nb_jval *added)
{
    token_list t = {0};
    nb_status st = tokens_take(&t, s->kvs, s->err);
    if (st == NB_OK)
        st = add_plain_tokens(s, &t, added);
    if (st == NB_OK)
        st = add_described_tokens(s, &t, tok);
    if (st == NB_OK)
        st = tokens_put(&t, s->kvs, s->err);
    tokens_free(&t);
    return st;
}

/* A special token's spelling -> its id: "x" or {"content": "x"}. */
static bool id_by_text(const nb_kvs *kvs, const nb_jval *v, uint32_t *id)
{
    const char *want, *text;
    size_t n;
    const uint8_t *at = NULL;
    const nb_kv *tokens = nb_kvs_find(kvs, "tokenizer.ggml.tokens");
    if (!nb_jstr(v, &want) && !nb_jstr(nb_jget(v, "content"), &want))
        return false;
    for (uint32_t i = 0; nb_kv_next_string(tokens, &at, &text, &n); i++)
        if (n == strlen(want) && memcmp(text, want, n) == 0) {
            *id = i;
            return true;
        }
    return false;
}

/* "eos_token_id": 5 or [5, 2]: the first counts. */
static bool id_by_number(const nb_jval *v, uint64_t n_vocab, uint32_t *id)
{
    int64_t i;
    if (nb_jkind_of(v) == NB_JARRAY)
        v = nb_jfirst(v);
    if (!nb_jint(v, &i) || i < 0 || (uint64_t)i >= n_vocab)
        return false;
    *id = (uint32_t)i;
    return true;
}

static nb_status put_special(source *s, const nb_jval *tok, const nb_jval *map, const nb_jval *gen)
{
    static const struct {
        const char *text, *number, *key;
    } row[] = {{"bos_token", "bos_token_id", "tokenizer.ggml.bos_token_id"},
               {"eos_token", "eos_token_id", "tokenizer.ggml.eos_token_id"},
               {"unk_token", "unk_token_id", "tokenizer.ggml.unknown_token_id"},
               {"pad_token", "pad_token_id", "tokenizer.ggml.padding_token_id"}};
    for (size_t i = 0; i < countof(row); i++) {
        uint32_t id;
        uint64_t n = (uint64_t)s->vocab;
        if (id_by_text(s->kvs, nb_jget(tok, row[i].text), &id) ||
            id_by_text(s->kvs, nb_jget(map, row[i].text), &id) ||
            id_by_number(nb_jget(s->root, row[i].number), n, &id) ||
            id_by_number(nb_jget(gen, row[i].number), n, &id))
            NB_TRY(nb_kvs_put_u32(s->kvs, row[i].key, id, s->err));
    }
    static const struct {
        const char *json, *key;
    } flag[] = {{"add_bos_token", "tokenizer.ggml.add_bos_token"},
                {"add_eos_token", "tokenizer.ggml.add_eos_token"},
                {"add_prefix_space", "tokenizer.ggml.add_space_prefix"}};
    for (size_t i = 0; i < countof(flag); i++) {
        bool v;
        if (nb_jbool(nb_jget(tok, flag[i].json), &v))
            NB_TRY(nb_kvs_put_bool(s->kvs, flag[i].key, v, s->err));
    }
    return NB_OK;
}

/* chat_template: a string, a list of named ones (default counts), or a file of its own. */
static nb_status put_template(source *s, const nb_jval *tok)
{
    const nb_jval *v = nb_jget(tok, "chat_template");
    const char *text = NULL, *name;
    char path[PATH_MAX];
    if (nb_path_join(path, sizeof path, s->dir, "chat_template.jinja") && nb_exists(path)) {
        char *file;
        size_t n;
        NB_TRY(nb_file_read(&file, &n, path, MAX_TEMPLATE, s->err));
        nb_status st = nb_kvs_put_str(s->kvs, "tokenizer.chat_template", file, n, s->err);
        free(file);
        return st;
    }
    for (const nb_jval *e = nb_jkind_of(v) == NB_JARRAY ? nb_jfirst(v) : NULL; e; e = nb_jnext(e))
        if (nb_jstr(nb_jget(e, "name"), &name) && strcmp(name, "default") == 0)
            nb_jstr(nb_jget(e, "template"), &text);
    if (!text)
        nb_jstr(v, &text);
    if (!text)
        return NB_OK;
    if (strlen(text) > MAX_TEMPLATE)
        return nb_fail(s->err, NB_FORMAT, "%s/tokenizer_config.json: chat_template over %d bytes",
                       s->dir, MAX_TEMPLATE);
    return nb_kvs_put_str(s->kvs, "tokenizer.chat_template", text, strlen(text), s->err);
}

static nb_status put_tokenizer(source *s)
{
    nb_json *tok = NULL, *map = NULL, *gen = NULL, *added = NULL;
    nb_status st = put_spm(s);
    if (st == NB_OK)
        st = load_optional(&tok, s->dir, "tokenizer_config.json", s->err);
    if (st == NB_OK)
        st = load_optional(&map, s->dir, "special_tokens_map.json", s->err);
    if (st == NB_OK)
        st = load_optional(&gen, s->dir, "generation_config.json", s->err);
    if (st == NB_OK)
        st = load_optional(&added, s->dir, "added_tokens.json", s->err);
    const nb_jval *tok_root = tok ? nb_json_root(tok) : NULL;
    if (st == NB_OK && (tok_root || added))
        st = add_tokens(s, tok_root, added ? nb_json_root(added) : NULL);
    if (st == NB_OK)
        st = put_special(s, tok_root, map ? nb_json_root(map) : NULL,
                         gen ? nb_json_root(gen) : NULL);
    if (st == NB_OK && tok_root)
        st = put_template(s, tok_root);
    nb_json_close(&tok);
    nb_json_close(&map);
    nb_json_close(&gen);
    nb_json_close(&added);
    return st;
}

/* --- together -----------------------------------------------------------------------------------
 */

static nb_status load_config(nb_json **doc, const char *dir, nb_err *err)
{
    char path[PATH_MAX];
    if (!nb_path_join(path, sizeof path, dir, "config.json"))
        return nb_fail(err, NB_NOTFOUND, "%s: path is too long", dir);
    return nb_json_load(doc, path, MAX_CONFIG, err);
}

nb_status nb_hf_keys(nb_kvs *kvs, const char *dir, nb_err *err)
{
    source s = {.dir = dir, .kvs = kvs, .err = err};
    NB_TRY(load_config(&s.config, dir, err));
    s.root = nb_json_root(s.config);
    nb_status st = find_class(&s);
    if (st == NB_OK)
        st = nb_hf_identity(s.kvs, dir, s.root, s.arch->gguf, s.err);
    if (st == NB_OK)
        st = put_sizes(&s);
    if (st == NB_OK)
        st = put_scaling(&s);
    if (st == NB_OK)
        st = put_tokenizer(&s);
    nb_json_close(&s.config);
    return st;
}

/* Wavelength by wavelength: long ones are slowed by the factor, short ones kept, a smooth step
 * between (transformers, modeling_rope_utils; llama.cpp convert_hf_to_gguf). */
static void llama3_factors(float *out, size_t n, double base, double factor, double low,
                           double high, double old)
{
    for (size_t i = 0; i < n; i++) {
        double freq = pow(base, -(double)i / (double)n);
        double wave = 2 * 3.14159265358979323846 / freq;
        double smooth = (old / wave - low) / (high - low);
        out[i] = (float)(wave < old / high  ? 1.0
                         : wave > old / low ? factor
                                            : 1.0 / ((1 - smooth) / factor + smooth));
    }
}

nb_status nb_hf_rope_freqs(const char *dir, float **out, size_t *n, nb_err *err)
{
    nb_json *doc = NULL;
    *out = NULL;
    NB_TRY(load_config(&doc, dir, err));
    const nb_jval *root = nb_json_root(doc), *scaling = scaling_of(root);
    const char *type = scaling_type(scaling);
    double base = 10000, factor = 8, low = 1, high = 4, old = 8192;
    int64_t width = 0, heads = 1, dim = 0;
    nb_status st = NB_OK;
    if (!type || strcmp(type, "llama3") != 0)
        goto out;
    if ((st = nb_jneed_int(doc, root, "hidden_size", 1, MAX_DIM, &width, err)) ||
        (st = nb_jneed_int(doc, root, "num_attention_heads", 1, 4096, &heads, err)))
        goto out;
    dim = width / heads;
    if ((st = nb_jopt_int(doc, root, "head_dim", 2, 65536, &dim, err)) ||
        (st = nb_jopt_num(doc, root, "rope_theta", 1, 1e12, &base, err)) ||
        (st = nb_jopt_num(doc, nb_jget(root, "rope_parameters"), "rope_theta", 1, 1e12, &base,
                          err)) ||
        (st = nb_jopt_num(doc, scaling, "factor", 1, 1e6, &factor, err)) ||
        (st = nb_jopt_num(doc, scaling, "low_freq_factor", 1e-3, 1e6, &low, err)) ||
        (st = nb_jopt_num(doc, scaling, "high_freq_factor", 1e-3, 1e6, &high, err)) ||
        (st = nb_jopt_num(doc, scaling, "original_max_position_embeddings", 1, 1e9, &old, err)))
        goto out;
    if (high <= low || dim < 2) {
        st = nb_fail(err, NB_FORMAT,
                     "%s/config.json: rope_scaling: high_freq_factor is not above low", dir);
        goto out;
    }
    *n = (size_t)dim / 2;
    *out = nb_alloc(*n, sizeof **out, "rope factors", err);
    if (*out)
        llama3_factors(*out, *n, base, factor, low, high, old);
    else
        st = NB_NOMEM;
out:
    nb_json_close(&doc);
    return st;
}
