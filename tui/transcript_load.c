/* Reading a chat back, event by event; foreign lines are skipped, a torn last one is cut off. */
#include "tui/transcript_own.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/file.h"
#include "core/base/json.h"

enum { LINE_LIMIT = 4 << 20, FILE_LIMIT = 256 << 20 };

static bool role_of(const char *word, nb_role *out)
{
    for (int r = NB_SYSTEM; r <= NB_ASSISTANT; r++)
        if (strcmp(word, ui_role_word((nb_role)r)) == 0) {
            *out = (nb_role)r;
            return true;
        }
    return false;
}

static nb_stop stop_of(const char *word)
{
    for (int s = NB_STOP_END; s <= NB_STOP_FAIL; s++)
        if (strcmp(word, ui_stop_word((nb_stop)s)) == 0)
            return (nb_stop)s;
    return NB_STOP_FAIL;
}

/* A number of tokens; 0 for what is none. */
static uint32_t count(const nb_jval *v)
{
    double d;
    return nb_jnum(v, &d) ? (uint32_t)fmin(fmax(d, 0), 1e9) : 0;
}

static double num(const nb_jval *v, double fallback)
{
    double d;
    return nb_jnum(v, &d) ? d : fallback;
}

static bool read_message(ui_transcript *t, const nb_jval *v, int64_t n)
{
    int64_t parent, pane;
    const char *word, *text = "";
    nb_role role;
    if (!nb_jint(nb_jget(v, "parent"), &parent) || !nb_jint(nb_jget(v, "pane"), &pane) ||
        !nb_jstr(nb_jget(v, "role"), &word) || !role_of(word, &role))
        return false;
    if (n != (int64_t)t->n || parent < -1 || parent >= n || pane < 0 || pane >= UI_PANES ||
        (parent >= 0 && t->message[parent].pane != pane))
        return false;
    nb_jstr(nb_jget(v, "text"), &text);
    if (ui_transcript_append(t, (int)pane, (int)parent, role, NULL) != NB_OK)
        return false;
    t->message[n].done = role != NB_ASSISTANT;
    nb_str_add(&t->message[n].text, text);
    return true;
}

static bool read_event(const nb_jval *v, ui_message *m)
{
    const char *text;
    int64_t id;
    if (nb_jint(nb_jget(v, "id"), &id) && nb_jstr(nb_jget(v, "text"), &text)) {
        nb_token_event e = {.id = (int32_t)id,
                            .logprob = (float)num(nb_jget(v, "logprob"), NAN),
                            .entropy = (float)num(nb_jget(v, "entropy"), NAN),
                            .dropped = count(nb_jget(v, "dropped"))};
        size_t len = strlen(text);
        if (id < -1 || id > INT32_MAX || len > sizeof e.text)
            return false;
        for (int k = 0; k < NB_TOP; k++)
            e.top_id[k] = -1;
        e.len = (uint16_t)len;
        memcpy(e.text, text, len);
        return ui_transcript_append_token(m, &e, NULL) == NB_OK;
    }
    if (!nb_jstr(nb_jget(v, "stop"), &text))
        return false;
    nb_turn_stats s = {.n_prompt = count(nb_jget(v, "prompt")),
                       .n_reused = count(nb_jget(v, "reused")),
                       .n_drafted = count(nb_jget(v, "drafted")),
                       .n_accepted = count(nb_jget(v, "accepted")),
                       .ttft = num(nb_jget(v, "ttft"), 0),
                       .tok_per_s = num(nb_jget(v, "tok_per_s"), 0),
                       .stop = stop_of(text)};
    for (size_t i = 0; i < m->n_token; i++)
        s.n_dropped += m->token[i].dropped;
    nb_jbool(nb_jget(v, "tools"), &s.tools);
    ui_transcript_finish(m, &s);
    return true;
}

static bool read_pane(ui_transcript *t, const nb_jval *v, int64_t pane)
{
    const char *label = "", *path = "", *vocab;
    int64_t leaf;
    if (pane < 0 || pane >= UI_PANES)
        return false;
    if (nb_jint(nb_jget(v, "leaf"), &leaf)) {
        const ui_message *m = leaf >= 0 && leaf < (int64_t)t->n ? &t->message[leaf] : NULL;
        if (m && m->pane == pane)
            t->leaf[pane] = (int)leaf;
        return m && m->pane == pane;
    }
    if (!nb_jstr(nb_jget(v, "label"), &label) || !nb_jstr(nb_jget(v, "path"), &path))
        return false;
    snprintf(t->label[pane], sizeof t->label[pane], "%s", label);
    snprintf(t->path[pane], sizeof t->path[pane], "%s", path);
    t->vocabulary[pane] = 0;
    if (nb_jstr(nb_jget(v, "vocab"), &vocab) && strspn(vocab, "0123456789abcdef") == 16)
        t->vocabulary[pane] = strtoull(vocab, NULL, 16);
    return true;
}

static bool read_line(ui_transcript *t, const char *s, size_t n, bool *header)
{
    nb_json *doc;
    int64_t i;
    bool ok = false;
    if (nb_json_parse(&doc, s, n, LINE_LIMIT, t->file, NULL) != NB_OK)
        return false;
    const nb_jval *v = nb_json_root(doc);
    if (nb_jint(nb_jget(v, "nibble_chat"), &i))
        ok = *header = i == 1;
    else if (nb_jint(nb_jget(v, "n"), &i)) {
        if (nb_jget(v, "parent"))
            ok = read_message(t, v, i);
        else
            ok = i >= 0 && i < (int64_t)t->n && read_event(v, &t->message[i]);
    } else if (nb_jint(nb_jget(v, "pane"), &i))
        ok = read_pane(t, v, i);
    nb_json_close(&doc);
    return ok;
}

static nb_status read_all(ui_transcript *t, const char *text, size_t len, size_t *skipped,
                          nb_err *err)
{
    bool header = false;
    size_t bad = 0;
    for (size_t at_ = 0; at_ < len;) {
        const char *nl = memchr(text + at_, '\n', len - at_);
        if (!nl)
            break; /* torn: the write was interrupted */
        size_t n = (size_t)(nl - text) - at_;
        bool ok = read_line(t, text + at_, n, &header);
        if (!header)
            return nb_fail(err, NB_FORMAT, "%s: not a chat of nibble", t->file);
        bad += !ok;
        at_ += n + 1;
        t->whole = (off_t)at_;
    }
    if (!header)
        return nb_fail(err, NB_FORMAT, "%s: empty chat", t->file);
    if (skipped)
        *skipped = bad;
    return NB_OK;
}

nb_status ui_transcript_read(ui_transcript **out, const char *path, size_t *skipped, nb_err *err)
{
    char *text = NULL;
    size_t len;
    ui_transcript *t = NULL;
    NB_TRY(ui_transcript_make(&t, err));
    nb_status st = nb_file_read(&text, &len, path, FILE_LIMIT, err);
    if (st != NB_OK)
        goto out;
    snprintf(t->file, sizeof t->file, "%s", path);
    t->number = ui_transcript_number_of(nb_path_base(path));
    st = read_all(t, text, len, skipped, err);
    if (st != NB_OK)
        goto out;
    *out = t;
    t = NULL;
out:
    ui_transcript_close(&t);
    free(text);
    return st;
}

nb_status ui_transcript_load(ui_transcript **out, const char *path, size_t *skipped, nb_err *err)
{
    ui_transcript *t;
    NB_TRY(ui_transcript_read(&t, path, skipped, err));
    t->fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
    if (t->fd < 0 || ftruncate(t->fd, t->whole) != 0)
        nb_fail_errno(&t->problem, errno, "open", path);
    *out = t;
    return NB_OK;
}
