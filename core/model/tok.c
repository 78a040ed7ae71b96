#include "core/model/tok.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/str.h"
#include "core/model/tok_spm.h"

enum { MAX_VOCAB = 1 << 20 }; /* reliability.md 4 */

static const uint8_t mark[3] = {0xe2, 0x96, 0x81}; /* U+2581, SentencePiece's space */

/* Spellings that end an answer whatever the file's keys say (llama-vocab.cpp, special_eog_ids). */
static const char *const end_names[] = {
    "<|eot_id|>", "<|im_end|>",      "<|end|>",    "<end_of_turn>",   "<|endoftext|>", "<|eom_id|>",
    "<EOT>",      "<|end_of_text|>", "<|return|>", "<|end_of_turn|>", "<|endofturn|>"};

static size_t find_mark(const uint8_t *bytes, size_t n, size_t from)
{
    for (size_t i = from; i + sizeof mark <= n; i++)
        if (memcmp(bytes + i, mark, sizeof mark) == 0)
            return i;
    return n;
}

static const nb_kv *array_of(const nb_kvs *kvs, const char *key)
{
    const nb_kv *kv = nb_kvs_find(kvs, key);
    return kv && kv->type == NB_KV_ARRAY ? kv : NULL;
}

static nb_status read_pieces(nb_tok *t, const nb_kvs *kvs, nb_err *err)
{
    const nb_kv *kv = array_of(kvs, "tokenizer.ggml.tokens");
    if (!kv || kv->elem != NB_KV_STRING)
        return nb_fail(err, NB_FORMAT, "tokenizer.ggml.tokens: no array of strings");
    if (kv->n < 1 || kv->n > MAX_VOCAB)
        return nb_fail(err, NB_FORMAT, "tokenizer.ggml.tokens: %llu tokens, expected 1..%d",
                       (unsigned long long)kv->n, MAX_VOCAB);
    if (kv->nbytes > UINT32_MAX)
        return nb_fail(err, NB_FORMAT, "tokenizer.ggml.tokens: %llu bytes are too many",
                       (unsigned long long)kv->nbytes);
    t->n = (uint32_t)kv->n;
    t->text = nb_alloc(kv->nbytes + 1, 1, "tokenizer", err);
    t->at = nb_alloc(t->n + 1, sizeof *t->at, "tokenizer", err);
    if (!t->text || !t->at)
        return NB_NOMEM;
    const uint8_t *cursor = NULL;
    const char *s;
    size_t len;
    uint32_t i = 0, used = 0;
    for (; i < t->n && nb_kv_next_string(kv, &cursor, &s, &len); i++) {
        if (len > kv->nbytes - used)
            break;
        memcpy(t->text + used, s, len);
        t->at[i] = used;
        used += (uint32_t)len;
    }
    if (i < t->n)
        return nb_fail(err, NB_FORMAT, "tokenizer.ggml.tokens: cut short at token %u", i);
    t->at[i] = used;
    return NB_OK;
}

/* Element count and type agree with the tokens; absent (*out NULL) is fine. */
static nb_status numbers_of(const nb_tok *t, const nb_kvs *kvs, const char *key, const nb_kv **out,
                            nb_err *err)
{
    const nb_kv *kv = nb_kvs_find(kvs, key);
    if (kv && (kv->type != NB_KV_ARRAY || kv->elem == NB_KV_STRING || kv->elem == NB_KV_ARRAY))
        return nb_fail(err, NB_FORMAT, "%s: no array of numbers", key);
    if (kv && kv->n != t->n)
        return nb_fail(err, NB_FORMAT, "%s: %llu values for %u tokens", key,
                       (unsigned long long)kv->n, t->n);
    *out = kv;
    return NB_OK;
}

static nb_status read_numbers(nb_tok *t, const nb_kvs *kvs, nb_err *err)
{
    const nb_kv *scores, *kinds;
    NB_TRY(numbers_of(t, kvs, "tokenizer.ggml.scores", &scores, err));
    NB_TRY(numbers_of(t, kvs, "tokenizer.ggml.token_type", &kinds, err));
    t->score = nb_alloc(t->n, sizeof *t->score, "tokenizer", err);
    t->kind = nb_alloc(t->n, 1, "tokenizer", err);
    t->end = nb_alloc(t->n, 1, "tokenizer", err);
    if (!t->score || !t->kind || !t->end)
        return NB_NOMEM;
    for (uint32_t i = 0; i < t->n; i++) {
        double v = 0;
        if (scores && (!nb_kv_elem_num(scores, i, &v) || isnan(v) || fabs(v) > 3e38))
            return nb_fail(err, NB_FORMAT, "tokenizer.ggml.scores: token %u has no finite score",
                           i);
        t->score[i] = (float)v;
        v = NB_PIECE_NORMAL;
        if (kinds && (!nb_kv_elem_num(kinds, i, &v) || !(v >= 0 && v < NB_PIECE_KINDS)))
            return nb_fail(err, NB_FORMAT,
                           "tokenizer.ggml.token_type: token %u is of no known type", i);
        t->kind[i] = (uint8_t)v;
    }
    return NB_OK;
}

static int hex(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* "<0x41>" -> 0x41; -1 when it is not spelled so. */
static int byte_of(const uint8_t *s, size_t n)
{
    if (n != 6 || memcmp(s, "<0x", 3) != 0 || s[5] != '>' || hex(s[3]) < 0 || hex(s[4]) < 0)
        return -1;
    return hex(s[3]) * 16 + hex(s[4]);
}

static bool looks_special(const uint8_t *s, size_t n)
{
    return n >= 4 && s[0] == '<' && s[1] == '|' && s[n - 2] == '|' && s[n - 1] == '>';
}

/* Settles what each token is and how it prints. A user-defined <|x|> counts as control, as in
 * llama.cpp's converter, so that text cannot name it (A6); a user-defined one with a space mark is
 * an ordinary piece. */
static nb_status settle(nb_tok *t, nb_err *err)
{
    t->shown = nb_alloc((uint64_t)t->at[t->n] + 1, 1, "tokenizer", err);
    t->shown_at = nb_alloc(t->n + 1, sizeof *t->shown_at, "tokenizer", err);
    if (!t->shown || !t->shown_at)
        return NB_NOMEM;
    memset(t->byte_id, 0xff, sizeof t->byte_id);
    t->words_split = true;
    uint32_t used = 0;
    for (uint32_t i = 0; i < t->n; i++) {
        const uint8_t *s = t->text + t->at[i];
        size_t n = t->at[i + 1] - t->at[i];
        if (t->kind[i] == NB_PIECE_USER && looks_special(s, n))
            t->kind[i] = NB_PIECE_CONTROL;
        if (t->kind[i] == NB_PIECE_USER && find_mark(s, n, 0) < n)
            t->kind[i] = NB_PIECE_NORMAL;
        if (t->kind[i] == NB_PIECE_NONE)
            t->kind[i] = NB_PIECE_NORMAL;
        t->shown_at[i] = used;
        if (t->kind[i] == NB_PIECE_BYTE) {
            int byte = byte_of(s, n);
            if (byte < 0)
                return nb_fail(err, NB_FORMAT,
                               "tokenizer.ggml.tokens: token %u is a byte but not spelled <0x00> "
                               "to <0xFF>",
                               i);
            t->byte_id[byte] = (int32_t)i;
            t->shown[used++] = (uint8_t)byte;
            continue;
        }
        bool word = t->kind[i] == NB_PIECE_NORMAL, after_text = false;
        for (size_t at = 0; at < n;) {
            bool space = word && n - at >= sizeof mark && memcmp(s + at, mark, sizeof mark) == 0;
            if (space && after_text)
                t->words_split = false;
            after_text = after_text || !space;
            t->shown[used++] = space ? ' ' : s[at];
            at += space ? sizeof mark : 1;
        }
    }
    t->shown_at[t->n] = used;
    return NB_OK;
}

/* Key absent: `fallback` where the vocabulary has it, else none. */
static nb_status read_id(const nb_tok *t, const nb_kvs *kvs, const char *key, int32_t fallback,
                         int32_t *out, nb_err *err)
{
    uint64_t v;
    if (!nb_kvs_find(kvs, key)) {
        *out = fallback >= 0 && (uint32_t)fallback < t->n ? fallback : -1;
        return NB_OK;
    }
    if (!nb_kvs_uint(kvs, key, &v))
        return nb_fail(err, NB_FORMAT, "%s: no whole number", key);
    if (v >= t->n)
        return nb_fail(err, NB_FORMAT, "%s: %llu, but there are %u tokens", key,
                       (unsigned long long)v, t->n);
    *out = (int32_t)v;
    return NB_OK;
}

static nb_status read_flag(const nb_kvs *kvs, const char *key, bool fallback, bool *out,
                           nb_err *err)
{
    *out = fallback;
    if (nb_kvs_find(kvs, key) && !nb_kvs_bool(kvs, key, out))
        return nb_fail(err, NB_FORMAT, "%s: no bool", key);
    return NB_OK;
}

/* Defaults as llama-vocab.cpp has them for the "llama" tokenizer. */
static nb_status read_ids(nb_tok *t, const nb_kvs *kvs, nb_err *err)
{
    int32_t eot, eom;
    NB_TRY(read_id(t, kvs, "tokenizer.ggml.bos_token_id", 1, &t->bos, err));
    NB_TRY(read_id(t, kvs, "tokenizer.ggml.eos_token_id", 2, &t->eos, err));
    NB_TRY(read_id(t, kvs, "tokenizer.ggml.unknown_token_id", 0, &t->unk, err));
    NB_TRY(read_id(t, kvs, "tokenizer.ggml.eot_token_id", -1, &eot, err));
    NB_TRY(read_id(t, kvs, "tokenizer.ggml.eom_token_id", -1, &eom, err));
    NB_TRY(read_flag(kvs, "tokenizer.ggml.add_bos_token", true, &t->add_bos, err));
    NB_TRY(read_flag(kvs, "tokenizer.ggml.add_space_prefix", true, &t->add_space, err));
    const int32_t ends[] = {t->eos, eot, eom};
    for (size_t i = 0; i < countof(ends); i++)
        if (ends[i] >= 0)
            t->end[ends[i]] = 1;
    for (size_t i = 0; i < countof(end_names); i++) {
        int32_t id = nb_tok_special(t, end_names[i]);
        if (id >= 0)
            t->end[id] = 1;
    }
    return NB_OK;
}

static nb_status load(nb_tok *t, const nb_kvs *kvs, nb_err *err)
{
    NB_TRY(read_pieces(t, kvs, err));
    NB_TRY(read_numbers(t, kvs, err));
    NB_TRY(settle(t, err));
    NB_TRY(nb_spell_build(&t->words, t, 1u << NB_PIECE_NORMAL, err));
    NB_TRY(nb_spell_build(&t->specials, t, 1u << NB_PIECE_CONTROL | 1u << NB_PIECE_USER, err));
    NB_TRY(nb_specials_build(t, err));
    return read_ids(t, kvs, err);
}

nb_status nb_tok_open(nb_tok **out, const nb_kvs *kvs, nb_err *err)
{
    const char *model;
    size_t len;
    if (!nb_kvs_str(kvs, "tokenizer.ggml.model", &model, &len))
        return nb_fail(err, NB_UNSUPPORTED, "the model has no tokenizer (tokenizer.ggml.model)");
    if (len != 5 || memcmp(model, "llama", 5) != 0)
        return nb_fail(err, NB_UNSUPPORTED,
                       "tokenizer \"%.*s\": only \"llama\" (SentencePiece) runs",
                       len > 40 ? 40 : (int)len, model);
    nb_tok *t = nb_alloc(1, sizeof *t, "tokenizer", err);
    if (!t)
        return NB_NOMEM;
    nb_status status = load(t, kvs, err);
    if (status != NB_OK) {
        nb_tok_close(&t);
        return status;
    }
    *out = t;
    return NB_OK;
}

void nb_tok_close(nb_tok **tp)
{
    nb_tok *t = *tp;
    if (!t)
        return;
    free(t->text);
    free(t->at);
    free(t->shown);
    free(t->shown_at);
    free(t->score);
    free(t->kind);
    free(t->end);
    free(t->words.slot);
    free(t->specials.slot);
    free(t->sorted);
    free(t);
    *tp = NULL;
}

/* The special token at text[at], parsed within its span alone; user-defined ones anywhere. */
static const nb_special *special_in(const nb_tok *t, const uint8_t *s, size_t at, size_t len,
                                    const nb_tok_span *span)
{
    const nb_special *found = NULL;
    if (!t->starts[s[at]])
        return NULL;
    if (span->special)
        found = nb_special_at(t, s + at, span->end - at, true);
    return found ? found : nb_special_at(t, s + at, len - at, false);
}

size_t nb_tok_encode_spans(const nb_tok *t, const char *text, const nb_tok_span *span,
                           size_t n_span, unsigned flags, int32_t *out, size_t cap)
{
    const uint8_t *s = (const uint8_t *)text;
    size_t len = n_span ? span[n_span - 1].end : 0;
    nb_ids ids = {.out = out, .cap = cap};
    if (flags & NB_TOK_BOS && t->add_bos && t->bos >= 0)
        nb_ids_put(&ids, t->bos);
    bool space = t->add_space && !(flags & NB_TOK_NO_PREFIX);
    for (size_t from = 0, at = 0; from < len; from = at) {
        const nb_special *special = NULL;
        for (; at < len && !special; at += !special) {
            while (span->end <= at)
                span++;
            special = special_in(t, s, at, len, span);
        }
        if (at > from) {
            if (!nb_spm_encode(t, s + from, at - from, space, &ids))
                return SIZE_MAX;
            space = false;
        }
        if (special) {
            nb_ids_put(&ids, special->id);
            at += special->len;
            space = t->add_space;
        }
    }
    return ids.n;
}

size_t nb_tok_encode(const nb_tok *t, const char *text, size_t len, unsigned flags, int32_t *out,
                     size_t cap)
{
    const nb_tok_span whole = {len, flags & NB_TOK_SPECIAL};
    return nb_tok_encode_spans(t, text, &whole, 1, flags, out, cap);
}

size_t nb_tok_piece(const nb_tok *t, int32_t id, bool special, const char **bytes)
{
    *bytes = "";
    if (id < 0 || (uint32_t)id >= t->n)
        return 0;
    unsigned kind = t->kind[id];
    if (!special &&
        (kind == NB_PIECE_CONTROL || kind == NB_PIECE_UNKNOWN || kind == NB_PIECE_UNUSED))
        return 0;
    *bytes = (const char *)t->shown + t->shown_at[id];
    return t->shown_at[id + 1] - t->shown_at[id];
}

nb_status nb_tok_decode(const nb_tok *t, const int32_t *ids, size_t n, bool start, bool special,
                        char **out, size_t *len, nb_err *err)
{
    nb_str text = {0};
    bool strip = start && t->add_space; /* a space stands here that encode put in */
    nb_str_addn(&text, "", 0);
    for (size_t i = 0; i < n; i++) {
        const char *bytes;
        size_t k = nb_tok_piece(t, ids[i], special, &bytes);
        bool special_token = nb_tok_space_follows(t, ids[i]);
        size_t skip = strip && !special_token && k > 0 && bytes[0] == ' ';
        nb_str_addn(&text, bytes + skip, k - skip);
        if (special_token || k > 0)
            strip = special_token;
    }
    nb_str_addn(&text, "", 1); /* a NUL of its own: the text may be empty */
    if (text.failed) {
        nb_str_free(&text);
        return nb_fail(err, NB_NOMEM, "not enough memory for the text of %zu tokens", n);
    }
    *len = text.len - 1;
    *out = text.at;
    return NB_OK;
}

uint32_t nb_tok_count(const nb_tok *t)
{
    return t->n;
}

int32_t nb_tok_bos(const nb_tok *t)
{
    return t->bos;
}

int32_t nb_tok_eos(const nb_tok *t)
{
    return t->eos;
}

bool nb_tok_is_end(const nb_tok *t, int32_t id)
{
    return id >= 0 && (uint32_t)id < t->n && t->end[id];
}

bool nb_tok_is_control(const nb_tok *t, int32_t id)
{
    return id >= 0 && (uint32_t)id < t->n && t->kind[id] == NB_PIECE_CONTROL;
}

bool nb_tok_space_follows(const nb_tok *t, int32_t id)
{
    return t->add_space && id >= 0 && (uint32_t)id < t->n &&
           (t->kind[id] == NB_PIECE_CONTROL || t->kind[id] == NB_PIECE_USER);
}

int32_t nb_tok_special(const nb_tok *t, const char *spelling)
{
    return nb_spell_find(t, &t->specials, (const uint8_t *)spelling, strlen(spelling));
}
