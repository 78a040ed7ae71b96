/* archs DIR: a tiny model of every architecture as DIR/LABEL-TYPE.gguf and, in DIR/archs.json, the
 * tokens of a prompt and what nibble's logits after it are: for archs.mjs. */
#include "tests/arch_rows.h"
#include "tests/check.h"
#include "tests/util.h"

#include "core/base/json.h"
#include "core/model/session.h"
#include "kernels/cpu.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N_IDS = 40, N_CTX = 64 };

void check_fail(const char *file, int line, const char *cond, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    fprintf(stderr, "%s:%d: %s: ", file, line, cond);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
    exit(1);
}

static void put_logits(nb_jout *w, const char *path, const int32_t *ids)
{
    nb_weights *weights = NULL;
    nb_model *m = NULL;
    nb_session *s = NULL;
    nk_ops ops;
    nb_err err = {0};
    nb_session_options opt = {.n_ctx = N_CTX, .kv_f32 = true};
    nk_ops_init(&ops, nk_cpu_detect());
    check(nb_weights_open(&weights, path, &err) == NB_OK, "%s", err.msg);
    check(nb_model_open(&m, weights, &err) == NB_OK, "%s: %s", path, err.msg);
    check(nb_session_open(&s, m, &ops, NULL, &opt, &err) == NB_OK, "%s", err.msg);
    check(nb_session_feed(s, ids, N_IDS, NULL, NULL, &err) == NB_OK, "%s: %s", path, err.msg);
    nb_jout_key(w, "gelu"), nb_jout_bool(w, m->hp.act == NK_GLU_GELU);
    nb_jout_key(w, "layers"), nb_jout_u64(w, m->hp.n_layer);
    nb_jout_key(w, "logits"), nb_jout_array(w);
    for (uint32_t i = 0; i < m->hp.n_vocab; i++)
        nb_jout_double(w, (double)nb_session_logits(s)[i]);
    nb_jout_array_end(w);
    nb_session_close(&s);
    nb_model_close(&m);
    nb_weights_close(&weights);
}

int main(int argc, char **argv)
{
    static const nk_type_id types[] = {NK_F32, NK_Q8_0}; /* named below */
    check(argc == 2, "usage: archs DIR");
    nb_str text = {0};
    nb_jout w = nb_jout_make(&text);
    int32_t ids[N_IDS];
    test_rng rng = test_rng_make(4);
    nb_jout_object(&w);
    nb_jout_key(&w, "context"), nb_jout_i64(&w, N_CTX);
    nb_jout_key(&w, "ids"), nb_jout_array(&w);
    for (size_t i = 0; i < N_IDS; i++) {
        ids[i] = (int32_t)test_below(&rng, 300);
        nb_jout_i64(&w, ids[i]);
    }
    nb_jout_array_end(&w);
    nb_jout_key(&w, "models"), nb_jout_array(&w);
    const arch_row *rows;
    size_t n = arch_rows(&rows);
    for (size_t i = 0; i < n * countof(types); i++) {
        const arch_row *row = &rows[i / countof(types)];
        char name[128], path[1024];
        if (row->ours_alone)
            continue;
        snprintf(name, sizeof name, "%s-%s.gguf", row->label,
                 nk_type_get(types[i % countof(types)])->name);
        snprintf(path, sizeof path, "%s/%s", argv[1], name);
        arch_row_write(path, row, types[i % countof(types)]);
        nb_jout_object(&w);
        nb_jout_key(&w, "file"), nb_jout_str(&w, name);
        nb_jout_key(&w, "type"), nb_jout_str(&w, i % countof(types) ? "Q8_0" : "F32");
        put_logits(&w, path, ids);
        nb_jout_object_end(&w);
    }
    nb_jout_array_end(&w);
    nb_jout_object_end(&w);
    char path[1024];
    snprintf(path, sizeof path, "%s/archs.json", argv[1]);
    test_spit(path, text.at, text.len);
    nb_str_free(&text);
    return 0;
}
