/* tokenizer.json (huggingface/tokenizers, tokenizers/src/tokenizer/serialization.rs) -> GGUF keys
 * as llama.cpp's converter writes them (convert_hf_to_gguf.py, get_vocab_base, _set_vocab_gpt2,
 * _set_vocab_llama_hf; gguf-py, SpecialVocab). One key is better than there: SentencePiece models
 * known only by their merges get scores that follow the merges' order; all-equal ones would join
 * other pairs. */
#include "core/files/tok_json.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/file.h"
#include "core/files/hf.h"

enum { MAX_FILE = 128 << 20 }; /* reliability.md 4 */

static const float pad_score = -10000.0f;

/* --- one directory's keys -----------------------------------------------------------------------
 */

typedef struct target {
    nb_tok_json tok;
    nb_tok_words words;
    nb_kvs *kvs;
    size_t n; /* rows of the embedding */
    nb_err *err;
} target;

static const char *spelling(const nb_tok_json *t, size_t id)
{
    return nb_str_c(&t->bytes) + t->entry[id].at;
}

static nb_status put_tokens(target *x)
{
    nb_str all = {0};
    for (size_t i = 0; i < x->n; i++) {
        char pad[24];
        if (i < x->tok.n && x->tok.entry[i].set) {
            nb_kv_add_str(&all, spelling(&x->tok, i), x->tok.entry[i].len);
        } else {
            int len = snprintf(pad, sizeof pad, "[PAD%zu]", i);
            nb_kv_add_str(&all, pad, (size_t)len);
        }
    }
    nb_status st = nb_kvs_put_strs(x->kvs, "tokenizer.ggml.tokens", &all, x->n, x->err);
    nb_str_free(&all);
    return st;
}

static nb_status put_types(target *x)
{
    int32_t *type = nb_alloc(x->n, sizeof *type, "token types", x->err);
    if (!type)
        return NB_NOMEM;
    for (size_t i = 0; i < x->n; i++)
        type[i] = i < x->tok.n && x->tok.entry[i].set ? (int32_t)x->tok.entry[i].type
                                                      : (int32_t)NB_TOK_UNUSED;
    nb_status st = nb_kvs_put_i32s(x->kvs, "tokenizer.ggml.token_type", type, x->n, x->err);
    free(type);
    return st;
}

static nb_status put_scores(target *x)
{
    float *score = nb_alloc(x->n, sizeof *score, "token scores", x->err);
    if (!score)
        return NB_NOMEM;
    for (size_t i = 0; i < x->n; i++)
        score[i] = i < x->tok.n && x->tok.entry[i].set ? x->tok.entry[i].score : pad_score;
    nb_status st = nb_kvs_put_f32s(x->kvs, "tokenizer.ggml.scores", score, x->n, x->err);
    free(score);
    return st;
}

/* --- scores from merges -------------------------------------------------------------------------
 */

typedef struct named { /* a token by spelling */
    const char *text;
    size_t len, id;
} named;

static int by_text(const void *a, const void *b)
{
    const named *x = a, *y = b;
    int c = memcmp(x->text, y->text, x->len < y->len ? x->len : y->len);
    return c ? c : (x->len > y->len) - (x->len < y->len);
}

/* "left right", without the space that parts them. */
static void joined(nb_str *out, const char *s, size_t n)
{
    const char *space = n > 1 ? memchr(s + 1, ' ', n - 1) : NULL;
    size_t left = space ? (size_t)(space - s) : n;
    nb_str_clear(out);
    nb_str_addn(out, s, left);
    if (space)
        nb_str_addn(out, space + 1, n - left - 1);
}

/* The earlier a merge, the higher the score of what it makes. */
static nb_status score_by_merges(nb_tok_json *t, nb_err *err)
{
    const nb_kv list = {.type = NB_KV_ARRAY,
                        .elem = NB_KV_STRING,
                        .n = t->n_merges,
                        .nbytes = t->merges.len,
                        .v.bytes = (const uint8_t *)nb_str_c(&t->merges)};
    named *token = nb_alloc(t->n + 1, sizeof *token, "tokens", err);
    if (!token)
        return NB_NOMEM;
    size_t n = 0;
    for (size_t i = 0; i < t->n; i++)
        if (t->entry[i].set && !t->entry[i].added) {
            t->entry[i].score = -(float)t->n_merges - 1;
            token[n++] = (named){spelling(t, i), t->entry[i].len, i};
        }
    qsort(token, n, sizeof *token, by_text);
    const uint8_t *at = NULL;
    nb_str whole = {0};
    named key = {0};
    for (size_t rank = 0; nb_kv_next_string(&list, &at, &key.text, &key.len); rank++) {
        joined(&whole, key.text, key.len);
        key.text = nb_str_c(&whole);
        key.len = whole.len;
        const named *hit = bsearch(&key, token, n, sizeof *token, by_text);
        if (hit && t->entry[hit->id].score < -(float)rank)
            t->entry[hit->id].score = -(float)rank;
    }
    nb_status st = whole.failed
                       ? nb_fail(err, NB_NOMEM, "not enough memory for %zu merges", t->n_merges)
                       : NB_OK;
    nb_str_free(&whole);
    free(token);
    return st;
}

/* --- models -------------------------------------------------------------------------------------
 */

static bool is_byte(const char *s, size_t n)
{
    static const char digits[] = "0123456789ABCDEFabcdef";
    return n == 6 && memcmp(s, "<0x", 3) == 0 && s[5] == '>' && s[3] && s[4] &&
           strchr(digits, s[3]) && strchr(digits, s[4]);
}

static void mark_bytes(nb_tok_json *t)
{
    for (size_t i = 0; i < t->n; i++)
        if (t->byte_fallback && t->entry[i].set && is_byte(spelling(t, i), t->entry[i].len))
            t->entry[i].type = NB_TOK_BYTE;
}

static nb_status put_names(target *x, const char *model, const char *pre)
{
    NB_TRY(nb_kvs_put_str(x->kvs, "tokenizer.ggml.model", model, strlen(model), x->err));
    return nb_kvs_put_str(x->kvs, "tokenizer.ggml.pre", pre, strlen(pre), x->err);
}

static nb_status put_byte_level(target *x)
{
    NB_TRY(put_names(x, "gpt2", x->words.pre));
    NB_TRY(put_tokens(x));
    NB_TRY(put_types(x));
    return nb_kvs_put_strs(x->kvs, "tokenizer.ggml.merges", &x->tok.merges, x->tok.n_merges,
                           x->err);
}

static nb_status put_marked(target *x)
{
    mark_bytes(&x->tok);
    NB_TRY(score_by_merges(&x->tok, x->err));
    NB_TRY(put_names(x, "llama", "default"));
    NB_TRY(put_tokens(x));
    NB_TRY(put_scores(x));
    NB_TRY(put_types(x));
    return nb_kvs_put_bool(x->kvs, "tokenizer.ggml.add_space_prefix", x->words.prefix, x->err);
}

/* base64 to the bytes it stands for, in place of out; false: it is none. */
static bool decode64(nb_str *out, const char *text)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint32_t bits = 0, n = 0;
    for (; *text && *text != '='; text++) {
        const char *digit = strchr(digits, *text);
        if (!digit)
            return false;
        bits = bits << 6 | (uint32_t)(digit - digits);
        if (++n % 4 == 0) {
            const uint8_t three[] = {(uint8_t)(bits >> 16), (uint8_t)(bits >> 8), (uint8_t)bits};
            nb_str_addn(out, three, sizeof three);
            bits = 0;
        }
    }
    const uint8_t rest[] = {(uint8_t)(n % 4 == 3 ? bits >> 10 : bits >> 4), (uint8_t)(bits >> 2)};
    nb_str_addn(out, rest, n % 4 == 3 ? 2 : n % 4 == 2);
    return n % 4 != 1 && strspn(text, "=") == strlen(text);
}

static nb_status put_charsmap(target *x, const char *text, const char *path)
{
    static const char key[] = "tokenizer.ggml.precompiled_charsmap";
    nb_str bytes = {0};
    nb_status st;
    if (!decode64(&bytes, text))
        st = nb_fail(x->err, NB_FORMAT, "%s: precompiled_charsmap is no base64", path);
    else if (bytes.failed)
        st = nb_fail(x->err, NB_NOMEM, "%s: no memory for precompiled_charsmap", path);
    else
        st = nb_kvs_put(x->kvs,
                        &(nb_kv){.key = key,
                                 .type = NB_KV_ARRAY,
                                 .elem = NB_KV_U8,
                                 .n = bytes.len,
                                 .nbytes = bytes.len,
                                 .v.bytes = (const uint8_t *)nb_str_c(&bytes)},
                        true, x->err);
    nb_str_free(&bytes);
    return st;
}

static nb_status put_unigram(target *x, const char *path)
{
    nb_tok_json *t = &x->tok;
    nb_tok_unigram u;
    NB_TRY(nb_tok_json_unigram(t, &u, path, x->err));
    mark_bytes(t);
    if (t->unk_id < x->n) {
        if (t->unk_id < t->n)
            t->entry[t->unk_id].type = NB_TOK_UNKNOWN;
        NB_TRY(
            nb_kvs_put_u32(x->kvs, "tokenizer.ggml.unknown_token_id", (uint32_t)t->unk_id, x->err));
    }
    NB_TRY(put_names(x, "t5", "default"));
    NB_TRY(put_tokens(x));
    NB_TRY(put_scores(x));
    NB_TRY(put_types(x));
    if (u.charsmap && *u.charsmap)
        NB_TRY(put_charsmap(x, u.charsmap, path));
    NB_TRY(nb_kvs_put_bool(x->kvs, "tokenizer.ggml.add_space_prefix", u.prefix, x->err));
    return nb_kvs_put_bool(x->kvs, "tokenizer.ggml.remove_extra_whitespaces", u.merge_spaces,
                           x->err);
}

static nb_status put_model(target *x, const char *path)
{
    nb_tok_json *t = &x->tok;
    const char *type = t->type[0] ? t->type : t->has_merges ? "BPE" : "";
    if (!*type)
        return nb_fail(x->err, NB_FORMAT, "%s: model has no type", path);
    if (strcmp(type, "Unigram") == 0 && t->scored)
        return put_unigram(x, path);
    if (strcmp(type, "BPE") != 0 || t->scored)
        return nb_fail(x->err, NB_UNSUPPORTED,
                       "%s: model %s is not supported (supported: BPE, Unigram)", path, type);
    NB_TRY(nb_tok_json_words(t, &x->words, path, x->err));
    if (x->words.cut == NB_TOK_BYTE_LEVEL)
        return put_byte_level(x);
    if (!t->byte_fallback)
        return nb_fail(x->err, NB_UNSUPPORTED,
                       "%s: BPE over marked spaces without byte_fallback is not supported", path);
    return put_marked(x);
}

/* tokenizer_config.json may hold added tokens that tokenizer.json does not: {"id": {"content":
 * text, "special": bool}}. */
static nb_status add_decoder_tokens(nb_tok_json *t, const char *dir, nb_err *err)
{
    char path[PATH_MAX];
    nb_json *doc = NULL;
    if (!nb_path_join(path, sizeof path, dir, "tokenizer_config.json") || !nb_exists(path))
        return NB_OK;
    NB_TRY(nb_json_load(&doc, path, MAX_FILE, err));
    nb_status st = NB_OK;
    const nb_jval *v = nb_jfirst(nb_jget(nb_json_root(doc), "added_tokens_decoder"));
    for (; v && st == NB_OK; v = nb_jnext(v)) {
        uint64_t id;
        const char *text;
        bool special = false;
        if (!nb_jkey(v) || !nb_parse_u64(nb_jkey(v), &id) || !nb_jstr(nb_jget(v, "content"), &text))
            st = nb_fail(err, NB_FORMAT, "%s: added_tokens_decoder: entry \"%.40s\"", path,
                         nb_jkey(v) ? nb_jkey(v) : "");
        else if (id >= t->n || !t->entry[id].added) {
            nb_jbool(nb_jget(v, "special"), &special);
            st = nb_tok_json_add(t, id, text, special, path, err);
        }
    }
    nb_json_close(&doc);
    return st;
}

nb_status nb_tok_json_keys(nb_kvs *kvs, const char *dir, uint64_t vocab_size, nb_err *err)
{
    char path[PATH_MAX];
    char *bytes = NULL;
    size_t n = 0;
    target x = {.kvs = kvs, .err = err};
    if (!nb_path_join(path, sizeof path, dir, "tokenizer.json"))
        return nb_fail(err, NB_NOTFOUND, "%s: path is too long", dir);
    if (vocab_size > NB_TOK_MAX_VOCAB)
        return nb_fail(err, NB_FORMAT, "%s: vocabulary of %llu tokens, limit %d", path,
                       (unsigned long long)vocab_size, NB_TOK_MAX_VOCAB);
    NB_TRY(nb_file_read(&bytes, &n, path, MAX_FILE, err));
    nb_status st = nb_tok_json_read(&x.tok, bytes, n, path, err);
    free(bytes);
    if (st == NB_OK)
        st = add_decoder_tokens(&x.tok, dir, err);
    x.n = vocab_size ? (size_t)vocab_size : x.tok.n; /* tokens past the rows have no meaning */
    if (st == NB_OK && x.n == 0)
        st = nb_fail(err, NB_FORMAT, "%s: no vocabulary", path);
    if (st == NB_OK)
        st = put_model(&x, path);
    if (st == NB_OK)
        st = nb_tok_special_keys(kvs, dir, x.tok.post, err);
    nb_tok_json_close(&x.tok);
    return st;
}
