/* SentencePiece BPE over one stretch of text: characters are joined, best score first, as long as
 * the joined spelling is a piece; what is no piece at the end is spelled in bytes. Same ids as
 * llama.cpp's SPM tokenizer (llama-vocab.cpp, llm_tokenizer_spm) on valid UTF-8. Three cases differ
 * so that decoding gives back every byte: bytes that are no UTF-8 stand alone, a literal U+2581
 * (SentencePiece's space mark) is spelled in bytes, and text never joins to a control token. */
#include "core/model/tok_private.h"

#include <string.h>

#include "core/base/str.h"

static const uint8_t mark[3] = {0xe2, 0x96, 0x81}; /* U+2581, stands for a space */

static bool joins(const nb_tok *t, const uint8_t *text, const nb_symbol *left,
                  const nb_symbol *right, float *score, int32_t *id)
{
    *id = nb_spell_find(t, &t->words, text + left->at, left->len + right->len);
    if (*id >= 0)
        *score = t->score[*id];
    return *id >= 0;
}

static void put_bytes(const nb_tok *t, const uint8_t *bytes, size_t n, nb_ids *ids)
{
    for (size_t i = 0; i < n; i++)
        nb_ids_put(ids, t->byte_id[bytes[i]] >= 0 ? t->byte_id[bytes[i]] : t->unk);
}

static void put_symbols(const nb_tok *t, const nb_symbol *sym, const uint8_t *text, nb_ids *ids)
{
    for (int32_t i = 0; i >= 0; i = sym[i].next) {
        const uint8_t *bytes = text + sym[i].at;
        int32_t id = sym[i].id;
        if (id < 0) /* never joined */
            id = nb_spell_find(t, &t->words, bytes, sym[i].len);
        if (id >= 0)
            nb_ids_put(ids, id);
        else if (sym[i].len == sizeof mark && memcmp(bytes, mark, sizeof mark) == 0)
            put_bytes(t, (const uint8_t *)" ", 1, ids);
        else
            put_bytes(t, bytes, sym[i].len, ids);
    }
}

/* Bytes of the symbol at text[at]. */
static size_t step(const uint8_t *text, size_t len, size_t at)
{
    uint32_t cp;
    size_t n = nb_utf8_next((const char *)text + at, len - at, &cp, NULL);
    return n ? n : 1;
}

/* One run of n symbols: escaped text[0..len). */
static bool encode_run(const nb_tok *t, nb_merger *m, const uint8_t *text, size_t len, size_t n,
                       nb_ids *ids)
{
    if (n == 0)
        return true;
    if (len > UINT32_MAX || !nb_merger_reserve(m, n))
        return false;
    size_t at = 0;
    for (size_t i = 0; i < n; i++) {
        size_t bytes = step(text, len, at);
        m->sym[i] = (nb_symbol){(uint32_t)at, (uint32_t)bytes, (int32_t)i - 1,
                                i + 1 < n ? (int32_t)i + 1 : -1, -1};
        at += bytes;
    }
    nb_merger_join(m, t, text, n, joins);
    put_symbols(t, m->sym, text, ids);
    return true;
}

/* The escaped text of a run while it grows. */
typedef struct run {
    nb_merger *merger;
    nb_str text;
    size_t n; /* symbols */
    bool ends_in_mark;
} run;

static bool flush(const nb_tok *t, run *r, nb_ids *ids)
{
    bool ok = !r->text.failed &&
              encode_run(t, r->merger, (const uint8_t *)nb_str_c(&r->text), r->text.len, r->n, ids);
    nb_str_clear(&r->text);
    r->n = 0;
    r->ends_in_mark = false;
    return ok;
}

static bool add_space(const nb_tok *t, run *r, nb_ids *ids)
{
    if (t->words_split && r->n && !r->ends_in_mark && !flush(t, r, ids))
        return false;
    nb_str_addn(&r->text, mark, sizeof mark);
    r->n++;
    r->ends_in_mark = true;
    return true;
}

bool nb_spm_encode(const nb_tok *t, nb_merger *m, const uint8_t *text, size_t len, bool space,
                   nb_ids *ids)
{
    run r = {.merger = m};
    bool ok = !space || add_space(t, &r, ids);
    bool bytes = t->byte_id[mark[0]] >= 0; /* a literal mark can be spelled */
    for (size_t at = 0; ok && at < len;) {
        size_t n = step(text, len, at);
        if (text[at] == ' ') {
            ok = add_space(t, &r, ids);
        } else if (bytes && n == sizeof mark && memcmp(text + at, mark, n) == 0) {
            ok = flush(t, &r, ids);
            put_bytes(t, mark, n, ids);
        } else {
            nb_str_addn(&r.text, text + at, n);
            r.n++;
            r.ends_in_mark = false;
        }
        at += n;
    }
    ok = ok && flush(t, &r, ids);
    nb_str_free(&r.text);
    return ok;
}
