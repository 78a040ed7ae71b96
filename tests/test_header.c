/* A8: headers with one byte wrong: of the first 64 KiB each byte 00, ff, one more and with its top
 * bit turned. The demo's own headers and seeded ones of 64 KiB that hold every type of key and
 * tensor. Of the mutants a seeded third in a plain run, all with NB_TEST_LONG. */
#include "tests/check.h"

#include "core/base/job.h"
#include "core/files/gguf.h"
#include "core/files/safetensors.h"
#include "core/files/weights.h"
#include "tests/gguf_file.h"
#include "tests/util.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST = 64 << 10, SMALLER = 8 << 10, EVERY = 3 };

typedef struct header {
    uint8_t *at; /* exactly n bytes: a read past them is seen by ASan */
    size_t n;
    uint64_t file_len;
} header;

/* True when taken; every tensor then lies inside the file, behind the one before (A10). */
typedef bool parse_fn(const header *h);

static void check_placed(const nb_tensor *t, size_t n, const header *h)
{
    uint64_t end = 0;
    for (size_t i = 0; i < n; i++) {
        check(t[i].offset >= end && t[i].nbytes <= h->file_len &&
                  t[i].offset <= h->file_len - t[i].nbytes,
              "%s leaves its place", t[i].name);
        end = t[i].offset + t[i].nbytes;
    }
}

static bool parse_gguf(const header *h)
{
    nb_gguf_info info;
    nb_err err = {.msg = ""};
    nb_status st = nb_gguf_parse(&info, h->at, h->n, h->file_len, "mutant", &err);
    check(st == NB_OK || (err.status == st && err.msg[0]), "a failure without words");
    if (st != NB_OK)
        return false;
    check_placed(info.tensors, info.n_tensors, h);
    nb_gguf_free(&info);
    return true;
}

static bool parse_safetensors(const header *h)
{
    nb_safetensors_info info;
    nb_err err = {.msg = ""};
    nb_status st = nb_safetensors_parse(&info, h->at, h->n, h->file_len, "mutant", &err);
    check(st == NB_OK || (err.status == st && err.msg[0]), "a failure without words");
    if (st != NB_OK)
        return false;
    check_placed(info.tensors, info.n_tensors, h);
    nb_safetensors_free(&info);
    return true;
}

static void mutate_all(const header *h, parse_fn *parse, const char *what)
{
    enum { WRONG = 4 };
    test_rng rng = test_rng_make(8);
    uint32_t every = getenv("NB_TEST_LONG") ? 1 : EVERY;
    size_t end = h->n < FIRST ? h->n : FIRST, tried = 0, taken = 0;
    double start = nb_now();
    check(parse(h), "%s: the sound header is refused", what);
    for (size_t i = 0; i < WRONG * end; i++) {
        if (test_below(&rng, every) != 0)
            continue;
        uint8_t *at = &h->at[i / WRONG], old = *at;
        uint8_t value[WRONG] = {0, 0xff, (uint8_t)(old + 1), old ^ 0x80};
        *at = value[i % WRONG];
        taken += parse(h);
        *at = old;
        tried++;
    }
    fprintf(stderr, "%s: %zu of %zu mutants of %zu bytes, %zu taken, %.2f s\n", what, tried,
            WRONG * end, end, taken, nb_now() - start);
    check(tried * every > WRONG * end * 9 / 10 && taken > 0 && taken < tried, "%s: %zu of %zu",
          what, taken, tried);
}

/* --- seeded headers -------------------------------------------------------------------------- */

/* One key of every type but the alignment's, then numbers and a token list up to 60 KiB. */
static uint64_t add_keys(nb_str *s, test_rng *rng, uint32_t alignment)
{
    static const unsigned size[] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8}; /* by nb_kv_type */
    uint64_t n = 0;
    gg_text(s, "general.alignment"), gg_int(s, NB_KV_U32, 4), gg_int(s, alignment, 4), n++;
    for (uint32_t type = 0; type < NB_KV_TYPES; type++) {
        char key[32];
        snprintf(key, sizeof key, "seed.key%02u.%x", type, test_below(rng, 1 << 16));
        gg_text(s, key), gg_int(s, type, 4), n++;
        if (type == NB_KV_STRING)
            gg_text(s, "a string \xe6\x97\xa5 of some length");
        else if (type == NB_KV_ARRAY)
            gg_int(s, NB_KV_F64, 4), gg_int(s, 2, 8), gg_int(s, 0, 8), gg_int(s, test_u64(rng), 8);
        else
            gg_int(s, type == NB_KV_BOOL ? 1 : test_u64(rng), size[type]);
    }
    for (uint32_t elem = 0; elem < NB_KV_TYPES; elem++) {
        uint32_t count = 1 + test_below(rng, 30);
        char key[32];
        if (elem == NB_KV_STRING || elem == NB_KV_ARRAY)
            continue;
        snprintf(key, sizeof key, "seed.array%02u", elem);
        gg_text(s, key), gg_int(s, NB_KV_ARRAY, 4), gg_int(s, elem, 4), gg_int(s, count, 8), n++;
        while (count--)
            gg_int(s, elem == NB_KV_BOOL ? 1 : test_u64(rng), size[elem]);
    }
    gg_text(s, "seed.tokens"), gg_int(s, NB_KV_ARRAY, 4), gg_int(s, NB_KV_STRING, 4), n++;
    size_t count_at = s->len;
    uint64_t tokens = 0;
    gg_int(s, 0, 8);
    for (; s->len < FIRST - 5000; tokens++) {
        char token[16] = "abcdefghijklmno";
        token[1 + test_below(rng, 15)] = '\0';
        gg_text(s, token);
    }
    memcpy(s->at + count_at, &tokens, sizeof tokens);
    return n;
}

/* Tensors of every type that a file may hold until the header has its length. Returns their number;
 * *data is the length of what they describe. */
static uint64_t add_tensors(nb_str *s, test_rng *rng, uint32_t alignment, uint64_t *data)
{
    uint64_t n = 0;
    for (*data = 0; s->len < FIRST; n++) {
        const nk_type *type = NULL;
        while (!type || type->activation_only)
            type = nk_type_get(test_below(rng, 40));
        uint32_t n_dims = 1 + test_below(rng, 4);
        uint64_t count = 1;
        char name[40];
        snprintf(name, sizeof name, "blk.%llu.seed_%x.weight", (unsigned long long)n,
                 test_below(rng, 1 << 20));
        gg_text(s, name), gg_int(s, n_dims, 4);
        for (uint32_t d = 0; d < n_dims; d++) {
            uint64_t ne = 1 + test_below(rng, 4);
            gg_int(s, d ? ne : ne * type->block_len, 8);
            count *= ne;
        }
        gg_int(s, type->id, 4), gg_int(s, *data, 8);
        nb_align_up(*data + count * type->block_size, alignment, data);
    }
    return n;
}

static header seeded_gguf(uint64_t seed)
{
    test_rng rng = test_rng_make(seed);
    uint32_t alignment = 8u << test_below(&rng, 4);
    nb_str s = {0};
    uint64_t data, counts[2];
    nb_str_add(&s, "GGUF");
    gg_int(&s, 2 + seed % 2, 4), gg_int(&s, 0, 8), gg_int(&s, 0, 8);
    counts[1] = add_keys(&s, &rng, alignment);
    counts[0] = add_tensors(&s, &rng, alignment, &data);
    memcpy(s.at + 8, counts, sizeof counts);
    header h = {.n = s.len, .at = malloc(s.len)};
    nb_align_up(s.len, alignment, &h.file_len);
    h.file_len += data;
    memcpy(h.at, s.at, s.len);
    nb_str_free(&s);
    return h;
}

/* A __metadata__ with escapes, then tensors of every dtype, one behind the other, up to 8 KiB: JSON
 * is read a hundred times slower than a token list. */
static header seeded_safetensors(uint64_t seed)
{
    static const struct {
        const char *dtype;
        unsigned size;
    } row[] = {{"F64", 8}, {"F32", 4}, {"F16", 2}, {"BF16", 2},
               {"I64", 8}, {"I32", 4}, {"I16", 2}, {"I8", 1}};
    test_rng rng = test_rng_make(seed);
    nb_str s = {0};
    uint64_t at = 0, length;
    gg_int(&s, 0, 8);
    nb_str_add(&s, "{\"__metadata__\":{\"format\":\"pt\",\"notes\":\"");
    while (s.len < SMALLER / 4)
        nb_str_addf(&s, "caf\xc3\xa9 \\u00e9\\n%08x ", (unsigned)test_u64(&rng));
    nb_str_add(&s, "\"}");
    for (int i = 0; s.len < SMALLER; i++) {
        size_t type = test_below(&rng, countof(row));
        unsigned a = 1 + test_below(&rng, 9), b = 1 + test_below(&rng, 9);
        uint64_t end = at + (uint64_t)a * b * row[type].size;
        nb_str_addf(
            &s,
            ",\"layer.%d.w%x\":{\"dtype\":\"%s\",\"shape\":[%u,%u],\"data_offsets\":[%llu,%llu]}",
            i, test_below(&rng, 1 << 16), row[type].dtype, a, b, (unsigned long long)at,
            (unsigned long long)end);
        at = end;
    }
    nb_str_add(&s, "}");
    length = s.len - 8;
    memcpy(s.at, &length, sizeof length);
    header h = {.n = s.len, .file_len = s.len + at, .at = malloc(s.len)};
    memcpy(h.at, s.at, s.len);
    nb_str_free(&s);
    return h;
}

CHECK_TEST(header, a_seeded_gguf_header_with_one_wrong_byte_is_sound_or_refused) /* A8, A10 */
{
    for (uint64_t seed = 1; seed <= 3; seed++) {
        char what[40];
        header h = seeded_gguf(seed);
        snprintf(what, sizeof what, "gguf seed %d", (int)seed);
        mutate_all(&h, parse_gguf, what);
        free(h.at);
    }
}

CHECK_TEST(header,
           a_seeded_safetensors_header_with_one_wrong_byte_is_sound_or_refused) /* A8, A10 */
{
    for (uint64_t seed = 1; seed <= 3; seed++) {
        char what[40];
        header h = seeded_safetensors(seed);
        snprintf(what, sizeof what, "safetensors seed %d", (int)seed);
        mutate_all(&h, parse_safetensors, what);
        free(h.at);
    }
}

/* --- the demo's own ----------------------------------------------------------------------------
 */

CHECK_TEST(header, a_real_gguf_header_with_one_wrong_byte_is_sound_or_refused) /* A8, A10 */
{
    nb_weights *w;
    nb_err err = {.msg = ""};
    check(nb_weights_open(&w, test_data("nibble-demo"), &err) == NB_OK, "%s", err.msg);
    size_t n = nb_weights_count(w);
    nb_tensor *t = calloc(n, sizeof *t);
    nb_str text = {0};
    header h = {0};
    check(t, "memory");
    for (size_t i = 0; i < n; i++)
        t[i] = nb_weights_at(w, i)->t;
    check(nb_gguf_layout(&text, nb_weights_kvs(w), t, n, 32, &h.file_len, &err) == NB_OK, "%s",
          err.msg);
    h.n = text.len;
    h.at = malloc(h.n);
    memcpy(h.at, text.at, h.n);
    mutate_all(&h, parse_gguf, "gguf header");
    nb_str_free(&text);
    nb_weights_close(&w);
    free(h.at);
    free(t);
}

CHECK_TEST(header, a_real_safetensors_header_with_one_wrong_byte_is_sound_or_refused) /* A8, A10 */
{
    size_t len;
    char *bytes = test_slurp(test_data("nibble-demo/model.safetensors"), &len);
    uint64_t n;
    check(bytes, "the demo");
    memcpy(&n, bytes, sizeof n);
    header h = {.n = (size_t)n + 8, .file_len = len};
    h.at = malloc(h.n);
    memcpy(h.at, bytes, h.n);
    mutate_all(&h, parse_safetensors, "safetensors header");
    free(h.at);
    free(bytes);
}
