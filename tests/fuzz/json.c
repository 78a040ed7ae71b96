#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "core/base/json.h"

/* Writes what the pull reader sees. False when it refuses the text. */
static bool transcribe(nb_str *out, const char *text, size_t n)
{
    nb_jpull p;
    nb_jout w = nb_jout_make(out);
    nb_jtoken t;
    double v;
    nb_jpull_open(&p, text, n, "fuzz", NULL);
    while ((t = nb_jpull_next(&p)) != NB_JT_END && t != NB_JT_ERROR) {
        if (t == NB_JT_OBJECT)
            nb_jout_object(&w);
        else if (t == NB_JT_OBJECT_END)
            nb_jout_object_end(&w);
        else if (t == NB_JT_ARRAY)
            nb_jout_array(&w);
        else if (t == NB_JT_ARRAY_END)
            nb_jout_array_end(&w);
        else if (t == NB_JT_KEY)
            nb_jout_key(&w, nb_str_c(&p.text));
        else if (t == NB_JT_STRING)
            nb_jout_strn(&w, p.text.at, p.text.len);
        else if (t == NB_JT_NUMBER)
            nb_jout_double(&w, nb_jpull_double(&p, &v) ? v : 0);
        else if (t == NB_JT_NULL)
            nb_jout_null(&w);
        else
            nb_jout_bool(&w, t == NB_JT_TRUE);
    }
    nb_jpull_close(&p);
    return t == NB_JT_END;
}

FUZZ_TARGET(json)
{
    nb_str once = {0}, twice = {0};
    nb_json *doc = NULL;
    nb_err err = {.status = NB_OK};
    bool sound = transcribe(&once, (const char *)bytes, n);
    nb_status status = nb_json_parse(&doc, (const char *)bytes, n, n, "fuzz", &err);
    fuzz_check(sound || status == NB_FORMAT, "the tree took what the pull reader refused");
    fuzz_check((status == NB_OK) == (doc != NULL), "output without success");
    fuzz_check(status == NB_OK || (err.status == status && err.msg[0]), "failure without words");
    if (sound) {
        fuzz_check(transcribe(&twice, once.at, once.len), "own output refused: %s", once.at);
        fuzz_check(strcmp(once.at, twice.at) == 0, "%s is not %s", once.at, twice.at);
    }
    nb_json_close(&doc);
    nb_str_free(&once);
    nb_str_free(&twice);
}
