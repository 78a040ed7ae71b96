#include "core/eval/reading.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/str.h"

static const char *const protocol_name[NB_PROTOCOL_COUNT] = {"llama-perplexity", "papers",
                                                             "strided"};

const char *nb_protocol_name(nb_protocol p)
{
    return protocol_name[p];
}

nb_protocol nb_protocol_find(const char *name)
{
    int i = 0;
    if (nb_same_word(name, "llama"))
        return NB_PROTOCOL_LLAMA;
    while (i < NB_PROTOCOL_COUNT && !nb_same_word(name, protocol_name[i]))
        i++;
    return (nb_protocol)i;
}

/* --- text --------------------------------------------------------------------------------------
 */

/* The papers' text: the dataset's rows are the file's lines with their ends, blank ones empty
 * (datasets' wikitext.py), and "\n\n" goes between rows (GPTQ's datautils.py). */
static nb_status join_rows(nb_str *out, const char *text, size_t len, nb_err *err)
{
    for (size_t at = 0; at < len;) {
        const char *nl = memchr(text + at, '\n', len - at);
        size_t n = nl ? (size_t)(nl - text) - at + 1 : len - at;
        bool blank = true;
        for (size_t i = 0; i < n && blank; i++)
            blank = strchr(" \t\r\n\v\f", text[at + i]) && text[at + i];
        if (at > 0)
            nb_str_add(out, "\n\n");
        if (!blank)
            nb_str_addn(out, text + at, n);
        at += n;
    }
    return out->failed ? nb_fail(err, NB_NOMEM, "text of %zu bytes: no memory", len) : NB_OK;
}

static nb_status token_ids(nb_reading *r, const nb_tok *tok, const char *text, size_t len,
                           uint32_t n_vocab, nb_err *err)
{
    size_t need = nb_tok_encode(tok, text, len, NB_TOK_BOS, NULL, 0);
    if (need == SIZE_MAX)
        return nb_fail(err, NB_NOMEM, "text of %zu bytes: no memory for its tokens", len);
    r->ids = nb_alloc(need + 1, sizeof *r->ids, "tokens of the text", err);
    if (!r->ids)
        return NB_NOMEM;
    if (nb_tok_encode(tok, text, len, NB_TOK_BOS, r->ids, need) != need)
        return nb_fail(err, NB_NOMEM, "text of %zu bytes: no memory for its tokens", len);
    r->tokens = r->n_ids = need;
    for (size_t i = 0; i < need; i++)
        if (r->ids[i] < 0 || (uint32_t)r->ids[i] >= n_vocab)
            return nb_fail(err, NB_FORMAT, "token %d of the text is outside the model's %u",
                           r->ids[i], n_vocab);
    return NB_OK;
}

/* --- chunks ------------------------------------------------------------------------------------
 */

static nb_status check_options(const nb_reading_options *o, nb_err *err)
{
    if (o->n_ctx < 4)
        return nb_fail(err, NB_USAGE, "context %u is too short to score", o->n_ctx);
    if (o->protocol == NB_PROTOCOL_STRIDED && (o->stride < 1 || o->stride >= o->n_ctx))
        return nb_fail(err, NB_USAGE, "stride %u: expected 1 to %u at context %u", o->stride,
                       o->n_ctx - 1, o->n_ctx);
    return NB_OK;
}

static nb_status cut(nb_reading *r, const nb_reading_options *o, nb_err *err)
{
    uint64_t n = r->tokens, need = o->n_ctx;
    r->n_ctx = r->step = o->n_ctx;
    uint64_t chunks = n / o->n_ctx;
    if (o->protocol == NB_PROTOCOL_LLAMA) {
        r->first = o->n_ctx / 2;
        need = 2 * (uint64_t)o->n_ctx;
    } else if (o->protocol == NB_PROTOCOL_PAPERS) {
        r->first = 0;
    } else {
        r->step = o->stride;
        r->first = o->n_ctx - o->stride - 1;
        need = (uint64_t)o->n_ctx + 1;
        chunks = n < need ? 0 : (n - o->n_ctx + o->stride - 1) / o->stride;
    }
    if (n < need)
        return nb_fail(err, NB_REFUSED, "the text has %llu tokens, %llu are needed at context %u",
                       (unsigned long long)n, (unsigned long long)need, o->n_ctx);
    r->count = o->n_ctx - 1 - r->first;
    if (o->max_chunks && chunks > o->max_chunks)
        chunks = o->max_chunks;
    if (chunks > UINT32_MAX)
        return nb_fail(err, NB_REFUSED, "the text has %llu chunks", (unsigned long long)chunks);
    r->chunks = (uint32_t)chunks;
    return NB_OK;
}

nb_status nb_reading_open(nb_reading *out, const nb_tok *tok, uint32_t n_vocab, const char *text,
                          size_t len, const nb_reading_options *opt, nb_err *err)
{
    nb_reading r = {.protocol = opt->protocol, .bos = -1};
    nb_str rows = {0};
    NB_TRY(check_options(opt, err));
    nb_status st = NB_OK;
    if (opt->protocol == NB_PROTOCOL_PAPERS) {
        st = join_rows(&rows, text, len, err);
        text = nb_str_c(&rows);
        len = rows.len;
    }
    int32_t bos[1];
    if (opt->protocol == NB_PROTOCOL_LLAMA && nb_tok_encode(tok, "", 0, NB_TOK_BOS, bos, 1) == 1)
        r.bos = bos[0];
    if (st == NB_OK)
        st = token_ids(&r, tok, text, len, n_vocab, err);
    if (st == NB_OK)
        st = cut(&r, opt, err);
    nb_str_free(&rows);
    if (st != NB_OK)
        nb_reading_close(&r);
    else
        *out = r;
    return st;
}

bool nb_reading_of_ids(nb_reading *out, const nb_reading *like, int32_t *ids, size_t n_ids)
{
    uint64_t last;
    if (!like->chunks || !nb_mul(like->chunks - 1, like->step, &last) ||
        !nb_add(last, like->n_ctx, &last) || last > n_ids)
        return false;
    *out = *like;
    out->ids = ids;
    out->n_ids = n_ids;
    out->tokens = n_ids;
    return true;
}

void nb_reading_close(nb_reading *r)
{
    free(r->ids);
    *r = (nb_reading){0};
}

void nb_protocol_text(char *out, size_t cap, const nb_reading *r)
{
    if (r->protocol == NB_PROTOCOL_STRIDED)
        snprintf(out, cap, "%s %u", nb_protocol_name(r->protocol), r->step);
    else
        snprintf(out, cap, "%s", nb_protocol_name(r->protocol));
}

void nb_reading_chunk(const nb_reading *r, uint32_t c, int32_t *out)
{
    memcpy(out, r->ids + (size_t)c * r->step, r->n_ctx * sizeof *out);
    if (r->bos >= 0)
        out[0] = r->bos;
}

/* --- vocabularies ------------------------------------------------------------------------------
 */

static uint64_t mix(uint64_t h, const void *bytes, size_t n)
{
    const uint8_t *b = bytes;
    for (size_t i = 0; i < n; i++)
        h = (h ^ b[i]) * UINT64_C(0x100000001b3); /* FNV-1a */
    return h;
}

uint64_t nb_vocab_print(const nb_tok *t)
{
    uint32_t n = nb_tok_count(t);
    int32_t bos = nb_tok_bos(t);
    uint64_t h = mix(UINT64_C(0xcbf29ce484222325), &n, sizeof n);
    h = mix(h, &bos, sizeof bos);
    for (uint32_t i = 0; i < n; i++) {
        const char *piece;
        uint64_t len = nb_tok_piece(t, (int32_t)i, true, &piece);
        h = mix(h, &len, sizeof len);
        h = mix(h, piece, (size_t)len);
    }
    return h;
}

nb_status nb_vocab_same(const nb_tok *a, const char *name_a, const nb_tok *b, const char *name_b,
                        nb_err *err)
{
    char x[40], y[40];
    uint32_t n = nb_tok_count(a);
    if (n != nb_tok_count(b))
        return nb_fail(err, NB_REFUSED, "vocabularies differ: %.60s has %u tokens, %.60s %u",
                       name_a, n, name_b, nb_tok_count(b));
    for (uint32_t i = 0; i < n; i++) {
        const char *p, *q;
        size_t len = nb_tok_piece(a, (int32_t)i, true, &p);
        size_t other = nb_tok_piece(b, (int32_t)i, true, &q);
        if (len == other && memcmp(p, q, len) == 0)
            continue;
        snprintf(x, sizeof x, "%.*s", (int)(len < 39 ? len : 39), p);
        snprintf(y, sizeof y, "%.*s", (int)(other < 39 ? other : 39), q);
        return nb_fail(err, NB_REFUSED,
                       "vocabularies differ: token %u is \"%s\" in %.60s, \"%s\" in %.60s", i, x,
                       name_a, y, name_b);
    }
    if (nb_tok_bos(a) != nb_tok_bos(b))
        return nb_fail(err, NB_REFUSED,
                       "tokenizers differ: a text begins with token %d in %.60s, "
                       "%d in %.60s",
                       nb_tok_bos(a), name_a, nb_tok_bos(b), name_b);
    return NB_OK;
}
