/* tokenizer.model or tokenizer.json and the small files beside them -> tokenizer.* keys
 * (llama.cpp @ 2bbcf7f, conversion/base.py; gguf-py/gguf/vocab.py). */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/file.h"
#include "core/files/hf_private.h"
#include "core/files/tok_json.h"

enum {
    MAX_FILE = 32 << 20,
    MAX_SPM = 128 << 20,
    TOKEN_CONTROL = 3,
    TOKEN_USER = 4,
};

static nb_status load_optional(nb_json **doc, const char *dir, const char *name, nb_err *err)
{
    char path[PATH_MAX];
    *doc = NULL;
    if (!nb_path_join(path, sizeof path, dir, name) || !nb_exists(path))
        return NB_OK;
    return nb_json_load(doc, path, MAX_FILE, err);
}

static nb_status put_spm(nb_hf_config *c, const char *path)
{
    char *bytes;
    size_t n;
    NB_TRY(nb_file_read(&bytes, &n, path, MAX_SPM, c->err));
    if (!c->vocab)
        c->vocab = (int64_t)nb_spm_count((const uint8_t *)bytes, n);
    nb_status st = nb_spm_keys(c->kvs, (const uint8_t *)bytes, n, (uint64_t)c->vocab, path, c->err);
    free(bytes);
    return st;
}

/* --- added tokens -------------------------------------------------------------------------------
 */

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

static void set_token(token_list *t, size_t id, const char *text, int32_t type, bool spaced)
{
    t->text[id] = text;
    t->len[id] = strlen(text);
    t->score[id] = -1000.0f;
    t->type[id] = type;
    t->spaced[id] = spaced;
}

/* added_tokens.json: {"text": id}. */
static nb_status add_plain_tokens(const nb_hf_config *c, token_list *t, const nb_jval *root)
{
    for (const nb_jval *v = nb_jfirst(root); v; v = nb_jnext(v)) {
        int64_t id;
        if (!nb_jkey(v) || !nb_jint(v, &id) || id < 0)
            return nb_fail(c->err, NB_FORMAT, "%s/added_tokens.json: entry \"%.40s\" has no id",
                           c->dir, nb_jkey(v) ? nb_jkey(v) : "");
        if ((uint64_t)id < t->n)
            set_token(t, (size_t)id, nb_jkey(v), TOKEN_USER, false);
    }
    return NB_OK;
}

/* tokenizer_config.json: added_tokens_decoder {"id": {"content": text, "special": bool}}. */
static nb_status add_described_tokens(const nb_hf_config *c, token_list *t, const nb_jval *root)
{
    const nb_jval *v = nb_jfirst(nb_jget(root, "added_tokens_decoder"));
    for (; v; v = nb_jnext(v)) {
        uint64_t id;
        const char *text;
        bool special = false;
        if (!nb_jkey(v) || !nb_parse_u64(nb_jkey(v), &id) || !nb_jstr(nb_jget(v, "content"), &text))
            return nb_fail(c->err, NB_FORMAT,
                           "%s/tokenizer_config.json: added_tokens_decoder: entry \"%.40s\"",
                           c->dir, nb_jkey(v) ? nb_jkey(v) : "");
        if (id >= t->n)
            continue;
        nb_jbool(nb_jget(v, "special"), &special);
        bool plain = c->class->flags & NB_HF_PLAIN_ADDED;
        special = special || (!plain && nb_tok_looks_special(text));
        set_token(t, (size_t)id, text, special ? TOKEN_CONTROL : TOKEN_USER, !special && !plain);
    }
    return NB_OK;
}

static nb_status add_tokens(nb_hf_config *c, const nb_jval *tok, const nb_jval *added)
{
    token_list t = {0};
    nb_status st = tokens_take(&t, c->kvs, c->err);
    if (st == NB_OK)
        st = add_plain_tokens(c, &t, added);
    if (st == NB_OK)
        st = add_described_tokens(c, &t, tok);
    if (st == NB_OK)
        st = tokens_put(&t, c->kvs, c->err);
    tokens_free(&t);
    return st;
}

/* The end of a turn that llama.cpp's converter knows by heart: CodeGemma's, written for every Gemma
 * of the first generation, and CodeLlama's, known by the size of its vocabulary
 * (conversion/gemma.py, llama.py). */
static nb_status put_known_ids(nb_hf_config *c)
{
    static const char key[] = "tokenizer.ggml.eot_token_id";
    bool is_gemma = c->class->flags & NB_HF_CODE_GEMMA;
    bool is_llama = (c->class->flags & NB_HF_ROPE_DIMS) && c->vocab == 32016;
    uint32_t id = is_gemma ? 107 : 32010;
    if ((!is_gemma && !is_llama) || id >= c->vocab || nb_kvs_find(c->kvs, key))
        return NB_OK;
    return nb_kvs_put_u32(c->kvs, key, id, c->err);
}

/* After everything the files say. */
static nb_status put_overrides(nb_hf_config *c)
{
    NB_TRY(put_known_ids(c));
    if (c->class->flags & NB_HF_NO_SPACE && nb_kvs_find(c->kvs, "tokenizer.ggml.scores"))
        NB_TRY(nb_kvs_put_bool(c->kvs, "tokenizer.ggml.add_space_prefix", false, c->err));
    /* small Granite models, by the size of their vocabulary (conversion/llama.py) */
    if ((c->class->flags & NB_HF_ROPE_DIMS) && c->vocab == 49152)
        NB_TRY(nb_kvs_put_bool(c->kvs, "tokenizer.ggml.add_bos_token", false, c->err));
    return NB_OK;
}

typedef struct side_files {
    nb_json *tok, *added;
} side_files;

static const nb_jval *root_of(const nb_json *doc)
{
    return doc ? nb_json_root(doc) : NULL;
}

static nb_status load_side_files(const nb_hf_config *c, side_files *f)
{
    NB_TRY(load_optional(&f->tok, c->dir, "tokenizer_config.json", c->err));
    return load_optional(&f->added, c->dir, "added_tokens.json", c->err);
}

static nb_status put_side_files(nb_hf_config *c, const side_files *f)
{
    const nb_jval *tok = root_of(f->tok);
    if (tok || f->added)
        NB_TRY(add_tokens(c, tok, root_of(f->added)));
    return nb_tok_special_keys(c->kvs, c->dir, NULL, c->err);
}

static nb_status read_spm(nb_hf_config *c, const char *path)
{
    side_files f = {0};
    NB_TRY(put_spm(c, path));
    nb_status st = load_side_files(c, &f);
    if (st == NB_OK)
        st = put_side_files(c, &f);
    nb_json_close(&f.tok);
    nb_json_close(&f.added);
    return st;
}

static nb_status read_json(nb_hf_config *c)
{
    nb_status st = nb_tok_json_keys(c->kvs, c->dir, (uint64_t)c->vocab, c->err);
    if (st == NB_NOTFOUND)
        return nb_fail(c->err, NB_NOTFOUND,
                       "%s: neither tokenizer.model nor tokenizer.json is here", c->dir);
    return st;
}

nb_status nb_hf_keys_of_tokens(nb_hf_config *c)
{
    char path[PATH_MAX];
    bool spm = nb_path_join(path, sizeof path, c->dir, "tokenizer.model") && nb_exists(path);
    NB_TRY(spm ? read_spm(c, path) : read_json(c));
    const nb_kv *tokens = nb_kvs_find(c->kvs, "tokenizer.ggml.tokens");
    if (!c->vocab && tokens)
        c->vocab = (int64_t)tokens->n;
    return put_overrides(c);
}
