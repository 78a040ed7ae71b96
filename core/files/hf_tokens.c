/* tokenizer.model or tokenizer.json and the small files beside them -> tokenizer.* keys
 * (llama.cpp @ 2bbcf7f, conversion/base.py; gguf-py/gguf/vocab.py). */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/file.h"
#include "core/files/hf_private.h"

enum {
    MAX_FILE = 32 << 20,
    MAX_SPM = 128 << 20,
    MAX_TEMPLATE = 1 << 20,
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

static bool is_between(const char *text, const char *start, const char *end)
{
    size_t n = strlen(text), a = strlen(start), b = strlen(end);
    return n >= a + b && memcmp(text, start, a) == 0 && memcmp(text + n - b, end, b) == 0;
}

/* Control even when not marked special, as in llama.cpp's converter (does_token_look_special). */
static bool looks_special(const char *text)
{
    static const char *const whole[] = {"<pad>", "<mask>", "<2mass>", "[@BOS@]"};
    for (size_t i = 0; i < countof(whole); i++)
        if (strcmp(text, whole[i]) == 0)
            return true;
    return is_between(text, "<|", "|>") || is_between(text, "<unused", ">") ||
           is_between(text, "<\xef\xbd\x9c", "\xef\xbd\x9c>"); /* U+FF5C */
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
        special = special || (!plain && looks_special(text));
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

static nb_status put_special(nb_hf_config *c, const nb_jval *tok, const nb_jval *map,
                             const nb_jval *gen)
{
    static const struct {
        const char *text, *number, *key;
    } row[] = {{"bos_token", "bos_token_id", "tokenizer.ggml.bos_token_id"},
               {"eos_token", "eos_token_id", "tokenizer.ggml.eos_token_id"},
               {"unk_token", "unk_token_id", "tokenizer.ggml.unknown_token_id"},
               {"pad_token", "pad_token_id", "tokenizer.ggml.padding_token_id"}};
    for (size_t i = 0; i < countof(row); i++) {
        uint32_t id;
        uint64_t n = (uint64_t)c->vocab;
        if (id_by_text(c->kvs, nb_jget(tok, row[i].text), &id) ||
            id_by_text(c->kvs, nb_jget(map, row[i].text), &id) ||
            id_by_number(nb_hf_get(c, row[i].number), n, &id) ||
            id_by_number(nb_jget(gen, row[i].number), n, &id))
            NB_TRY(nb_kvs_put_u32(c->kvs, row[i].key, id, c->err));
    }
    static const struct {
        const char *json, *key;
    } flag[] = {{"add_bos_token", "tokenizer.ggml.add_bos_token"},
                {"add_eos_token", "tokenizer.ggml.add_eos_token"},
                {"add_prefix_space", "tokenizer.ggml.add_space_prefix"}};
    for (size_t i = 0; i < countof(flag); i++) {
        bool v;
        if (nb_jbool(nb_jget(tok, flag[i].json), &v))
            NB_TRY(nb_kvs_put_bool(c->kvs, flag[i].key, v, c->err));
    }
    return NB_OK;
}

/* chat_template: a string, a list of named ones (default counts), or a file of its own. */
static nb_status put_template(nb_hf_config *c, const nb_jval *tok)
{
    const nb_jval *v = nb_jget(tok, "chat_template");
    const char *text = NULL, *name;
    char path[PATH_MAX];
    if (nb_path_join(path, sizeof path, c->dir, "chat_template.jinja") && nb_exists(path)) {
        char *file;
        size_t n;
        NB_TRY(nb_file_read(&file, &n, path, MAX_TEMPLATE, c->err));
        nb_status st = nb_kvs_put_str(c->kvs, "tokenizer.chat_template", file, n, c->err);
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
        return nb_fail(c->err, NB_FORMAT, "%s/tokenizer_config.json: chat_template over %d bytes",
                       c->dir, MAX_TEMPLATE);
    return nb_kvs_put_str(c->kvs, "tokenizer.chat_template", text, strlen(text), c->err);
}

/* Ids that llama.cpp's converter knows by heart: of CodeGemma, written for every Gemma of the first
 * generation, and of CodeLlama, known by the size of its vocabulary (conversion/gemma.py,
 * llama.py). */
static nb_status put_known_ids(nb_hf_config *c)
{
    static const char *const key[] = {"prefix", "suffix", "middle", "eot"};
    static const uint32_t gemma[] = {67, 69, 68, 107}, llama[] = {32007, 32008, 32009, 32010};
    bool is_gemma = c->class->flags & NB_HF_CODE_GEMMA;
    bool is_llama = (c->class->flags & NB_HF_ROPE_DIMS) && c->vocab == 32016;
    for (size_t i = 0; i < countof(key) && (is_gemma || is_llama); i++) {
        char name[64];
        uint32_t id = is_gemma ? gemma[i] : llama[i];
        snprintf(name, sizeof name, "tokenizer.ggml.%s_token_id", key[i]);
        if (id < c->vocab && !nb_kvs_find(c->kvs, name))
            NB_TRY(nb_kvs_put_u32(c->kvs, name, id, c->err));
    }
    return NB_OK;
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
    nb_json *tok, *map, *gen, *added;
} side_files;

static const nb_jval *root_of(const nb_json *doc)
{
    return doc ? nb_json_root(doc) : NULL;
}

static nb_status load_side_files(const nb_hf_config *c, side_files *f)
{
    NB_TRY(load_optional(&f->tok, c->dir, "tokenizer_config.json", c->err));
    NB_TRY(load_optional(&f->map, c->dir, "special_tokens_map.json", c->err));
    NB_TRY(load_optional(&f->gen, c->dir, "generation_config.json", c->err));
    return load_optional(&f->added, c->dir, "added_tokens.json", c->err);
}

static nb_status put_side_files(nb_hf_config *c, const side_files *f)
{
    const nb_jval *tok = root_of(f->tok);
    if (tok || f->added)
        NB_TRY(add_tokens(c, tok, root_of(f->added)));
    NB_TRY(put_special(c, tok, root_of(f->map), root_of(f->gen)));
    return tok ? put_template(c, tok) : NB_OK;
}

static nb_status read_spm(nb_hf_config *c, const char *path)
{
    side_files f = {0};
    NB_TRY(put_spm(c, path));
    nb_status st = load_side_files(c, &f);
    if (st == NB_OK)
        st = put_side_files(c, &f);
    nb_json_close(&f.tok);
    nb_json_close(&f.map);
    nb_json_close(&f.gen);
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
