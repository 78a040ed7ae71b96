#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "downloads/cache.h"
#include "downloads/hub_private.h"

static void check_models(const char *json, size_t n)
{
    dl_page page = {.n = 0};
    nb_err err = {.status = NB_OK};
    nb_status st = dl_json_models(json, n, "fuzz", &page, &err);
    fuzz_check(st == NB_OK || (err.status == st && err.msg[0]), "failure without words");
    for (size_t i = 0; i < page.n; i++) {
        const dl_model *m = &page.at[i];
        fuzz_check(dl_repo_ok(m->id), "an unsound id passed: %s", m->id);
        fuzz_check(!m->base_model[0] || dl_repo_ok(m->base_model), "base %s", m->base_model);
        fuzz_check(!m->sha[0] || dl_commit_ok(m->sha), "commit %s", m->sha);
        fuzz_check(m->downloads >= -1 && m->likes >= -1 && m->updated >= 0, "negative counts");
    }
    dl_page_free(&page);
}

static void check_tree(const char *json, size_t n)
{
    dl_repo r = {.n_file = 0};
    nb_err err = {.status = NB_OK};
    nb_status st = dl_json_tree(json, n, "fuzz", &r, &err);
    fuzz_check(st == NB_OK || (err.status == st && err.msg[0]), "failure without words");
    for (size_t i = 0; i < r.n_file; i++) {
        const char *path = r.names.at + r.file[i].path_at;
        fuzz_check(dl_path_ok(path, NULL) == NB_OK, "an unsafe path passed: %s", path);
        fuzz_check(!r.file[i].oid[0] || dl_oid_ok(r.file[i].oid), "oid %s", r.file[i].oid);
        fuzz_check(r.file[i].size < UINT64_C(1) << 53, "size");
        r.file[i].path = path;
    }
    dl_choices choices;
    if (st == NB_OK && dl_choices_make(&r, &choices, NULL) == NB_OK) {
        size_t files = 0;
        const dl_choice *c;
        for (size_t i = 0; i < choices.n; i++)
            files += choices.at[i].n_file;
        fuzz_check(files >= r.n_file, "a file is in no choice");
        dl_pick(&r, &choices, "Q4_K_M", &c, NULL);
        dl_choices_free(&choices);
    }
    dl_repo_free(&r);
}

/* The Hub's answers: lists of models, trees; and what is picked from them. */
FUZZ_TARGET(hub)
{
    dl_model m;
    nb_err err = {.status = NB_OK};
    check_models((const char *)bytes, n);
    check_tree((const char *)bytes, n);
    nb_status st = dl_json_model((const char *)bytes, n, "fuzz", &m, &err);
    fuzz_check(st != NB_OK || dl_repo_ok(m.id), "an unsound id passed");
    fuzz_check(st == NB_OK || (err.status == st && err.msg[0]), "failure without words");
}
