#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/job.h"
#include "core/base/str.h"
#include "core/eval/stat.h"
#include "core/eval/task_private.h"

enum {
    LEAST_TAIL = 3,    /* Winogrande: longer tails leave the choice out (k_min_trailing_ctx) */
    MOST_OPTIONS = 100 /* of one task: what the reader lets pass */
};

/* --- tokens ------------------------------------------------------------------------------------
 */

nb_status nb_task_ids(int32_t **ids, size_t *n, const nb_tok *tok, const nb_task_option *o,
                      int parts, nb_err *err)
{
    nb_str text = {0};
    *ids = NULL;
    for (int i = 0; i < parts; i++)
        nb_str_addn(&text, o->part[i].at, o->part[i].len);
    size_t need =
        text.failed ? SIZE_MAX : nb_tok_encode(tok, nb_str_c(&text), text.len, NB_TOK_BOS, NULL, 0);
    nb_status st = NB_NOMEM;
    if (need == SIZE_MAX)
        nb_fail(err, NB_NOMEM, "a task of %zu bytes: no memory", text.len);
    else if ((*ids = nb_alloc(need + 1, sizeof **ids, "tokens of a task", err)))
        st = NB_OK;
    if (st == NB_OK &&
        nb_tok_encode(tok, nb_str_c(&text), text.len, NB_TOK_BOS, *ids, need) != need)
        st = nb_fail(err, NB_NOMEM, "a task of %zu bytes: no memory", text.len);
    nb_str_free(&text);
    if (st != NB_OK) {
        free(*ids);
        *ids = NULL;
    }
    *n = need;
    return st;
}

nb_status nb_task_prompt(int32_t **ids, size_t *n, size_t room, const nb_chat *chat,
                         const nb_task_option *o, nb_err *err)
{
    nb_message ask = {.role = NB_USER, .text = o->part[0].at, .len = o->part[0].len};
    nb_prompt p;
    NB_TRY(nb_chat_encode(chat, &ask, 1, NULL, NULL, 0, &p, err));
    int32_t *all = nb_alloc((uint64_t)p.n + room + 1, sizeof *all, "tokens of a question", err);
    if (!all)
        return NB_NOMEM;
    nb_status st = nb_chat_encode(chat, &ask, 1, NULL, all, p.n, &p, err);
    if (st != NB_OK) {
        free(all);
        return st;
    }
    *ids = all;
    *n = p.n;
    return NB_OK;
}

/* --- choosing ----------------------------------------------------------------------------------
 */

typedef struct candidate {
    int32_t *ids;         /* owned */
    size_t n, start, end; /* tokens [start, end) are scored */
    size_t base;          /* tokens of the parts before the tail: Winogrande's */
    double score;         /* mean log-probability */
} candidate;

typedef struct listener {
    const candidate *c;
    size_t n_vocab;
    double sum;
} listener;

static void hear(void *arg, size_t pos, const float *logits)
{
    listener *l = arg;
    if (pos + 1 >= l->c->end)
        return;
    float max = logits[0];
    for (size_t i = 1; i < l->n_vocab; i++)
        max = logits[i] > max ? logits[i] : max;
    double sum = 0; /* at least 1 in the end: the maximum's own term */
    for (size_t i = 0; i < l->n_vocab; i++)
        sum += (double)expf(logits[i] - max);
    // cppcheck-suppress invalidFunctionArg
    l->sum += (double)(logits[l->c->ids[pos + 1]] - max) - log(sum);
}

static size_t common_start(const candidate *c, size_t n)
{
    size_t least = c[0].n, k = 0;
    for (size_t i = 1; i < n; i++)
        least = c[i].n < least ? c[i].n : least;
    for (bool same = true; same && k < least; k += same)
        for (size_t i = 1; i < n; i++)
            same &= c[i].ids[k] == c[0].ids[k];
    return k;
}

/* Which tokens of each count. At least one does, and one stands before it. */
static void place_tails(nb_task_kind kind, candidate *c, size_t n)
{
    size_t common = common_start(c, n);
    bool tail = kind == NB_TASK_WINOGRANDE;
    for (size_t i = 0; i < n; i++)
        tail &= c[i].n - common > LEAST_TAIL;
    for (size_t i = 0; i < n; i++) {
        size_t start = tail ? c[i].base : common;
        start = start + 1 > c[i].n ? c[i].n - 1 : start;
        c[i].start = start < 1 ? 1 : start;
        c[i].end = c[i].n;
        if (kind == NB_TASK_WINOGRANDE && c[i].n - c[i].start > 1)
            c[i].end--; /* the full stop of both */
    }
}

static nb_status score_one(const nb_task_run *r, candidate *c, nb_err *err)
{
    listener l = {.c = c, .n_vocab = nb_session_model(r->s)->hp.n_vocab};
    NB_TRY(nb_session_extend(r->s, c->ids, c->end - 1, c->start - 1, hear, &l, r->hooks, err));
    c->score = l.sum / (double)(c->end - c->start);
    return NB_OK;
}

static nb_status load_candidate(const nb_task_run *r, candidate *c, const nb_task_option *o,
                                size_t task, nb_err *err)
{
    int32_t *base = NULL;
    NB_TRY(nb_task_ids(&c->ids, &c->n, r->tok, o, 3, err));
    if (c->n < 2)
        return nb_fail(err, NB_FORMAT, "task %zu: an option has no tokens", task + 1);
    if (c->n > nb_session_ctx(r->s))
        return nb_fail(err, NB_REFUSED, "task %zu needs %zu tokens, the context holds %u", task + 1,
                       c->n, nb_session_ctx(r->s));
    if (r->tasks->kind != NB_TASK_WINOGRANDE)
        return NB_OK;
    nb_status st = nb_task_ids(&base, &c->base, r->tok, o, 2, err);
    free(base);
    return st;
}

nb_status nb_task_choose(const nb_task_run *r, size_t i, bool *right, nb_err *err)
{
    const nb_task_item *it = &r->tasks->item[i];
    const nb_task_option *o = &r->tasks->option[it->first];
    candidate c[MOST_OPTIONS] = {{0}};
    size_t best = 0;
    nb_status st = NB_OK;
    for (size_t k = 0; k < it->n && st == NB_OK; k++)
        st = load_candidate(r, &c[k], &o[k], i, err);
    if (st == NB_OK)
        place_tails(r->tasks->kind, c, it->n);
    for (size_t k = 0; k < it->n && st == NB_OK; k++) {
        st = score_one(r, &c[k], err);
        /* of equal ones the first; Winogrande takes the second (perplexity.cpp's comparisons) */
        bool wins = r->tasks->kind == NB_TASK_WINOGRANDE ? c[k].score >= c[best].score
                                                         : c[k].score > c[best].score;
        best = wins ? k : best;
    }
    if (st == NB_OK)
        *right = o[best].right;
    for (size_t k = 0; k < it->n; k++)
        free(c[k].ids);
    return st;
}

/* --- answering ---------------------------------------------------------------------------------
 */

static nb_task_text trim(nb_task_text t)
{
    while (t.len && strchr(" \t\r\n", t.at[0]) && t.at[0])
        t.at++, t.len--;
    while (t.len && strchr(" \t\r\n", t.at[t.len - 1]) && t.at[t.len - 1])
        t.len--;
    return t;
}

static int32_t likeliest(const float *logits, uint32_t n)
{
    uint32_t top = 0;
    for (uint32_t i = 1; i < n; i++)
        top = logits[i] > logits[top] ? i : top;
    return (int32_t)top;
}

/* Adds the likeliest token until the answer ends or is no beginning of the right one any more. */
static nb_status follow(const nb_task_run *r, int32_t *ids, size_t n, size_t room,
                        nb_task_text answer, bool *right, nb_err *err)
{
    uint32_t n_vocab = nb_session_model(r->s)->hp.n_vocab;
    nb_str said = {0};
    nb_status st = NB_OK;
    bool done = false;
    for (size_t k = 0; st == NB_OK && !done; k++) {
        st = nb_session_feed(r->s, ids, n + k, NULL, r->hooks, err);
        if (st != NB_OK)
            break;
        int32_t id = likeliest(nb_session_logits(r->s), n_vocab);
        const char *piece;
        size_t len = nb_tok_piece(r->tok, id, false, &piece);
        bool end = nb_tok_is_end(r->tok, id);
        if (!end)
            nb_str_addn(&said, piece, len);
        nb_task_text have = trim((nb_task_text){nb_str_c(&said), said.len});
        bool begins = have.len <= answer.len && memcmp(have.at, answer.at, have.len) == 0;
        *right = end && begins && have.len == answer.len;
        done = end || !begins || k == room;
        if (!done)
            ids[n + k] = id;
        st = said.failed ? nb_fail(err, NB_NOMEM, "an answer of %zu bytes", said.len) : NB_OK;
    }
    nb_str_free(&said);
    return st;
}

/* Tokens an answer may take: one a byte at most, and the one that ends it. */
static size_t answer_room(const nb_task_option *o)
{
    return o->part[1].len + 8;
}

nb_status nb_task_answer(const nb_task_run *r, size_t i, bool *right, nb_err *err)
{
    const nb_task_option *o = &r->tasks->option[r->tasks->item[i].first];
    size_t n, room = answer_room(o), ctx = nb_session_ctx(r->s);
    int32_t *ids = NULL;
    NB_TRY(nb_task_prompt(&ids, &n, room, r->chat, o, err));
    room = n + room > ctx ? (n < ctx ? ctx - n : 0) : room;
    nb_status st = n > ctx
                       ? nb_fail(err, NB_REFUSED,
                                 "task %zu needs %zu tokens, the context holds %zu", i + 1, n, ctx)
                       : follow(r, ids, n, room, trim(o->part[1]), right, err);
    free(ids);
    return st;
}

/* --- all of them -------------------------------------------------------------------------------
 */

/* Tokens that an option may take; a question's answer may be spelled in more than it needs. */
static nb_status option_tokens(size_t *n, const nb_tasks *t, const nb_task_option *o,
                               const nb_tok *tok, const nb_chat *chat, nb_err *err)
{
    int32_t *ids = NULL;
    if (t->kind != NB_TASK_QA) {
        NB_TRY(nb_task_ids(&ids, n, tok, o, 3, err));
        free(ids);
        return NB_OK;
    }
    size_t answer = nb_tok_encode(tok, o->part[1].at, o->part[1].len, 0, NULL, 0);
    if (answer == SIZE_MAX)
        return nb_fail(err, NB_NOMEM, "an answer of %zu bytes: no memory", o->part[1].len);
    NB_TRY(nb_task_prompt(&ids, n, 0, chat, o, err));
    free(ids);
    *n += 2 * answer + 16;
    return NB_OK;
}

nb_status nb_tasks_context(uint32_t *out, const nb_tasks *t, const nb_tok *tok, const nb_chat *chat,
                           nb_err *err)
{
    size_t most = 8, n = 0;
    for (size_t i = 0; i < t->n; i++)
        for (uint32_t k = 0; k < (t->kind == NB_TASK_QA ? 1 : t->item[i].n); k++) {
            NB_TRY(option_tokens(&n, t, &t->option[t->item[i].first + k], tok, chat, err));
            most = n > most ? n : most;
        }
    if (most > UINT32_MAX)
        return nb_fail(err, NB_REFUSED, "a task needs %zu tokens", most);
    *out = (uint32_t)most;
    return NB_OK;
}

static double chance_of(const nb_tasks *t)
{
    double sum = 0;
    for (size_t i = 0; i < t->n && t->kind != NB_TASK_QA; i++) {
        uint32_t right = 0;
        for (uint32_t k = 0; k < t->item[i].n; k++)
            right += t->option[t->item[i].first + k].right;
        sum += (double)right / t->item[i].n;
    }
    return sum / (double)t->n;
}

nb_status nb_tasks_run(nb_task_score *out, const nb_tasks *t, nb_session *s, const nb_tok *tok,
                       const nb_chat *chat, nb_task_fn *fn, void *arg, const nb_hooks *hooks,
                       nb_err *err)
{
    nb_hooks quiet = nb_quiet(hooks);
    nb_task_run r = {t, s, tok, chat, &quiet};
    nb_task_score score = {.in_file = t->in_file, .chance = chance_of(t)};
    double start = nb_now();
    for (size_t i = 0; i < t->n; i++) {
        bool right = false;
        if (nb_canceled(hooks))
            return nb_fail(err, NB_CANCELED, "cancelled");
        NB_TRY((t->kind == NB_TASK_QA ? nb_task_answer : nb_task_choose)(&r, i, &right, err));
        score.asked++;
        score.right += right;
        score.score = (double)score.right / (double)score.asked;
        score.seconds = nb_now() - start;
        nb_wilson(score.right, score.asked, &score.lo, &score.hi);
        if (fn)
            fn(arg, i, right, &score);
        nb_report(hooks, &(nb_progress){.what = nb_task_name(t->kind),
                                        .done = i + 1,
                                        .total = t->n,
                                        .detail = &score});
    }
    *out = score;
    return NB_OK;
}
