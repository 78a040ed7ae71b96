#include "tests/jinja.h"

#include <string.h>

/* Children are walked with a stack of their parents. */
void jinja_put(nb_jinja_input *in, const char *key, const nb_jval *v, nb_jinja_owner owner)
{
    int64_t i;
    double f;
    bool b;
    const char *s;
    nb_jkind kind = nb_jkind_of(v);
    if (nb_jint(v, &i)) {
        nb_jinja_put_int(in, key, i);
    } else if (nb_jnum(v, &f)) {
        nb_jinja_put_float(in, key, f);
    } else if (nb_jbool(v, &b)) {
        nb_jinja_put_bool(in, key, b);
    } else if (nb_jstr(v, &s)) {
        nb_jinja_put_str(in, key, s, strlen(s), owner);
    } else if (kind == NB_JARRAY || kind == NB_JOBJECT) { /* at most 64 deep: the reader's limit */
        if (kind == NB_JARRAY)
            nb_jinja_begin_list(in, key);
        else
            nb_jinja_begin_map(in, key);
        for (const nb_jval *c = nb_jfirst(v); c; c = nb_jnext(c))
            jinja_put(in, kind == NB_JARRAY ? NULL : nb_jkey(c), c, owner);
        nb_jinja_end(in);
    } else {
        nb_jinja_put_none(in, key);
    }
}

nb_status jinja_render(const char *text, size_t len, const nb_jval *vars, nb_jinja_text *out,
                       nb_err *err)
{
    static const nb_jinja_clock now = {2026, 1, 31, 12, 0, 0};
    nb_jinja *t = NULL;
    nb_jinja_input *in = NULL;
    *out = (nb_jinja_text){0};
    nb_status st = nb_jinja_open(&t, text, len, "test", NULL, err);
    if (st == NB_OK)
        st = nb_jinja_input_open(&in, err);
    for (const nb_jval *c = st == NB_OK ? nb_jfirst(vars) : NULL; c; c = nb_jnext(c)) {
        bool ours = strcmp(nb_jkey(c), "bos_token") == 0 || strcmp(nb_jkey(c), "eos_token") == 0;
        jinja_put(in, nb_jkey(c), c, ours ? NB_JINJA_TEMPLATE : NB_JINJA_USER);
    }
    if (st == NB_OK)
        st = nb_jinja_render(t, in, &now, out, err);
    nb_jinja_input_close(&in);
    nb_jinja_close(&t);
    return st;
}
