#include "tests/fuzz/fuzz.h"

#include <math.h>
#include <string.h>

#include "downloads/remote_own.h"

typedef struct seen {
    nb_str text;
    size_t tokens;
} seen;

static void on_token(void *arg, const nb_token_event *e)
{
    seen *s = arg;
    fuzz_check(e->len <= sizeof e->text, "%u bytes", e->len);
    fuzz_check(nb_utf8_whole(e->text, e->len) == e->len, "part of a character");
    fuzz_check(isnan(e->logprob) || e->logprob < 1e-2F, "logprob %g", (double)e->logprob);
    for (int i = 0; i < NB_TOP && e->top_id[i] >= 0; i++)
        fuzz_check(!isnan(e->top_logprob[i]), "an alternative without a logprob");
    nb_str_addn(&s->text, e->text, e->len);
    s->tokens += e->id >= 0;
}

/* The bytes as a stream that comes in pieces of `step`. */
static nb_status read_stream(const char *bytes, size_t n, size_t step, dl_words *words, seen *out)
{
    const nb_ask ask = {.token = on_token, .arg = out};
    dl_answer a = {.words = words, .ask = &ask, .subject = "fuzz", .n_prompt = -1, .n_answer = -1};
    dl_sse s = {0};
    nb_status st = NB_OK;
    for (size_t at = 0; at <= n; at += step) {
        char *data;
        size_t len;
        dl_sse_push(&s, bytes + at, n - at < step ? n - at : step);
        if (n - at < step)
            dl_sse_end(&s);
        while (st == NB_OK && !a.done && dl_sse_next(&s, &data, &len))
            st = dl_answer_take(&a, data, len, NULL);
    }
    dl_sse_free(&s);
    dl_answer_free(&a);
    return st;
}

static void stream(const char *bytes, size_t n, size_t step)
{
    dl_words words;
    seen a = {0}, b = {0};
    dl_words_open(&words);
    nb_status x = read_stream(bytes, n, step, &words, &a);
    nb_status y = read_stream(bytes, n, n + 1, &words, &b);
    fuzz_check(x == y, "status %d and %d", (int)x, (int)y);
    fuzz_check(a.text.len == b.text.len &&
                   memcmp(nb_str_c(&a.text), nb_str_c(&b.text), a.text.len) == 0,
               "another text in steps of %zu", step);
    fuzz_check(a.tokens == b.tokens, "%zu and %zu tokens", a.tokens, b.tokens);
    nb_str_free(&a.text);
    nb_str_free(&b.text);
    dl_words_close(&words);
}

static void scores(const char *bytes, size_t n)
{
    dl_scores s = {0};
    bool told;
    dl_scores_read(&s, &told, bytes, n, "fuzz", NULL);
    for (size_t i = 0; i < s.n; i++) {
        const dl_score *at = &s.at[i];
        fuzz_check(at->token.text <= s.text.len && at->token.len <= s.text.len - at->token.text,
                   "text outside");
        fuzz_check(at->top <= s.n_top && at->n_top <= s.n_top - at->top, "alternatives outside");
        for (size_t k = 1; k < at->n_top; k++)
            fuzz_check(s.top[at->top + k - 1].logprob >= s.top[at->top + k].logprob, "order");
    }
    dl_scores_free(&s);
}

static void address(const char *bytes, size_t n)
{
    char text[600];
    nb_err err = {0};
    size_t len = n < sizeof text - 1 ? n : sizeof text - 1;
    memcpy(text, bytes, len);
    text[len] = '\0';
    nb_status st = dl_remote_check(text, true, &err);
    fuzz_check(st == NB_OK || st == NB_USAGE, "status %d", (int)st);
}

/* What an endpoint sends, and its address: first byte even = a stream, in pieces of that size; else
 * a reply about a prompt, or MODEL as it is typed. */
FUZZ_TARGET(remote)
{
    const char *text = (const char *)bytes + (n > 0);
    size_t len = n - (n > 0);
    uint8_t mode = n ? *bytes : 0;
    if (mode % 2 == 0)
        stream(text, len, mode / 2 + 1);
    else if (mode % 4 == 1)
        scores(text, len);
    else
        address(text, len);
}
