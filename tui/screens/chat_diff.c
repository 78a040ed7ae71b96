/* The word view (=): what the focused pane says differently from A, in one running text:
 * [-A's words-] {+the pane's words+}. Longest common subsequence of words; of very long answers the
 * middle beyond WORDS counts as replaced whole. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tui/screens/chat.h"

enum { WORDS = 1500 };

typedef struct word {
    const char *at;
    size_t len;
} word;

typedef struct words {
    word *at; /* [n] owned; texts borrowed */
    size_t n;
} words;

static bool space(char ch)
{
    return ch == ' ' || ch == '\n';
}

/* Words between spaces; a line end is a word of its own, so that lines stay lines. */
static words split(const nb_str *text)
{
    const char *s = nb_str_c(text);
    words w = {.at = ui_xcalloc(text->len + 1, sizeof(word))};
    for (size_t i = 0; i < text->len;) {
        size_t from = i;
        if (s[i] == ' ') {
            i++;
            continue;
        }
        do
            i++;
        while (s[from] != '\n' && i < text->len && !space(s[i]));
        w.at[w.n++] = (word){s + from, i - from};
    }
    return w;
}

static bool equal(word a, word b)
{
    return a.len == b.len && memcmp(a.at, b.at, a.len) == 0;
}

/* --- the running text ------------------------------------------------------------------------ */

typedef enum kind { SAME, ONLY_A, ONLY_B } kind;
static const char *const before[] = {"", "[-", "{+"}, *const after[] = {"", "-]", "+}"};

static void add(chat_diff *d, kind k, const word *w, size_t n)
{
    if (!n)
        return;
    *(k == SAME ? &d->same : k == ONLY_A ? &d->only_a : &d->only_b) += n;
    if (d->n == d->cap) {
        size_t cap = d->cap ? 2 * d->cap : 64;
        chat_span *grown = ui_xcalloc(cap, sizeof *grown);
        if (d->n)
            memcpy(grown, d->span, d->n * sizeof *grown);
        free(d->span);
        d->span = grown;
        d->cap = cap;
    }
    size_t start = d->text.len;
    nb_str_add(&d->text, before[k]);
    for (size_t i = 0; i < n; i++) {
        bool line = *w[i].at == '\n', last = i + 1 == n;
        nb_str_addn(&d->text, w[i].at, w[i].len);
        if (!line && !last && *w[i + 1].at != '\n')
            nb_str_add(&d->text, " ");
    }
    nb_str_add(&d->text, after[k]);
    d->span[d->n++] = (chat_span){start, d->text.len, (int)k};
    if (*w[n - 1].at != '\n' || k != SAME)
        nb_str_add(&d->text, " ");
}

/* Lengths of the longest common subsequence of the ends: row i, column j. */
static uint16_t *table_of(words a, words b)
{
    size_t wide = b.n + 1;
    uint16_t *t = ui_xcalloc((a.n + 1) * wide, sizeof *t);
    for (size_t i = a.n; i-- > 0;)
        for (size_t j = b.n; j-- > 0;) {
            uint16_t down = t[(i + 1) * wide + j], right = t[i * wide + j + 1];
            t[i * wide + j] = equal(a.at[i], b.at[j]) ? (uint16_t)(t[(i + 1) * wide + j + 1] + 1)
                              : down > right          ? down
                                                      : right;
        }
    return t;
}

/* Runs of same, A's, B's words until both are used up. */
static void middle(chat_diff *d, words a, words b)
{
    if (a.n > WORDS || b.n > WORDS) {
        add(d, ONLY_A, a.at, a.n);
        add(d, ONLY_B, b.at, b.n);
        return;
    }
    uint16_t *t = table_of(a, b);
    size_t i = 0, j = 0, wide = b.n + 1;
    while (i < a.n || j < b.n) {
        size_t i0 = i;
        while (i < a.n && j < b.n && equal(a.at[i], b.at[j])) {
            i++;
            j++;
        }
        add(d, SAME, a.at + i0, i - i0);
        size_t j0 = j;
        i0 = i;
        while ((i < a.n || j < b.n) && !(i < a.n && j < b.n && equal(a.at[i], b.at[j]))) {
            bool skip_a = j == b.n || (i < a.n && t[(i + 1) * wide + j] >= t[i * wide + j + 1]);
            i += skip_a;
            j += !skip_a;
        }
        add(d, ONLY_A, a.at + i0, i - i0);
        add(d, ONLY_B, b.at + j0, j - j0);
    }
    free(t);
}

static void compute(chat_diff *d, const ui_message *x, const ui_message *y)
{
    words a = split(&x->text), b = split(&y->text);
    size_t head = 0, tail = 0;
    while (head < a.n && head < b.n && equal(a.at[head], b.at[head]))
        head++;
    while (tail < a.n - head && tail < b.n - head &&
           equal(a.at[a.n - 1 - tail], b.at[b.n - 1 - tail]))
        tail++;
    nb_str_clear(&d->text);
    d->n = d->same = d->only_a = d->only_b = 0;
    add(d, SAME, a.at, head);
    middle(d, (words){a.at + head, a.n - head - tail}, (words){b.at + head, b.n - head - tail});
    add(d, SAME, a.at + a.n - tail, tail);
    free(a.at);
    free(b.at);
}

/* --- drawing --------------------------------------------------------------------------------- */

static void draw_row(const chat_diff *d, ui_canvas *c, ui_rect r, const ui_row *row)
{
    static const ui_role role[] = {UI_DIFF_SAME, UI_DIM, UI_DIFF_CHANGE};
    size_t at = row->start, end = at + row->len, i = 0;
    int x = r.x;
    while (at < end && x < r.x + r.w) {
        while (i < d->n && d->span[i].end <= at)
            i++;
        bool in = i < d->n && d->span[i].start <= at;
        size_t next = i < d->n ? (in ? d->span[i].end : d->span[i].start) : end;
        next = next < end ? next : end;
        x += ui_textn(c, x, r.y, in ? role[d->span[i].kind] : UI_TEXT, 0, nb_str_c(&d->text) + at,
                      next - at, r.x + r.w - x);
        at = next;
    }
}

/* The pane held against A: the focused one, or B. */
static int other_pane(const chat *c)
{
    return c->focus > 0 ? c->focus : 1;
}

const char *ui_chat_diff_why_not(const chat *c)
{
    if (ui_chat_panes(c) < 2)
        return "needs two panes: A adds one";
    if (!ui_chat_answer(c, 0, NULL) || !ui_chat_answer(c, other_pane(c), NULL))
        return "needs an answer in both panes";
    return NULL;
}

void ui_chat_diff_draw(chat *c, ui_canvas *canvas, ui_rect r)
{
    chat_diff *d = &c->diff;
    int p = other_pane(c);
    const ui_message *a = ui_chat_answer(c, 0, NULL), *b = ui_chat_answer(c, p, NULL);
    char title[240];
    if (!a || !b)
        return;
    compute(d, a, b);
    snprintf(title, sizeof title, "A %s = %c %s", c->pane[0].label, 'A' + p, c->pane[p].label);
    ui_box(canvas, r, title, "= or Esc back", true);
    ui_spots_add(&c->spots, r, CHAT_SPOT_DIFF);
    ui_rect in = ui_inside(r);
    if (in.h < 3 || in.w < 4)
        return;
    ui_textf(canvas, in.x + 1, in.y, UI_DIM,
             "%zu words the same, %zu only in A [- -], %zu only in %c {+ +}", d->same, d->only_a,
             d->only_b, 'A' + p);
    ui_row *rows = NULL;
    size_t n = 0, cap = 0;
    if (ui_wrap(nb_str_c(&d->text), d->text.len, in.w - 2, &rows, &n, &cap, NULL) != NB_OK)
        n = 0;
    int room = in.h - 2, most = (int)n > room ? (int)n - room : 0;
    d->top = d->top < 0 ? 0 : d->top > most ? most : d->top;
    for (int y = 0; y < room && d->top + y < (int)n; y++)
        draw_row(d, canvas, (ui_rect){in.x + 1, in.y + 2 + y, in.w - 2, 1}, &rows[d->top + y]);
    free(rows);
}

void ui_chat_diff_free(chat_diff *d)
{
    nb_str_free(&d->text);
    free(d->span);
    *d = (chat_diff){0};
}

bool ui_chat_diff_text(const chat *c, int pane, nb_str *out)
{
    const ui_message *a = ui_chat_answer(c, 0, NULL), *b = ui_chat_answer(c, pane, NULL);
    chat_diff d = {0};
    if (!a || !b)
        return false;
    compute(&d, a, b);
    nb_str_addn(out, nb_str_c(&d.text), d.text.len);
    ui_chat_diff_free(&d);
    return true;
}
