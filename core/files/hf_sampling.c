/* How a model's makers sample it: generation_config.json becomes general.sampling.*, which other
 * runtimes take as their defaults (gguf-py/gguf/metadata.py @ de3ff81, Metadata.load; types:
 * gguf_writer.py, add_sampling_*). */
#include "core/files/hf_private.h"

#include <float.h>
#include <limits.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "core/base/file.h"

enum { MAX_CONFIG = 1 << 20 };

typedef enum kind { WHOLE, REAL, TEXT } kind;

static const struct {
    const char *name, *other, *key; /* other: asked where name is absent */
    kind kind;
} rows[] = {
    {"sequence", NULL, "general.sampling.sequence", TEXT},
    {"top_k", NULL, "general.sampling.top_k", WHOLE},
    {"top_p", NULL, "general.sampling.top_p", REAL},
    {"min_p", NULL, "general.sampling.min_p", REAL},
    {"xtc_probability", NULL, "general.sampling.xtc_probability", REAL},
    {"xtc_threshold", NULL, "general.sampling.xtc_threshold", REAL},
    {"temperature", NULL, "general.sampling.temp", REAL},
    {"penalty_last_n", NULL, "general.sampling.penalty_last_n", WHOLE},
    {"penalty_repeat", "repetition_penalty", "general.sampling.penalty_repeat", REAL},
    {"mirostat", NULL, "general.sampling.mirostat", WHOLE},
    {"mirostat_tau", NULL, "general.sampling.mirostat_tau", REAL},
    {"mirostat_eta", NULL, "general.sampling.mirostat_eta", REAL},
};

/* A value of another kind, null among them, is left out: no weight depends on it. */
static nb_status put(nb_kvs *kvs, size_t row, const nb_jval *v, nb_err *err)
{
    const char *key = rows[row].key, *text;
    int64_t whole;
    double real;
    switch (rows[row].kind) {
    case WHOLE:
        if (nb_jint(v, &whole) && whole >= INT32_MIN && whole <= INT32_MAX)
            return nb_kvs_put_i32(kvs, key, (int32_t)whole, err);
        break;
    case REAL:
        if (nb_jnum(v, &real) && fabs(real) <= FLT_MAX)
            return nb_kvs_put_f32(kvs, key, (float)real, err);
        break;
    case TEXT:
        if (nb_jstr(v, &text))
            return nb_kvs_put_str(kvs, key, text, strlen(text), err);
    }
    return NB_OK;
}

nb_status nb_hf_sampling(nb_kvs *kvs, const char *dir, nb_err *err)
{
    char path[PATH_MAX];
    nb_json *doc = NULL;
    nb_status st = NB_OK;
    if (!nb_path_join(path, sizeof path, dir, "generation_config.json") || !nb_exists(path))
        return NB_OK;
    NB_TRY(nb_json_load(&doc, path, MAX_CONFIG, err));
    for (size_t i = 0; i < countof(rows) && st == NB_OK; i++) {
        const nb_jval *v = nb_jget(nb_json_root(doc), rows[i].name);
        if (!v && rows[i].other)
            v = nb_jget(nb_json_root(doc), rows[i].other);
        st = put(kvs, i, v, err);
    }
    nb_json_close(&doc);
    return st;
}
