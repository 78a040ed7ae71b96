#include "core/model/tok.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/str.h"
#include "core/model/tok_private.h"

nb_status nb_tok_open(nb_tok **out, const nb_kvs *kvs, nb_err *err)
{
    nb_tok *t = nb_alloc(1, sizeof *t, "tokenizer", err);
    if (!t)
        return NB_NOMEM;
    nb_status status = nb_tok_load(t, kvs, err);
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
    free(t->merges.slot);
    free(t->char_kinds);
    free(t->trie.node);
    free(t->charsmap.bytes);
    free(t);
    *tp = NULL;
}

static bool is_blank(uint8_t c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool encode_text(const nb_tok *t, nb_merger *m, const uint8_t *text, size_t len, bool space,
                        nb_ids *ids)
{
    switch (t->model) {
    case NB_TOK_BPE:
        return nb_bpe_encode(t, m, text, len, ids);
    case NB_TOK_UNIGRAM:
        return nb_unigram_encode(t, text, len, space, ids);
    default:
        return nb_spm_encode(t, m, text, len, space, ids);
    }
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
    nb_merger merger = {0};
    bool ok = true;
    if (flags & NB_TOK_BOS && nb_tok_adds(t, NB_TOK_BOS))
        nb_ids_put(&ids, t->bos);
    bool space = t->add_space && !(flags & NB_TOK_NO_PREFIX);
    for (size_t from = 0, at = 0; ok && from < len; from = at) {
        const nb_special *special = NULL;
        for (; at < len && !special; at += !special) {
            while (span->end <= at)
                span++;
            special = special_in(t, s, at, len, span);
        }
        if (at > from) {
            ok = encode_text(t, &merger, s + from, at - from, space, &ids);
            space = false;
        }
        if (special) {
            nb_ids_put(&ids, special->id);
            at += special->len;
            while (special->strip && span->special && at < len && is_blank(s[at]))
                at++;
            space = t->add_space;
        }
    }
    nb_merger_free(&merger);
    if (flags & NB_TOK_EOS && nb_tok_adds(t, NB_TOK_EOS))
        nb_ids_put(&ids, t->eos);
    return ok ? ids.n : SIZE_MAX;
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

bool nb_tok_adds(const nb_tok *t, unsigned flag)
{
    return flag == NB_TOK_BOS ? t->add_bos && t->bos >= 0 : t->add_eos && t->eos >= 0;
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
