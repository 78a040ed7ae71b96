/* Two parts, NUL between them: config.json and the header of model.safetensors, whose data are as
 * many zeros as the header's largest number asks for. Opens or is refused in words; every row of
 * every view can be read (A3, A4). */
#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "core/files/weights.h"
#include "tests/util.h"

enum { MAX_DATA = 1 << 20 };

/* What data_offsets reach to. */
static size_t data_length(const uint8_t *at, const uint8_t *end)
{
    size_t most = 0, v = 0;
    for (; at < end; at++) {
        v = *at >= '0' && *at <= '9' && v < MAX_DATA ? v * 10 + (size_t)(*at - '0') : 0;
        most = v > most ? v : most;
    }
    return most < MAX_DATA ? most : MAX_DATA;
}

static void put_weights(const char *path, const uint8_t *at, const uint8_t *end)
{
    uint64_t n = (uint64_t)(end - at);
    size_t data = data_length(at, end);
    char *file = calloc(1, 8 + n + data);
    fuzz_check(file, "memory");
    memcpy(file, &n, 8);
    memcpy(file + 8, at, n);
    test_spit(path, file, 8 + n + data);
    free(file);
}

static void read_views(const nb_weights *w)
{
    for (size_t i = 0; i < nb_weights_count(w); i++) {
        const nb_view *v = nb_weights_at(w, i);
        uint64_t rows = nb_tensor_rows(&v->t), size = rows ? v->t.nbytes / rows : 0;
        volatile uint8_t sum = 0; /* bytes are really read */
        uint8_t *scratch = malloc(nb_weights_scratch(v) + 1);
        float *exact = malloc(nb_tensor_cols(&v->t) * sizeof *exact + 1);
        fuzz_check(scratch && exact && rows && size, "%s: empty", v->t.name);
        for (uint64_t r = 0; r < rows; r++) {
            const uint8_t *row = nb_weights_row(v, r, scratch);
            sum = (uint8_t)(sum + row[0] + row[size - 1] + (nb_weights_factor(v, r) > 0));
            nb_weights_exact(v, r, exact);
        }
        free(exact);
        free(scratch);
        fuzz_check(nb_weights_find(w, v->t.name) == v, "%s: not found", v->t.name);
    }
}

FUZZ_TARGET(hfmodel)
{
    static const char spm[] = "\x0a\x0e\x0a\x05<unk>\x15\0\0\0\0\x18\x02\x0a\x08\x0a\x01"
                              "a\x15\0\0\x80\xbf";
    const char *dir = test_tmpdir();
    const uint8_t *stop = memchr(bytes, 0, n), *end = bytes + n;
    const uint8_t *config_end = stop ? stop : end, *header = stop ? stop + 1 : end;
    test_spit(test_path(dir, "config.json"), bytes, (size_t)(config_end - bytes));
    test_spit(test_path(dir, "tokenizer.model"), spm, sizeof spm - 1);
    put_weights(test_path(dir, "model.safetensors"), header, end);
    nb_weights *w = NULL;
    nb_err err = {.msg = ""};
    nb_status st = nb_weights_open(&w, dir, &err);
    fuzz_check(st == NB_OK ? w != NULL : !w && err.status == st && err.msg[0], "status %d", st);
    if (w)
        read_views(w);
    nb_weights_close(&w);
}
