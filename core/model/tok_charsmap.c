/* SentencePiece's precompiled character map: what prefix of text is written how (sentencepiece,
 * builder.cc and normalizer.cc; read as llama.cpp reads it, llm_tokenizer_ugm_session).
 *
 *     u32 size | u32 node[size / 4] | replacements, each ended by NUL
 *     node: bit 31..10 base, bit 9 base is shifted by 8 more, bit 8 a prefix ends here,
 *           bit 31 with bits 7..0 the byte that led here; or, behind an end, bits 30..0 the place
 * of the replacement
 *
 * Every index is checked: a map that points astray matches nothing there (A4). */
#include "core/model/tok_private.h"

#include <string.h>

enum { LONGEST_PREFIX = 64, LONGEST_REPLACEMENT = 255, MAX_MAP = 16 << 20 };

static uint32_t word_at(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 |
           (uint32_t)bytes[3] << 24;
}

nb_status nb_charsmap_load(nb_charsmap *m, const nb_kvs *kvs, nb_err *err)
{
    static const char key[] = "tokenizer.ggml.precompiled_charsmap";
    const nb_kv *kv = nb_kvs_find(kvs, key);
    if (!kv)
        return NB_OK;
    if (kv->type != NB_KV_ARRAY || (kv->elem != NB_KV_U8 && kv->elem != NB_KV_I8))
        return nb_fail(err, NB_FORMAT, "%s: no array of bytes", key);
    if (kv->n < 4 || kv->n > MAX_MAP)
        return nb_fail(err, NB_FORMAT, "%s: %llu bytes, expected 4..%d", key,
                       (unsigned long long)kv->n, MAX_MAP);
    uint32_t nodes = word_at(kv->v.bytes);
    if (nodes % 4 || nodes > kv->n - 4)
        return nb_fail(err, NB_FORMAT, "%s: nodes of %u bytes in %llu", key, nodes,
                       (unsigned long long)kv->n);
    m->bytes = nb_alloc(kv->n, 1, "tokenizer", err);
    if (!m->bytes)
        return NB_NOMEM;
    memcpy(m->bytes, kv->v.bytes, (size_t)kv->n);
    m->n_nodes = nodes / 4;
    m->n = (size_t)kv->n;
    return NB_OK;
}

static bool node_at(const nb_charsmap *m, uint32_t i, uint32_t *node)
{
    if (i >= m->n_nodes)
        return false;
    *node = word_at(m->bytes + 4 + (size_t)i * 4);
    return true;
}

static uint32_t base_of(uint32_t node)
{
    return (node >> 10) << ((node & (1u << 9)) >> 6);
}

/* The replacement at this place; false when there is none. */
static bool replacement(const nb_charsmap *m, uint32_t place, const uint8_t **with, size_t *n)
{
    size_t head = 4 + (size_t)m->n_nodes * 4, left = m->n - head;
    if (place >= left)
        return false;
    left -= place;
    const uint8_t *s = m->bytes + head + place;
    const uint8_t *end = memchr(s, 0, left > LONGEST_REPLACEMENT ? LONGEST_REPLACEMENT : left);
    if (!end)
        return false;
    *with = s;
    *n = (size_t)(end - s);
    return true;
}

size_t nb_charsmap_find(const nb_charsmap *m, const uint8_t *text, size_t len, const uint8_t **with,
                        size_t *n)
{
    uint32_t node, leaf, at;
    size_t used = 0;
    if (!node_at(m, 0, &node))
        return 0;
    at = base_of(node);
    for (size_t i = 0; i < len && i < LONGEST_PREFIX && text[i] != 0; i++) {
        at ^= text[i];
        if (!node_at(m, at, &node) || (node & (1u << 31 | 0xff)) != text[i])
            break;
        at ^= base_of(node);
        if (node >> 8 & 1 && node_at(m, at, &leaf) && replacement(m, leaf & 0x7fffffff, with, n))
            used = i + 1;
    }
    return used;
}
