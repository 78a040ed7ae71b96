/* The tree reader: the pull reader checks the text, cJSON then only has to build. The one file that
 * includes cJSON. */
#include "core/base/json.h"

#include <cjson/cJSON.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/file.h"

enum {
    TREE_DEPTH = 64,
    CJSON_NUMBER_MAX = 63, /* cJSON 1.7 cuts a longer spelling (parse_number's buffer) */
};
static const double INT_MAX_EXACT = 9007199254740991.0; /* 2^53 - 1: the next one may be rounded */

struct nb_json {
    cJSON *root;
    char *what; /* document name for messages */
};

/* nb_jval is never defined: a value is a cJSON item under another name. */
static const cJSON *item(const nb_jval *v)
{
    return (const cJSON *)(const void *)v;
}

static const nb_jval *val(const cJSON *i)
{
    return (const nb_jval *)(const void *)i;
}

static nb_status validate(const char *text, size_t n, const char *what, nb_err *err)
{
    nb_err why = {.status = NB_FORMAT};
    nb_jpull p;
    nb_jtoken t;
    nb_jpull_open(&p, text, n, what, &why);
    do {
        t = nb_jpull_next(&p);
        if (t == NB_JT_NUMBER && p.text.len > CJSON_NUMBER_MAX) {
            nb_fail(&why, NB_FORMAT, "%s: byte %zu: number of %zu characters, the limit is %d",
                    what, (size_t)(p.at - p.start), p.text.len, CJSON_NUMBER_MAX);
            t = NB_JT_ERROR;
        }
    } while (t != NB_JT_END && t != NB_JT_ERROR);
    nb_jpull_close(&p);
    if (t == NB_JT_END)
        return NB_OK;
    if (err)
        *err = why;
    return why.status;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Sorted, equal keys are neighbours: n log n where a lookup per key would be n^2. */
static nb_status unique_keys(const cJSON *object, const char *what, nb_err *err)
{
    size_t n = 0, i = 0;
    for (const cJSON *c = object->child; c; c = c->next)
        n++;
    if (n < 2)
        return NB_OK;
    const char **keys = nb_alloc(n, sizeof *keys, what, err);
    if (!keys)
        return NB_NOMEM;
    for (const cJSON *c = object->child; c; c = c->next)
        keys[i++] = c->string;
    qsort(keys, n, sizeof *keys, by_text);
    nb_status status = NB_OK;
    for (i = 1; i < n && status == NB_OK; i++)
        if (strcmp(keys[i - 1], keys[i]) == 0)
            status =
                nb_fail(err, NB_FORMAT, "%s: key \"%s\" stands twice in one object", what, keys[i]);
    free(keys);
    return status;
}

static nb_status unique_keys_everywhere(const cJSON *root, const char *what, nb_err *err)
{
    const cJSON *next[TREE_DEPTH + 1]; /* per level: what is still to be visited */
    int depth = 0;
    next[0] = root;
    while (depth >= 0) {
        const cJSON *at = next[depth];
        if (!at) {
            depth--;
            continue;
        }
        next[depth] = at->next;
        if (cJSON_IsObject(at))
            NB_TRY(unique_keys(at, what, err));
        if (at->child && depth < TREE_DEPTH)
            next[++depth] = at->child;
    }
    return NB_OK;
}

nb_status nb_json_parse(nb_json **out, const char *text, size_t n, uint64_t limit, const char *what,
                        nb_err *err)
{
    nb_status status = NB_NOMEM;
    if (n > limit)
        return nb_fail(err, NB_FORMAT, "%s: %zu bytes, the limit is %" PRIu64, what, n, limit);
    NB_TRY(validate(text, n, what, err));
    nb_json *doc = nb_alloc(1, sizeof *doc, what, err);
    if (!doc)
        return NB_NOMEM;
    doc->what = nb_strdup(what, err);
    if (!doc->what)
        goto out;
    doc->root = cJSON_ParseWithLengthOpts(text, n, NULL, 0);
    if (!doc->root) { /* the text is sound, so only memory can be missing */
        status = nb_fail(err, NB_NOMEM, "%s: no memory to read it", what);
        goto out;
    }
    status = unique_keys_everywhere(doc->root, what, err);
    if (status == NB_OK) {
        *out = doc;
        doc = NULL;
    }
out:
    nb_json_close(&doc);
    return status;
}

nb_status nb_json_load(nb_json **out, const char *path, uint64_t limit, nb_err *err)
{
    char *text;
    size_t n;
    NB_TRY(nb_file_read(&text, &n, path, limit, err));
    nb_status status = nb_json_parse(out, text, n, limit, nb_path_base(path), err);
    free(text);
    return status;
}

void nb_json_close(nb_json **doc)
{
    if (!*doc)
        return;
    cJSON_Delete((*doc)->root);
    free((*doc)->what);
    free(*doc);
    *doc = NULL;
}

const nb_jval *nb_json_root(const nb_json *doc)
{
    return val(doc->root);
}

nb_jkind nb_jkind_of(const nb_jval *v)
{
    const cJSON *i = item(v);
    if (!i || cJSON_IsNull(i))
        return NB_JNULL;
    if (cJSON_IsBool(i))
        return NB_JBOOL;
    if (cJSON_IsNumber(i))
        return NB_JNUMBER;
    if (cJSON_IsString(i))
        return NB_JSTRING;
    return cJSON_IsArray(i) ? NB_JARRAY : NB_JOBJECT;
}

const nb_jval *nb_jget(const nb_jval *obj, const char *key)
{
    if (nb_jkind_of(obj) != NB_JOBJECT)
        return NULL;
    return val(cJSON_GetObjectItemCaseSensitive(item(obj), key));
}

size_t nb_jlen(const nb_jval *v)
{
    size_t n = 0;
    for (const nb_jval *c = nb_jfirst(v); c; c = nb_jnext(c))
        n++;
    return n;
}

const nb_jval *nb_jfirst(const nb_jval *v)
{
    return v ? val(item(v)->child) : NULL;
}

const nb_jval *nb_jnext(const nb_jval *child)
{
    return child ? val(item(child)->next) : NULL;
}

const char *nb_jkey(const nb_jval *child)
{
    return child ? item(child)->string : NULL;
}

bool nb_jstr(const nb_jval *v, const char **out)
{
    if (nb_jkind_of(v) != NB_JSTRING)
        return false;
    *out = item(v)->valuestring;
    return true;
}

bool nb_jbool(const nb_jval *v, bool *out)
{
    if (nb_jkind_of(v) != NB_JBOOL)
        return false;
    *out = cJSON_IsTrue(item(v));
    return true;
}

bool nb_jnum(const nb_jval *v, double *out)
{
    if (nb_jkind_of(v) != NB_JNUMBER)
        return false;
    *out = item(v)->valuedouble;
    return true;
}

bool nb_jint(const nb_jval *v, int64_t *out)
{
    double d;
    if (!nb_jnum(v, &d) || d != floor(d) || fabs(d) > INT_MAX_EXACT)
        return false;
    *out = (int64_t)d;
    return true;
}

/* "expected <want>, found <what is there>". */
static nb_status wrong(const nb_json *doc, const char *key, const char *want, const nb_jval *v,
                       nb_err *err)
{
    static const char *const kind[] = {"null", "", "", "", "an array", "an object"};
    char found[64], number[32];
    const cJSON *i = item(v);
    nb_jkind k = nb_jkind_of(v);
    if (!i)
        snprintf(found, sizeof found, "nothing");
    else if (k == NB_JSTRING)
        snprintf(found, sizeof found, "\"%.40s\"", i->valuestring);
    else if (k == NB_JNUMBER)
        snprintf(found, sizeof found, "%s", nb_fmt_double(number, i->valuedouble));
    else if (k == NB_JBOOL)
        snprintf(found, sizeof found, "%s", cJSON_IsTrue(i) ? "true" : "false");
    else
        snprintf(found, sizeof found, "%s", kind[k]);
    return nb_fail(err, NB_FORMAT, "%s: %s: expected %s, found %s", doc->what, key, want, found);
}

nb_status nb_jneed_int(const nb_json *doc, const nb_jval *obj, const char *key, int64_t min,
                       int64_t max, int64_t *out, nb_err *err)
{
    const nb_jval *v = nb_jget(obj, key);
    char want[80];
    int64_t got;
    if (nb_jint(v, &got) && got >= min && got <= max) {
        *out = got;
        return NB_OK;
    }
    snprintf(want, sizeof want, "an integer %" PRId64 "..%" PRId64, min, max);
    return wrong(doc, key, want, v, err);
}

nb_status nb_jopt_int(const nb_json *doc, const nb_jval *obj, const char *key, int64_t min,
                      int64_t max, int64_t *out, nb_err *err)
{
    if (nb_jkind_of(nb_jget(obj, key)) == NB_JNULL)
        return NB_OK;
    return nb_jneed_int(doc, obj, key, min, max, out, err);
}

nb_status nb_jopt_num(const nb_json *doc, const nb_jval *obj, const char *key, double min,
                      double max, double *out, nb_err *err)
{
    const nb_jval *v = nb_jget(obj, key);
    char want[96], a[32], b[32];
    double got;
    if (nb_jkind_of(v) == NB_JNULL)
        return NB_OK;
    if (nb_jnum(v, &got) && got >= min && got <= max) {
        *out = got;
        return NB_OK;
    }
    snprintf(want, sizeof want, "a number %s..%s", nb_fmt_double(a, min), nb_fmt_double(b, max));
    return wrong(doc, key, want, v, err);
}

nb_status nb_jopt_bool(const nb_json *doc, const nb_jval *obj, const char *key, bool *out,
                       nb_err *err)
{
    const nb_jval *v = nb_jget(obj, key);
    if (nb_jkind_of(v) == NB_JNULL || nb_jbool(v, out))
        return NB_OK;
    return wrong(doc, key, "true or false", v, err);
}

nb_status nb_jopt_str(const nb_json *doc, const nb_jval *obj, const char *key, const char **out,
                      nb_err *err)
{
    const nb_jval *v = nb_jget(obj, key);
    if (nb_jkind_of(v) == NB_JNULL || nb_jstr(v, out))
        return NB_OK;
    return wrong(doc, key, "a string", v, err);
}
