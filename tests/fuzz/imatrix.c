/* Any bytes as an importance matrix, in both forms: a clean refusal, or entries in order, each
 * once, whose values an encoder can take. */
#include "tests/fuzz/fuzz.h"

#include <math.h>
#include <string.h>

#include "core/quant/imatrix.h"

static void check_entry(const nb_imatrix *im, size_t i)
{
    const nb_imatrix_entry *e = &im->entry[i];
    fuzz_check(i == 0 || strcmp(im->entry[i - 1].name, e->name) < 0, "order of %s", e->name);
    fuzz_check(nb_imatrix_find(im, e->name) == e, "%s is not found", e->name);
    fuzz_check(e->n && e->n_mat && e->n % e->n_mat == 0, "%s: sizes", e->name);
    for (uint64_t k = 0; k < e->n; k++)
        fuzz_check(isfinite(e->importance[k]) && e->importance[k] >= 0 && isfinite(e->sum2[k]) &&
                       e->sum2[k] >= 0,
                   "%s: value %llu", e->name, (unsigned long long)k);
    for (uint64_t k = 0; k < e->n_mat; k++)
        fuzz_check(e->count[k] >= 0, "%s: count %llu", e->name, (unsigned long long)k);
}

FUZZ_TARGET(imatrix)
{
    static const char *const words[] = {"attn", "5"};
    nb_imatrix *im;
    nb_err err = {.msg = ""};
    nb_status st = nb_imatrix_parse(&im, bytes, n, "fuzz", &err);
    if (st != NB_OK) {
        fuzz_check(err.status == st && err.msg[0], "failure without words");
        return;
    }
    fuzz_check(im->n > 0, "empty");
    for (size_t i = 0; i < im->n; i++)
        check_entry(im, i);
    nb_imatrix_keep(im, words, 2, true);
    for (size_t i = 0; i < im->n; i++)
        check_entry(im, i);
    nb_imatrix_close(&im);
}
