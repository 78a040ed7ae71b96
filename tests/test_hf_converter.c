/* What llama.cpp's converter, and llama-quantize behind it, made of the folders of tests/data/arch:
 * the same names, types, shapes and bytes from the folder in one pass (tests/golden/hf,
 * converter.list). Not in the list: transformers' BitNet and StableLM 2 12B, which the converter
 * refuses or fails on. */
#include "tests/arch_tiny.h"
#include "tests/check.h"
#include "tests/quantize.h"
#include "tests/util.h"

#include "core/base/digest.h"
#include "core/base/str.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int by_name(const void *a, const void *b)
{
    const nb_view *const *x = a, *const *y = b;
    return strcmp((*x)->t.name, (*y)->t.name);
}

/* SHA-256 over "NAME TYPE DIMS" lines and bytes, by name. */
static size_t digest(const char *path, char hex[65])
{
    nb_weights *w = NULL;
    nb_sha256 *h = NULL;
    nb_err err;
    check(nb_weights_open(&w, path, &err) == NB_OK, "%s", err.msg);
    size_t n = nb_weights_count(w);
    const nb_view **list = calloc(n, sizeof *list);
    check(list && nb_sha256_open(&h, &err) == NB_OK, "memory");
    for (size_t i = 0; i < n; i++)
        list[i] = nb_weights_at(w, i);
    qsort(list, n, sizeof *list, by_name);
    for (size_t i = 0; i < n; i++) {
        const nb_tensor *t = &list[i]->t;
        nb_str line = {0};
        nb_str_addf(&line, "%s %s", t->name, nk_type_get(t->type)->name);
        for (size_t k = strlen(t->name); k < line.len; k++)
            line.at[k] = (char)tolower((unsigned char)line.at[k]);
        for (uint32_t d = 0; d < t->n_dims; d++)
            nb_str_addf(&line, " %llu", (unsigned long long)t->shape[d]);
        nb_str_add(&line, "\n");
        nb_sha256_add(h, line.at, line.len);
        nb_sha256_add(h, t->bytes, t->nbytes);
        nb_str_free(&line);
    }
    nb_sha256_hex(h, hex);
    nb_sha256_close(&h);
    free(list);
    nb_weights_close(&w);
    return n;
}

/* torch sums |w| of BitNet's matrices in an order of its own: the mean, and with it F32 values, may
 * differ in the last digit; rounded to 16 bits they are the same. */
static bool last_digit(const char *name, const char *preset)
{
    return strcmp(name, "bitnet_b158") == 0 && strcmp(preset, "F16") != 0 &&
           strcmp(preset, "BF16") != 0;
}

CHECK_TEST(hf_converter, folders_become_what_llama_cpp_makes_of_them)
{
    char path[1024], made[40] = "", dir[600] = "", out[700], *save = NULL;
    size_t n, rows = 0, tensors = 0;
    snprintf(path, sizeof path, "%s/tests/golden/hf/converter.list", NB_TEST_ROOT);
    snprintf(out, sizeof out, "%s/converter.gguf", test_tmpdir());
    char *text = test_slurp(path, &n);
    check(text, "%s", path);
    for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        char name[40], preset[16], want[80], got[65];
        nb_err err;
        if (*line == '#')
            continue;
        check(sscanf(line, "%39s %15s %zu %79s", name, preset, &n, want) == 4, "%s", line);
        if (last_digit(name, preset))
            continue;
        if (strcmp(made, name) != 0) {
            snprintf(dir, sizeof dir, "%s/%s", test_tmpdir(), name);
            arch_tiny_make(dir, name);
            snprintf(made, sizeof made, "%s", name);
        }
        nb_weights *w = quant_open(dir);
        quant_job job = {.w = w, .preset = preset, .out = out, .force = true, .quiet = true};
        check(quant_run(&job, &err) == NB_OK, "%s %s: %s", name, preset, err.msg);
        nb_weights_close(&w);
        check(digest(out, got) == n, "%s %s: other tensors", name, preset);
        check(strcmp(got, want) == 0, "%s %s: other bytes", name, preset);
        tensors += n;
        rows++;
    }
    free(text);
    check(rows > 250, "%zu rows", rows);
    printf("converter: %zu files, %zu tensors\n", rows, tensors);
}
