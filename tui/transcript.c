#include "tui/transcript_own.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/file.h"
#include "core/base/json.h"
#include "core/files/library.h"

const char *ui_role_word(nb_role r)
{
    static const char *const word[] = {"system", "user", "assistant"};
    return (unsigned)r < countof(word) ? word[r] : "user";
}

const char *ui_stop_word(nb_stop s)
{
    static const char *const word[] = {"end", "limit", "context", "cancel", "fail"};
    return (unsigned)s < countof(word) ? word[s] : "fail";
}

nb_status ui_transcript_make(ui_transcript **out, nb_err *err)
{
    ui_transcript *t = nb_alloc(1, sizeof *t, "chat", err);
    if (!t)
        return NB_NOMEM;
    t->fd = -1;
    for (int p = 0; p < UI_PANES; p++)
        t->leaf[p] = -1;
    *out = t;
    return NB_OK;
}

nb_status ui_transcript_open(ui_transcript **out, const char *dir, nb_err *err)
{
    NB_TRY(ui_transcript_make(out, err));
    if (dir)
        snprintf((*out)->dir, sizeof(*out)->dir, "%s", dir);
    return NB_OK;
}

void ui_transcript_close(ui_transcript **pt)
{
    ui_transcript *t = *pt;
    if (!t)
        return;
    ui_transcript_sync(t);
    for (size_t i = 0; i < t->n; i++) {
        nb_str_free(&t->message[i].text);
        free(t->message[i].token);
    }
    free(t->message);
    nb_str_free(&t->line);
    if (t->fd >= 0)
        close(t->fd);
    free(t);
    *pt = NULL;
}

/* --- file ------------------------------------------------------------------------------------ */

int ui_transcript_number_of(const char *name)
{
    static const char front[] = "chat-", end[] = ".jsonl";
    size_t n = strlen(name), f = sizeof front - 1, e = sizeof end - 1;
    char digits[8] = "";
    uint64_t number;
    if (n <= f + e || n - f - e >= sizeof digits || strncmp(name, front, f) != 0 ||
        strcmp(name + n - e, end) != 0)
        return 0;
    memcpy(digits, name + f, n - f - e);
    return nb_parse_u64(digits, &number) ? (int)number : 0;
}

/* Numbers go up and are never given twice: one more than the highest in the folder. */
static int last_number(const char *dir)
{
    DIR *d = opendir(dir);
    int last = 0;
    if (!d)
        return 0;
    for (struct dirent *e; (e = readdir(d));) {
        int n = ui_transcript_number_of(e->d_name);
        if (n > last)
            last = n;
    }
    closedir(d);
    return last;
}

static nb_status create(ui_transcript *t, nb_err *err)
{
    NB_TRY(nb_mkdirs(t->dir, err));
    int number = last_number(t->dir) + 1;
    for (;; number++) {
        char name[32];
        snprintf(name, sizeof name, "chat-%04d.jsonl", number);
        if (!nb_path_join(t->file, sizeof t->file, t->dir, name))
            return nb_fail(err, NB_IO, "%s: path too long", t->dir);
        t->fd = open(t->file, O_WRONLY | O_APPEND | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (t->fd >= 0)
            break;
        if (errno == EINTR)
            number--; /* the same name again */
        else if (errno != EEXIST) {
            int e = errno;
            nb_status st = nb_fail_errno(err, e, "create", t->file);
            t->file[0] = '\0';
            return st;
        }
    }
    t->number = number;
    return NB_OK;
}

/* A line is whole or not there: what a full disk cut is cut off again. */
static void write_line(ui_transcript *t)
{
    nb_str_add(&t->line, "\n");
    if (t->fd < 0 || t->problem.status)
        return;
    if (t->line.failed) {
        nb_fail(&t->problem, NB_NOMEM, "%s: no memory to write a line", t->file);
        return;
    }
    size_t done = 0;
    while (done < t->line.len) {
        ssize_t n = write(t->fd, t->line.at + done, t->line.len - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            nb_fail_errno(&t->problem, n ? errno : ENOSPC, "write", t->file);
            if (ftruncate(t->fd, t->whole) != 0)
                nb_fail_errno(&t->problem, errno, "truncate", t->file);
            return;
        }
        done += (size_t)n;
    }
    t->whole += (off_t)t->line.len;
    t->unsynced = true;
}

static nb_jout begin_line(ui_transcript *t)
{
    nb_str_clear(&t->line);
    nb_jout w = nb_jout_make(&t->line);
    nb_jout_object(&w);
    return w;
}

static void end_line(ui_transcript *t, nb_jout *w)
{
    nb_jout_object_end(w);
    write_line(t);
}

static void write_pane(ui_transcript *t, int pane)
{
    nb_jout w = begin_line(t);
    nb_jout_key(&w, "pane");
    nb_jout_i64(&w, pane);
    nb_jout_key(&w, "label");
    nb_jout_str(&w, t->label[pane]);
    nb_jout_key(&w, "path");
    nb_jout_str(&w, t->path[pane]);
    if (t->vocabulary[pane]) {
        char print[17];
        snprintf(print, sizeof print, "%016" PRIx64, t->vocabulary[pane]);
        nb_jout_key(&w, "vocab");
        nb_jout_str(&w, print);
    }
    end_line(t, &w);
}

static void need_file(ui_transcript *t)
{
    if (t->fd >= 0 || !t->dir[0] || t->problem.status)
        return;
    if (create(t, &t->problem) != NB_OK)
        return;
    nb_jout w = begin_line(t);
    nb_jout_key(&w, "nibble_chat");
    nb_jout_i64(&w, 1);
    end_line(t, &w);
    for (int p = 0; p < UI_PANES; p++)
        if (t->label[p][0])
            write_pane(t, p);
}

void ui_transcript_sync(ui_transcript *t)
{
    if (t->fd < 0 || !t->unsynced)
        return;
    int rc;
    do
        rc = fsync(t->fd);
    while (rc != 0 && errno == EINTR);
    if (rc != 0 && !t->problem.status)
        nb_fail_errno(&t->problem, errno, "sync", t->file);
    t->unsynced = false;
}

/* --- tree ------------------------------------------------------------------------------------ */

static bool valid_pane(int pane)
{
    return pane >= 0 && pane < UI_PANES;
}

static ui_message *at(const ui_transcript *t, int i)
{
    return i >= 0 && (size_t)i < t->n ? &t->message[i] : NULL;
}

nb_status ui_transcript_append(ui_transcript *t, int pane, int parent, nb_role role, nb_err *err)
{
    if (t->n == t->cap) {
        size_t cap = t->cap ? 2 * t->cap : 32;
        ui_message *m = realloc(t->message, cap * sizeof *m);
        if (!m)
            return nb_fail(err, NB_NOMEM, "chat: no memory for %zu messages", cap);
        t->message = m;
        t->cap = cap;
    }
    t->message[t->n++] = (ui_message){.parent = parent, .pane = pane, .role = role};
    t->leaf[pane] = (int)t->n - 1;
    return NB_OK;
}

nb_status ui_transcript_append_token(ui_message *m, const nb_token_event *e, nb_err *err)
{
    if (e->id < 0) { /* text that belongs to no new token */
        nb_str_addn(&m->text, e->text, e->len);
        if (m->text.failed)
            return nb_fail(err, NB_NOMEM, "chat: no memory behind %zu bytes", m->text.len);
        return NB_OK;
    }
    if (m->n_token == m->cap_token) {
        size_t cap = m->cap_token ? 2 * m->cap_token : 64;
        ui_token *k = realloc(m->token, cap * sizeof *k);
        if (!k)
            return nb_fail(err, NB_NOMEM, "chat: no memory for %zu tokens", cap);
        m->token = k;
        m->cap_token = cap;
    }
    ui_token *k = &m->token[m->n_token++];
    *k = (ui_token){.id = e->id,
                    .logprob = e->logprob,
                    .entropy = e->entropy,
                    .start = (uint32_t)m->text.len,
                    .len = e->len,
                    .dropped = e->dropped};
    memcpy(k->top_id, e->top_id, sizeof k->top_id);
    memcpy(k->top_logprob, e->top_logprob, sizeof k->top_logprob);
    nb_str_addn(&m->text, e->text, e->len);
    if (m->text.failed) {
        m->n_token--;
        return nb_fail(err, NB_NOMEM, "chat: no memory behind %zu bytes", m->text.len);
    }
    return NB_OK;
}

nb_status ui_transcript_add(ui_transcript *t, int pane, int parent, nb_role role, const char *text,
                            size_t n, int *index, nb_err *err)
{
    const ui_message *up = at(t, parent);
    if (!valid_pane(pane) || (parent != -1 && (!up || up->pane != pane)))
        return nb_fail(err, NB_ERROR, "chat: message %d is not of pane %d", parent, pane);
    NB_TRY(ui_transcript_append(t, pane, parent, role, err));
    ui_message *m = &t->message[t->n - 1];
    nb_str_addn(&m->text, text, n);
    if (m->text.failed) {
        nb_str_free(&m->text);
        t->leaf[pane] = parent;
        t->n--;
        return nb_fail(err, NB_NOMEM, "chat: no memory for %zu bytes", n);
    }
    m->done = role != NB_ASSISTANT;
    need_file(t);
    nb_jout w = begin_line(t);
    nb_jout_key(&w, "n");
    nb_jout_u64(&w, t->n - 1);
    nb_jout_key(&w, "parent");
    nb_jout_i64(&w, parent);
    nb_jout_key(&w, "pane");
    nb_jout_i64(&w, pane);
    nb_jout_key(&w, "role");
    nb_jout_str(&w, ui_role_word(role));
    if (n) {
        nb_jout_key(&w, "text");
        nb_jout_strn(&w, text, n);
    }
    end_line(t, &w);
    if (index)
        *index = (int)t->n - 1;
    return NB_OK;
}

nb_status ui_transcript_token(ui_transcript *t, int message, const nb_token_event *e, nb_err *err)
{
    ui_message *m = at(t, message);
    if (!m)
        return nb_fail(err, NB_ERROR, "chat: no message %d", message);
    NB_TRY(ui_transcript_append_token(m, e, err));
    nb_jout w = begin_line(t);
    nb_jout_key(&w, "n");
    nb_jout_i64(&w, message);
    nb_jout_key(&w, "id");
    nb_jout_i64(&w, e->id);
    nb_jout_key(&w, "text");
    nb_jout_strn(&w, e->text, e->len);
    nb_jout_key(&w, "logprob");
    nb_jout_double(&w, (double)e->logprob);
    nb_jout_key(&w, "entropy");
    nb_jout_double(&w, (double)e->entropy);
    if (e->dropped) {
        nb_jout_key(&w, "dropped");
        nb_jout_u64(&w, e->dropped);
    }
    end_line(t, &w);
    return NB_OK;
}

void ui_transcript_finish(ui_message *m, const nb_turn_stats *stats)
{
    m->done = true;
    m->stop = stats->stop;
    m->tok_per_s = stats->tok_per_s;
    m->ttft = stats->ttft;
    m->n_prompt = stats->n_prompt;
    m->n_reused = stats->n_reused;
    m->n_dropped = stats->n_dropped;
    m->n_drafted = stats->n_drafted;
    m->n_accepted = stats->n_accepted;
    m->tools = stats->tools;
}

void ui_transcript_end(ui_transcript *t, int message, const nb_turn_stats *stats)
{
    ui_message *m = at(t, message);
    if (!m)
        return;
    ui_transcript_finish(m, stats);
    nb_jout w = begin_line(t);
    nb_jout_key(&w, "n");
    nb_jout_i64(&w, message);
    nb_jout_key(&w, "stop");
    nb_jout_str(&w, ui_stop_word(stats->stop));
    nb_jout_key(&w, "tok_per_s");
    nb_jout_double(&w, stats->tok_per_s);
    nb_jout_key(&w, "ttft");
    nb_jout_double(&w, stats->ttft);
    nb_jout_key(&w, "prompt");
    nb_jout_u64(&w, stats->n_prompt);
    nb_jout_key(&w, "reused");
    nb_jout_u64(&w, stats->n_reused);
    if (stats->n_drafted) {
        nb_jout_key(&w, "drafted");
        nb_jout_u64(&w, stats->n_drafted);
        nb_jout_key(&w, "accepted");
        nb_jout_u64(&w, stats->n_accepted);
    }
    if (stats->tools) {
        nb_jout_key(&w, "tools");
        nb_jout_bool(&w, true);
    }
    end_line(t, &w);
}

void ui_transcript_set_vocabulary(ui_transcript *t, int pane, uint64_t print)
{
    if (valid_pane(pane))
        t->vocabulary[pane] = print;
}

bool ui_transcript_other_vocabulary(const ui_transcript *t, int pane)
{
    return valid_pane(pane) && t->vocabulary[0] && t->vocabulary[pane] &&
           t->vocabulary[0] != t->vocabulary[pane];
}

bool ui_transcript_remote(const ui_transcript *t, int pane)
{
    return valid_pane(pane) && nb_is_remote(t->path[pane]);
}

bool ui_transcript_by_text(const ui_transcript *t, int pane)
{
    return ui_transcript_remote(t, 0) || ui_transcript_remote(t, pane);
}

void ui_transcript_name_pane(ui_transcript *t, int pane, const char *label, const char *path)
{
    if (!valid_pane(pane))
        return;
    snprintf(t->label[pane], sizeof t->label[pane], "%s", label);
    snprintf(t->path[pane], sizeof t->path[pane], "%s", path);
    if (t->fd >= 0)
        write_pane(t, pane);
}

static void show(ui_transcript *t, int message)
{
    int leaf = message, next = message;
    while (next >= 0) {
        leaf = next;
        next = -1;
        for (int i = leaf + 1; i < (int)t->n; i++) /* children come after their parent */
            if (t->message[i].parent == leaf)
                next = i;
    }
    t->leaf[t->message[message].pane] = leaf;
}

void ui_transcript_select(ui_transcript *t, int message)
{
    const ui_message *m = at(t, message);
    if (!m)
        return;
    show(t, message);
    nb_jout w = begin_line(t);
    nb_jout_key(&w, "pane");
    nb_jout_i64(&w, m->pane);
    nb_jout_key(&w, "leaf");
    nb_jout_i64(&w, t->leaf[m->pane]);
    end_line(t, &w);
}

void ui_transcript_rewind(ui_transcript *t, int message)
{
    const ui_message *m = at(t, message);
    if (m)
        t->leaf[m->pane] = message;
}

/* --- what the rest may look at --------------------------------------------------------------- */

size_t ui_transcript_count(const ui_transcript *t)
{
    return t->n;
}

const ui_message *ui_transcript_at(const ui_transcript *t, int message)
{
    return at(t, message);
}

int ui_transcript_leaf(const ui_transcript *t, int pane)
{
    return valid_pane(pane) ? t->leaf[pane] : -1;
}

int ui_transcript_number(const ui_transcript *t)
{
    return t->number;
}

const char *ui_transcript_file(const ui_transcript *t)
{
    return t->file;
}

const nb_err *ui_transcript_problem(const ui_transcript *t)
{
    return t->problem.status ? &t->problem : NULL;
}

const char *ui_transcript_label(const ui_transcript *t, int pane)
{
    return valid_pane(pane) ? t->label[pane] : "";
}

const char *ui_transcript_model(const ui_transcript *t, int pane)
{
    return valid_pane(pane) ? t->path[pane] : "";
}
