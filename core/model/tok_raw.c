/* BPE over characters instead of bytes (pre-tokenizers gemma4, sarvam-moe, whitespace): a space is
 * U+2581 where the pre-tokenizer says so, a character that is no token is spelled in bytes <0x00>
 * to <0xFF>. Same ids as llama.cpp (llama-vocab.cpp, llm_tokenizer_bpe_session without byte_encode,
 * llm_tokenizer_whitespace_session) on valid UTF-8. As for SentencePiece, what would not read back
 * the same differs: bytes that are no UTF-8 stand alone, and a literal U+2581 is spelled in bytes.
 */
#include "core/model/tok_private.h"

#include <string.h>

#include "core/base/str.h"
#include "core/base/unicode.h"
#include "core/model/jinja_value.h"

static const uint8_t mark[3] = {0xe2, 0x96, 0x81}; /* U+2581, stands for a space */

typedef struct letter { /* one symbol before any merge */
    uint8_t spelling[4];
    size_t n;     /* bytes of it */
    size_t taken; /* bytes of text */
    bool token;   /* may be one */
} letter;

static letter letter_at(const nb_tok *t, const uint8_t *text, size_t len, size_t at)
{
    letter l = {.token = true};
    uint32_t cp;
    bool marks = t->pre->flags & NB_PRE_MARKS;
    l.taken = nb_utf8_next((const char *)text + at, len - at, &cp, NULL);
    if (marks && text[at] == ' ') {
        memcpy(l.spelling, mark, l.n = sizeof mark);
    } else if (l.taken == 0) {
        l.taken = 1;
        l.token = false;
    } else if (t->no_blanks && t->lower) {
        l.n = nb_utf8_put(nb_jcase(cp, false), (char *)l.spelling);
    } else {
        memcpy(l.spelling, text + at, l.n = l.taken);
        l.token = !(marks && l.n == sizeof mark && memcmp(text + at, mark, l.n) == 0 &&
                    t->byte_id[mark[0]] >= 0);
    }
    return l;
}

static void put_bytes(const nb_tok *t, const uint8_t *bytes, size_t n, nb_ids *ids)
{
    for (size_t i = 0; i < n; i++)
        if (t->byte_id[bytes[i]] >= 0)
            nb_ids_put(ids, t->byte_id[bytes[i]]);
}

/* What no merge took and is no token. */
static void put_letter(const nb_tok *t, const uint8_t *text, size_t len, size_t at, nb_ids *ids)
{
    letter l = letter_at(t, text, len, at);
    if (text[at] != ' ' && l.token)
        put_bytes(t, l.spelling, l.n, ids);
    else
        put_bytes(t, text + at, l.taken, ids);
}

static bool newlines_only(const uint8_t *word, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (word[i] != '\n')
            return false;
    return true;
}

static bool encode_word(const nb_tok *t, nb_merger *m, const uint8_t *word, size_t len, nb_ids *ids)
{
    bool whole = t->pre->flags & NB_PRE_NEWLINES && newlines_only(word, len);
    int32_t id = whole ? nb_bpe_usable(t, word, len) : -1;
    if (id >= 0) {
        nb_ids_put(ids, id);
        return true;
    }
    if (!nb_merger_reserve(m, len))
        return false;
    size_t n = 0;
    for (size_t at = 0; at < len; n++) {
        letter l = letter_at(t, word, len, at);
        id = l.token ? nb_bpe_usable(t, l.spelling, l.n) : -1;
        m->sym[n] =
            (nb_symbol){(uint32_t)at, (uint32_t)l.taken, (int32_t)n - 1, (int32_t)n + 1, id};
        at += l.taken;
    }
    m->sym[n - 1].next = -1;
    nb_merger_join(m, t, word, n, nb_bpe_joins);
    for (int32_t i = 0; i >= 0; i = m->sym[i].next)
        if (m->sym[i].id >= 0)
            nb_ids_put(ids, m->sym[i].id);
        else
            put_letter(t, word, len, m->sym[i].at, ids);
    return true;
}

bool nb_raw_encode(const nb_tok *t, nb_merger *m, const uint8_t *text, size_t len, nb_ids *ids)
{
    const nb_pre_text x = {text, t->char_kinds};
    nb_split split;
    size_t from, to;
    nb_split_open(&split, t->pre, &x, len);
    while (nb_split_next(&split, &from, &to)) {
        uint32_t cp;
        size_t n = nb_utf8_next((const char *)text + from, to - from, &cp, NULL);
        if (t->no_blanks && n && nb_cp_kind_of(cp) == NB_KIND_SPACE)
            continue;
        if (!encode_word(t, m, text + from, to - from, ids))
            return false;
    }
    return true;
}
