#include "tui/commands/eval_match.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/digest.h"
#include "core/base/str.h"

struct ui_match {
    const nb_tok *tok; /* borrowed */
    uint32_t n;
    size_t cap;    /* a power of two, over twice n */
    int32_t *slot; /* [cap] 1 + id of the first that spells so; owned */
    bool *doubled; /* [n] another token is spelled alike */
};

static size_t piece_of(const ui_match *m, int32_t id, const char **text)
{
    return nb_tok_piece(m->tok, id, true, text);
}

/* Where the spelling is, or would be. */
static size_t slot_of(const ui_match *m, const char *text, size_t n)
{
    size_t at = (size_t)nb_fingerprint(text, n) & (m->cap - 1);
    for (;; at = (at + 1) & (m->cap - 1)) {
        const char *piece;
        if (!m->slot[at] ||
            (piece_of(m, m->slot[at] - 1, &piece) == n && memcmp(piece, text, n) == 0))
            return at;
    }
}

nb_status ui_match_open(ui_match **out, const nb_tok *tok, uint32_t n_vocab, nb_err *err)
{
    ui_match *m = nb_alloc(1, sizeof *m, "vocabulary", err);
    if (!m)
        return NB_NOMEM;
    m->tok = tok;
    m->n = nb_tok_count(tok) < n_vocab ? nb_tok_count(tok) : n_vocab;
    for (m->cap = 1024; m->cap < 2 * (size_t)m->n + 2;)
        m->cap *= 2;
    m->slot = nb_alloc(m->cap, sizeof *m->slot, "vocabulary", err);
    m->doubled = nb_alloc((uint64_t)m->n + 1, sizeof *m->doubled, "vocabulary", err);
    if (!m->slot || !m->doubled) {
        ui_match_close(&m);
        return NB_NOMEM;
    }
    for (uint32_t id = 0; id < m->n; id++) {
        const char *text;
        size_t n = piece_of(m, (int32_t)id, &text), at = slot_of(m, text, n);
        if (m->slot[at])
            m->doubled[m->slot[at] - 1] = true;
        else
            m->slot[at] = (int32_t)id + 1;
    }
    *out = m;
    return NB_OK;
}

void ui_match_close(ui_match **pm)
{
    ui_match *m = *pm;
    if (!m)
        return;
    free(m->slot);
    free(m->doubled);
    free(m);
    *pm = NULL;
}

/* Of several spelled alike (a letter and its byte, which SentencePiece falls back to) the one that
 * the text becomes. */
static int32_t find(const ui_match *m, const char *text, size_t n)
{
    int32_t id = m->slot[slot_of(m, text, n)] - 1, one[1];
    if (id < 0 || !m->doubled[id])
        return id;
    size_t need = nb_tok_encode(m->tok, text, n, NB_TOK_NO_PREFIX, one, 1);
    return need == 1 && one[0] >= 0 && (uint32_t)one[0] < m->n ? one[0] : -1;
}

/* SentencePiece's and byte-level BPE's own spellings of a blank and a line end, which some servers
 * tell tokens by. */
static const struct {
    const char *told, *is;
} spellings[] = {{"\xe2\x96\x81", " "}, {"\xc4\xa0", " "}, {"\xc4\x8a", "\n"}};

static int32_t find_spelled(const ui_match *m, const char *text, size_t n)
{
    nb_str plain = {0};
    for (size_t i = 0; i < n;) {
        size_t k = 0, len = 0;
        for (; k < countof(spellings); k++) {
            len = strlen(spellings[k].told);
            if (n - i >= len && memcmp(text + i, spellings[k].told, len) == 0)
                break;
        }
        bool known = k < countof(spellings);
        nb_str_addn(&plain, known ? spellings[k].is : text + i, 1);
        i += known ? len : 1;
    }
    int32_t id = plain.failed ? -1 : find(m, nb_str_c(&plain), plain.len);
    nb_str_free(&plain);
    return id;
}

int32_t ui_match_id(const ui_match *m, const dl_scores *s, const dl_alternative *a)
{
    static const char broken[] = "\xef\xbf\xbd"; /* a part of a character, as text */
    const char *text = nb_str_c(&s->text) + a->text, *piece;
    bool whole = a->len > 0 && !memmem(text, a->len, broken, 3);
    if (a->id >= 0 && a->id < m->n) {
        size_t n = piece_of(m, (int32_t)a->id, &piece);
        if (!whole || (n == a->len && memcmp(piece, text, n) == 0))
            return (int32_t)a->id;
    }
    if (!whole)
        return -1;
    int32_t id = find(m, text, a->len);
    return id >= 0 ? id : find_spelled(m, text, a->len);
}

/* The endpoint's i-th token stands for this one of the file. */
static bool same(const ui_match *m, const dl_scores *s, size_t i, int32_t id)
{
    return ui_match_id(m, s, &s->at[i].token) == id;
}

/* vLLM's prompt_logprobs say nothing of the first token, not even which it is. */
static bool untold(const dl_scores *s)
{
    return s->n > 0 && s->at[0].token.id < 0 && s->at[0].token.len == 0;
}

nb_status ui_match_piece(const ui_match *m, const char *text, size_t n, const dl_scores *s,
                         ui_matched *out, nb_err *err)
{
    int32_t bos = nb_tok_bos(m->tok);
    size_t need = nb_tok_encode(m->tok, text, n, 0, NULL, 0);
    int32_t *ids = need < SIZE_MAX ? nb_alloc(need + 1, sizeof *ids, "tokens", err) : NULL;
    if (!ids)
        return nb_fail(err, NB_NOMEM, "no memory for the tokens of %zu bytes", n);
    nb_tok_encode(m->tok, text, n, 0, ids + 1, need);
    bool second = untold(s) && s->n > 1 && need > 0 && same(m, s, 1, ids[1]);
    bool has_bos = bos >= 0 && s->n > 0 && (same(m, s, 0, bos) || second);
    if (has_bos)
        ids[0] = bos;
    else
        memmove(ids, ids + 1, need * sizeof *ids);
    need += has_bos;
    size_t k = untold(s) && need > 0;
    while (k < need && k < s->n && ids[k] >= 0 && (uint32_t)ids[k] < m->n && same(m, s, k, ids[k]))
        k++;
    *out = (ui_matched){.ids = ids, .n = k};
    return NB_OK;
}
