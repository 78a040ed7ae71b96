#include "tui/commands/default_text.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/digest.h"
#include "core/base/file.h"

enum { TEXT_LIMIT = 1 << 30, QUESTIONS_LIMIT = 1 << 24 };

bool ui_is_demo(const nb_weights *w)
{
    static const char demo[] = "Nibble Demo";
    const char *name;
    size_t n;
    return nb_kvs_str(nb_weights_kvs(w), "general.name", &name, &n) && n == strlen(demo) &&
           memcmp(name, demo, n) == 0;
}

bool ui_demo_questions(ui_corpus *out, const nb_config *cfg)
{
    char path[1100];
    ui_corpus t = {.name = "qa.json"};
    if (!cfg->demo_dir[0] || !nb_path_join(path, sizeof path, cfg->demo_dir, "qa.json") ||
        nb_file_read(&t.at, &t.len, path, QUESTIONS_LIMIT, NULL) != NB_OK)
        return false;
    if (nb_sha256_of(t.at, t.len, t.sha256, NULL) != NB_OK) {
        free(t.at);
        return false;
    }
    *out = t;
    return true;
}

static nb_status as_prose(nb_str *out, const ui_corpus *questions, nb_err *err)
{
    nb_json *doc = NULL;
    const char *text;
    NB_TRY(nb_json_parse(&doc, questions->at, questions->len, QUESTIONS_LIMIT, "qa.json", err));
    for (const nb_jval *v = nb_jfirst(nb_json_root(doc)); v; v = nb_jnext(v)) {
        for (const nb_jval *q = nb_jfirst(nb_jget(v, "questions")); q; q = nb_jnext(q))
            if (nb_jstr(q, &text))
                nb_str_addf(out, "%s\n", text);
        if (nb_jstr(nb_jget(v, "answer"), &text))
            nb_str_addf(out, "%s\n\n", text);
    }
    nb_json_close(&doc);
    return out->failed ? nb_fail(err, NB_NOMEM, "qa.json: no memory for its text") : NB_OK;
}

nb_status ui_text_open(ui_corpus *out, const nb_config *cfg, const char *file, nb_err *err)
{
    ui_corpus t = {.name = file}, questions;
    nb_str prose = {0};
    nb_status st;
    if (file) {
        st = nb_file_read(&t.at, &t.len, file, TEXT_LIMIT, err);
    } else if (!ui_demo_questions(&questions, cfg)) {
        return nb_fail(err, NB_USAGE, "--file is missing: the text to read");
    } else {
        st = as_prose(&prose, &questions, err);
        ui_text_close(&questions);
        t = (ui_corpus){
            .at = prose.at, .len = prose.len, .name = "the demo's questions and answers"};
    }
    if (st == NB_OK)
        st = nb_sha256_of(t.at, t.len, t.sha256, err);
    if (st != NB_OK)
        free(t.at);
    else
        *out = t;
    return st;
}

void ui_text_close(ui_corpus *t)
{
    free(t->at);
    *t = (ui_corpus){0};
}
