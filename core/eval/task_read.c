#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/str.h"
#include "core/eval/task_private.h"

enum { MOST_CHOICES = 100, MOST_TASKS = 1 << 24 };

/* --- picks -------------------------------------------------------------------------------------
 */

void nb_mt19937_seed(nb_mt19937 *g, uint32_t seed)
{
    g->state[0] = seed;
    for (uint32_t i = 1; i < 624; i++)
        g->state[i] = UINT32_C(1812433253) * (g->state[i - 1] ^ (g->state[i - 1] >> 30)) + i;
    g->at = 624;
}

static void twist(nb_mt19937 *g)
{
    for (uint32_t i = 0; i < 624; i++) {
        uint32_t y = (g->state[i] & 0x80000000u) | (g->state[(i + 1) % 624] & 0x7fffffffu);
        g->state[i] = g->state[(i + 397) % 624] ^ (y >> 1) ^ (y & 1 ? 0x9908b0dfu : 0);
    }
    g->at = 0;
}

uint32_t nb_mt19937_next(nb_mt19937 *g)
{
    if (g->at == 624)
        twist(g);
    uint32_t y = g->state[g->at++];
    y ^= y >> 11;
    y ^= (y << 7) & 0x9d2c5680u;
    y ^= (y << 15) & 0xefc60000u;
    return y ^ (y >> 18);
}

/* 0..n-1 as libstdc++'s uniform_int_distribution draws it since GCC 11 (Lemire's method,
 * bits/uniform_int_dist.h): HellaSwag's picks. */
static uint32_t draw_even(nb_mt19937 *g, uint32_t n)
{
    uint64_t product = (uint64_t)nb_mt19937_next(g) * n;
    uint32_t low = (uint32_t)product, least = (0 - n) % n;
    while (low < n && low < least) {
        product = (uint64_t)nb_mt19937_next(g) * n;
        low = (uint32_t)product;
    }
    return (uint32_t)(product >> 32);
}

/* As (int)(2^-32f * rng() * size): the other two tasks' picks, float rounding included. */
static uint32_t draw_float(nb_mt19937 *g, uint32_t n)
{
    float share = 0x1p-32F * (float)nb_mt19937_next(g);
    uint32_t i = (uint32_t)(share * (float)n);
    return i < n ? i : n - 1;
}

/* HellaSwag closes the gap of a pick, the others move the last task there. Winogrande's are drawn
 * from all but the last: llama-perplexity never sees that line (it takes the text's last line end
 * away, then the line for the end of the text), and picks are to be its own. */
static nb_status pick(nb_tasks *t, uint32_t most, nb_err *err)
{
    nb_mt19937 rng;
    bool even = t->kind == NB_TASK_HELLASWAG;
    size_t left = t->n - (t->kind == NB_TASK_WINOGRANDE);
    if (t->kind == NB_TASK_QA) {
        t->n = most && most < t->n ? most : t->n;
        return NB_OK;
    }
    if ((!most || most >= t->n) && !even)
        return NB_OK;
    size_t want = most && most < t->n ? most : t->n;
    nb_task_item *picked = nb_alloc(want ? want : 1, sizeof *picked, "picked tasks", err);
    if (!picked)
        return NB_NOMEM;
    nb_mt19937_seed(&rng, 1);
    for (size_t i = 0; i < want; i++, left--) {
        uint32_t at = (even ? draw_even : draw_float)(&rng, (uint32_t)left);
        picked[i] = t->item[at];
        if (even)
            memmove(t->item + at, t->item + at + 1, (left - at - 1) * sizeof *t->item);
        else
            t->item[at] = t->item[left - 1];
    }
    free(t->item);
    t->item = picked;
    t->n = want;
    return NB_OK;
}

/* --- rows --------------------------------------------------------------------------------------
 */

static bool grow(void **rows, size_t *cap, size_t n, size_t size)
{
    if (n < *cap)
        return true;
    size_t more = *cap ? 2 * *cap : 256;
    void *grown = realloc(*rows, more * size);
    if (!grown)
        return false;
    *rows = grown;
    *cap = more;
    return true;
}

static nb_status add_option(nb_tasks *t, const nb_task_option *o, nb_err *err)
{
    void *rows = t->option;
    if (!grow(&rows, &t->cap_option, t->n_option, sizeof *t->option))
        return nb_fail(err, NB_NOMEM, "tasks: no memory for %zu options", t->n_option);
    t->option = rows;
    t->option[t->n_option++] = *o;
    t->item[t->n - 1].n++;
    return NB_OK;
}

static nb_status add_item(nb_tasks *t, nb_err *err)
{
    void *rows = t->item;
    if (t->n >= MOST_TASKS || !grow(&rows, &t->cap, t->n, sizeof *t->item))
        return nb_fail(err, NB_NOMEM, "tasks: no memory for more than %zu", t->n);
    t->item = rows;
    t->item[t->n++] = (nb_task_item){.first = (uint32_t)t->n_option};
    return NB_OK;
}

/* --- text files --------------------------------------------------------------------------------
 */

typedef struct lines {
    const char *at, *end;
    size_t number; /* of the line last taken, from 1 */
} lines;

static bool next_line(lines *l, nb_task_text *out)
{
    if (l->at == l->end)
        return false;
    const char *nl = memchr(l->at, '\n', (size_t)(l->end - l->at));
    const char *stop = nl ? nl : l->end;
    *out = (nb_task_text){l->at, (size_t)(stop - l->at)};
    if (out->len && out->at[out->len - 1] == '\r')
        out->len--;
    l->at = nl ? nl + 1 : l->end;
    l->number++;
    return true;
}

/* One digit lo..hi with nothing but spaces around; -1: something else. */
static int digit(nb_task_text t, int lo, int hi)
{
    while (t.len && t.at[t.len - 1] == ' ')
        t.len--;
    while (t.len && t.at[0] == ' ')
        t.at++, t.len--;
    int v = t.len == 1 ? t.at[0] - '0' : -1;
    return v >= lo && v <= hi ? v : -1;
}

static const nb_task_text space = {" ", 1};

/* Six lines a task: context, number of the right ending, four endings. */
static nb_status read_hellaswag(nb_tasks *t, const void *bytes, size_t n, const char *what,
                                nb_err *err)
{
    lines l = {bytes, (const char *)bytes + n, 0};
    nb_task_text context, gold, ending;
    while (next_line(&l, &context)) {
        NB_TRY(add_item(t, err));
        int right = next_line(&l, &gold) ? digit(gold, 0, 3) : -1;
        if (right < 0)
            return nb_fail(err, NB_FORMAT,
                           "%s: line %zu: expected the right ending's number, 0 to 3", what,
                           l.number);
        for (int i = 0; i < 4; i++) {
            if (!next_line(&l, &ending))
                return nb_fail(err, NB_FORMAT, "%s: line %zu: the last task has %d of 4 endings",
                               what, l.number, i);
            nb_task_option o = {{context, space, ending}, i == right};
            NB_TRY(add_option(t, &o, err));
        }
    }
    return NB_OK;
}

/* Places of the first four commas outside quotes. */
static bool find_commas(nb_task_text line, size_t comma[4])
{
    int n = 0;
    bool quoted = false;
    for (size_t i = 0; i < line.len && n < 4; i++) {
        if (line.at[i] == '"')
            quoted = !quoted;
        else if (line.at[i] == ',' && !quoted)
            comma[n++] = i;
    }
    return n == 4;
}

static nb_task_text between(nb_task_text line, size_t from, size_t to)
{
    return (nb_task_text){line.at + from, to - from};
}

/* index,sentence with one _,choice 1,choice 2,number of the right one. The file is
 * winogrande-debiased-eval.csv of ikawrakow/winogrande-eval-for-llama.cpp. */
static nb_status read_winogrande(nb_tasks *t, const void *bytes, size_t n, const char *what,
                                 nb_err *err)
{
    lines l = {bytes, (const char *)bytes + n, 0};
    nb_task_text line;
    while (next_line(&l, &line)) {
        size_t c[4];
        if (line.len == 0)
            continue;
        if (!find_commas(line, c))
            return nb_fail(err, NB_FORMAT,
                           "%s: line %zu: expected index,sentence,choice,choice,answer", what,
                           l.number);
        nb_task_text sentence = between(line, c[0] + 1, c[1]);
        if (sentence.len >= 2 && sentence.at[0] == '"') /* the closing one goes with it */
            sentence = (nb_task_text){sentence.at + 1, sentence.len - 2};
        const char *blank = memchr(sentence.at, '_', sentence.len);
        int right = digit(between(line, c[3] + 1, line.len), 1, 2);
        if (!blank || right < 0)
            return nb_fail(err, NB_FORMAT, "%s: line %zu: %s", what, l.number,
                           blank ? "the answer is neither 1 nor 2" : "no _ in the sentence");
        size_t at = (size_t)(blank - sentence.at);
        NB_TRY(add_item(t, err));
        for (int i = 0; i < 2; i++) {
            nb_task_option o = {{between(sentence, 0, at), between(line, c[1 + i] + 1, c[2 + i]),
                                 between(sentence, at + 1, sentence.len)},
                                i + 1 == right};
            NB_TRY(add_option(t, &o, err));
        }
    }
    return NB_OK;
}

/* --- llama.cpp's binary files ------------------------------------------------------------------
 */

static bool read_string(nb_cursor *c, nb_task_text *out)
{
    uint32_t n;
    const uint8_t *at;
    if (!nb_read_u32(c, &n) || !nb_read_bytes(c, n, &at))
        return false;
    *out = (nb_task_text){(const char *)at, n};
    return true;
}

/* u32 n, n strings, n labels: those of the right ones are 1. t NULL: only steps over. */
static nb_status read_answers(nb_tasks *t, nb_cursor *c, nb_task_text question, const char *what,
                              size_t number, nb_err *err)
{
    uint32_t n, label;
    nb_task_text answer[MOST_CHOICES];
    if (!nb_read_u32(c, &n) || n > MOST_CHOICES)
        return nb_fail(err, NB_FORMAT, "%s: task %zu: expected 0 to %d answers", what, number,
                       MOST_CHOICES);
    for (uint32_t i = 0; i < n; i++)
        if (!read_string(c, &answer[i]))
            return nb_fail(err, NB_FORMAT, "%s: task %zu: answer %u is cut", what, number, i + 1);
    for (uint32_t i = 0; i < n; i++) {
        if (!nb_read_u32(c, &label))
            return nb_fail(err, NB_FORMAT, "%s: task %zu: labels are cut", what, number);
        nb_task_option o = {{question, space, answer[i]}, label == 1};
        if (t && answer[i].len == 0)
            return nb_fail(err, NB_FORMAT, "%s: task %zu: answer %u is empty", what, number, i + 1);
        if (t)
            NB_TRY(add_option(t, &o, err));
    }
    return NB_OK;
}

/* u32 tasks, u32 place of each, then per task: question, answers of which one is right, answers of
 * which several are (not scored by llama.cpp either). */
static nb_status read_choice(nb_tasks *t, const void *bytes, size_t n, const char *what,
                             nb_err *err)
{
    nb_cursor c = nb_cursor_make(bytes, n);
    const uint8_t *places;
    nb_task_text question;
    uint32_t count;
    if (!nb_read_u32(&c, &count) || !nb_read_bytes(&c, 4 * (uint64_t)count, &places))
        return nb_fail(err, NB_FORMAT, "%s: no list of tasks", what);
    for (uint32_t i = 0; i < count; i++) {
        if (!read_string(&c, &question) || question.len == 0)
            return nb_fail(err, NB_FORMAT, "%s: task %u: no question", what, i + 1);
        NB_TRY(add_item(t, err));
        NB_TRY(read_answers(t, &c, question, what, i + 1, err));
        NB_TRY(read_answers(NULL, &c, question, what, i + 1, err));
        if (t->item[t->n - 1].n == 0)
            return nb_fail(err, NB_FORMAT, "%s: task %u: no answers", what, i + 1);
    }
    return NB_OK;
}

/* --- questions and answers ---------------------------------------------------------------------
 */

static nb_status read_qa(nb_tasks *t, const void *bytes, size_t n, const char *what, nb_err *err)
{
    NB_TRY(nb_json_parse(&t->doc, bytes, n, n, what, err));
    const nb_jval *root = nb_json_root(t->doc);
    size_t number = 1;
    if (nb_jkind_of(root) != NB_JARRAY)
        return nb_fail(err, NB_FORMAT, "%s: expected a list of questions and answers", what);
    for (const nb_jval *v = nb_jfirst(root); v; v = nb_jnext(v), number++) {
        const char *answer, *question;
        const nb_jval *q = nb_jget(v, "questions");
        if (!nb_jstr(nb_jget(v, "answer"), &answer) || nb_jkind_of(q) != NB_JARRAY || !nb_jlen(q))
            return nb_fail(err, NB_FORMAT, "%s: entry %zu: expected \"questions\" and \"answer\"",
                           what, number);
        NB_TRY(add_item(t, err));
        for (q = nb_jfirst(q); q; q = nb_jnext(q)) {
            if (!nb_jstr(q, &question))
                return nb_fail(err, NB_FORMAT, "%s: entry %zu: a question is no text", what,
                               number);
            nb_task_option o = {{{question, strlen(question)}, {answer, strlen(answer)}, {"", 0}},
                                true};
            NB_TRY(add_option(t, &o, err));
        }
    }
    return NB_OK;
}

/* --- a file ------------------------------------------------------------------------------------
 */

typedef nb_status read_fn(nb_tasks *t, const void *bytes, size_t n, const char *what, nb_err *err);
static const struct {
    const char *name;
    read_fn *read;
} kinds[NB_TASK_KINDS] = {
    [NB_TASK_HELLASWAG] = {"hellaswag", read_hellaswag},
    [NB_TASK_WINOGRANDE] = {"winogrande", read_winogrande},
    [NB_TASK_CHOICE] = {"choice", read_choice},
    [NB_TASK_QA] = {"qa", read_qa},
};

const char *nb_task_name(nb_task_kind k)
{
    return kinds[k].name;
}

nb_task_kind nb_task_find(const char *name)
{
    int i = 0;
    while (i < NB_TASK_KINDS && !nb_same_word(name, kinds[i].name))
        i++;
    return (nb_task_kind)i;
}

nb_status nb_tasks_open(nb_tasks **out, nb_task_kind kind, const void *bytes, size_t n,
                        uint32_t most, const char *what, nb_err *err)
{
    nb_tasks *t = nb_alloc(1, sizeof *t, "tasks", err);
    if (!t)
        return NB_NOMEM;
    t->kind = kind;
    nb_status st = kinds[kind].read(t, bytes, n, what, err);
    t->in_file = t->n;
    if (st == NB_OK && t->n == 0)
        st = nb_fail(err, NB_FORMAT, "%s: no tasks in it", what);
    if (st == NB_OK)
        st = pick(t, most, err);
    if (st != NB_OK)
        nb_tasks_close(&t);
    else
        *out = t;
    return st;
}

void nb_tasks_close(nb_tasks **t)
{
    if (!*t)
        return;
    free((*t)->item);
    free((*t)->option);
    nb_json_close(&(*t)->doc);
    free(*t);
    *t = NULL;
}

nb_task_kind nb_tasks_kind(const nb_tasks *t)
{
    return t->kind;
}

size_t nb_tasks_count(const nb_tasks *t)
{
    return t->n;
}

size_t nb_tasks_in_file(const nb_tasks *t)
{
    return t->in_file;
}

const nb_task_item *nb_tasks_at(const nb_tasks *t, size_t i)
{
    return &t->item[i];
}

const nb_task_option *nb_tasks_option(const nb_tasks *t, size_t i)
{
    return &t->option[i];
}
