/* A8: real headers with one byte wrong. A seeded part of the places in a plain run, all of the
 * first 64 KiB with NB_TEST_LONG. */
#include "tests/check.h"

#include "core/base/job.h"
#include "core/files/gguf.h"
#include "core/files/safetensors.h"
#include "core/files/weights.h"
#include "tests/util.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST = 64 << 10 };

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
    static const int wrong = 4;
    test_rng rng = test_rng_make(8);
    uint32_t every = getenv("NB_TEST_LONG") ? 1 : 96;
    size_t end = h->n < FIRST ? h->n : FIRST, tried = 0, taken = 0;
    double start = nb_now();
    check(parse(h), "%s: the sound header is refused", what);
    for (size_t i = test_below(&rng, every); i < end; i += 1 + test_below(&rng, 2 * every - 1))
        for (int k = 0; k < wrong; k++, tried++) {
            uint8_t old = h->at[i], value[] = {0, 0xff, (uint8_t)(old + 1), old ^ 0x80};
            h->at[i] = value[k];
            taken += parse(h);
            h->at[i] = old;
        }
    fprintf(stderr, "%s: %zu mutants of %zu bytes, %zu taken, %.2f s\n", what, tried, end, taken,
            nb_now() - start);
    check(tried > 50 && taken > 0 && taken < tried, "%s: %zu of %zu", what, taken, tried);
}

CHECK_TEST(gguf, a_real_header_with_one_wrong_byte_is_sound_or_refused) /* A8, A10 */
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

CHECK_TEST(safetensors, a_real_header_with_one_wrong_byte_is_sound_or_refused) /* A8, A10 */
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
