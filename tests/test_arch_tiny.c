/* The tiny models themselves: C makes the bits that the reference computed with, and the folders
 * are what a Hugging Face repository is. What runs them: test_arch_logits.c. */
#include "tests/arch_tiny.h"
#include "tests/check.h"
#include "tests/util.h"

#include "core/files/safetensors.h"

#include <stdlib.h>
#include <string.h>

/* A made model's weights file; *data where its tensors start. */
static char *weights_file(const char *name, size_t *n, size_t *data)
{
    uint64_t head;
    const char *dir = test_path(test_tmpdir(), name);
    arch_tiny_make(dir, name);
    char *file = test_slurp(test_path(dir, "model.safetensors"), n);
    check(file && *n > 8, "%s: no weights", name);
    memcpy(&head, file, 8);
    *data = 8 + head;
    check(*data < *n, "%s: header of %zu bytes in %zu", name, *data, *n);
    return file;
}

CHECK_TEST(arch_tiny, weights_have_the_bits_the_reference_used)
{
    const char *const *names;
    size_t n_names = arch_tiny_names(&names);
    check(n_names >= 39, "%zu models", n_names);
    for (size_t i = 0; i < n_names; i++) {
        size_t n, data;
        char hash[65];
        arch_golden g;
        char *file = weights_file(names[i], &n, &data);
        arch_golden_open(&g, names[i]);
        test_sha256(file + data, n - data, hash);
        check(strcmp(hash, g.sha256) == 0, "%s: %s, expected %s: run tests/reference/make.py",
              names[i], hash, g.sha256);
        arch_golden_close(&g);
        free(file);
    }
}

static void same_tensor(const char *name, const arch_tiny_row *row, const nb_tensor *t)
{
    check(strcmp(t->name, row->name) == 0, "%s: \"%s\" before \"%s\"", name, t->name, row->name);
    check(t->type == NK_F32 && t->n_dims == row->n_dims, "%s: %s", name, t->name);
    for (uint32_t d = 0; d < row->n_dims; d++)
        check(t->shape[d] == row->dim[row->n_dims - 1 - d], "%s: %s: dimension %u", name, t->name,
              d);
}

CHECK_TEST(arch_tiny, folders_hold_well_formed_safetensors)
{
    const char *const *names;
    size_t n_names = arch_tiny_names(&names);
    arch_tiny *list = malloc(sizeof *list);
    for (size_t i = 0; i < n_names; i++) {
        size_t n, data;
        nb_safetensors_info info = {0};
        nb_err err = {.msg = ""};
        char *file = weights_file(names[i], &n, &data);
        check(nb_safetensors_parse(&info, (const uint8_t *)file, n, n, names[i], &err) == NB_OK,
              "%s", err.msg);
        arch_tiny_list(list, names[i]);
        check(info.n_tensors == list->n, "%s: %zu tensors of %zu", names[i], info.n_tensors,
              list->n);
        for (size_t t = 0; t < list->n; t++)
            same_tensor(names[i], &list->row[t], &info.tensors[t]);
        nb_safetensors_free(&info);
        free(file);
    }
    free(list);
}

/* The rule in weights.py for the name "a" and seed 1, pinned. */
CHECK_TEST(arch_tiny, the_rule_gives_known_values)
{
    static const float known[] = {0x1.3ce844p-1f, -0x1.537e18p-1f, 0x1.8b30b0p-3f};
    arch_tiny_row row = {.name = "a", .n_dims = 1, .dim = {3}, .count = 3};
    float x[3], norm[3];
    arch_tiny_values(&row, 1, x);
    row.offset = 1;
    row.shift = -3;
    arch_tiny_values(&row, 1, norm);
    for (int i = 0; i < 3; i++) {
        check(x[i] == known[i], "%d: %a", i, (double)x[i]);
        check(norm[i] == 1 + x[i] / 8, "%d: %a", i, (double)norm[i]);
    }
}
