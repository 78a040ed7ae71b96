/* Forced scoring as a user meets it: F in Chat, what it says of panes that cannot be scored, the
 * mouse on its strip, and the same figures from the command (tui 27). */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/file.h"
#include "core/base/json.h"
#include "core/base/str.h"
#include "tests/check.h"
#include "tests/eval_rig.h"
#include "tests/remote_server.h"
#include "tests/run_child.h"
#include "tests/util.h"

enum { NAME_MOST = 1100, TOKENS_MOST = 512 };

typedef struct home {
    char at[512], env[560], chat[NAME_MOST];
} home;

static home fresh(const char *name)
{
    home h;
    nb_err err;
    snprintf(h.at, sizeof h.at, "%s", test_path(test_tmpdir(), name));
    snprintf(h.env, sizeof h.env, "HOME=%s", h.at);
    snprintf(h.chat, sizeof h.chat, "%s/.local/share/nibble/chats/chat-0001.jsonl", h.at);
    check(nb_mkdirs(h.at, &err) == NB_OK, "%s", err.msg);
    return h;
}

/* Plays a script on these models, A the first; what it saves lands in the home. */
static void play(const home *h, const char *const *model, const char *script)
{
    child_how how = {.dir = h->at, .env = {h->env}, .seconds = 300};
    const char *path = test_path(h->at, "script");
    int n = 0;
    test_spit(path, script, strlen(script));
    for (; model[n]; n++)
        how.args[n] = model[n];
    how.args[n++] = "--script";
    how.args[n] = path;
    child c = child_run(&how);
    check(c.code == 0, "status %d: %s", c.code, c.err);
    child_free(&c);
}

static char *saved(const home *h, const char *name)
{
    size_t n;
    char *text = test_slurp(test_path(h->at, name), &n);
    check(text, "%s was not saved", name);
    return text;
}

static void shows(const home *h, const char *name, const char *part)
{
    char *screen = saved(h, name);
    bool found = strstr(screen, part) != NULL;
    check(found, "\"%s\" is not on %s:\n%s", part, name, screen);
    free(screen);
}

static nb_json *json_of(const char *text, size_t n, const char *what)
{
    nb_json *doc = NULL;
    nb_err err = {0};
    check(nb_json_parse(&doc, text, n, 1 << 24, what, &err) == NB_OK, "%s: %s", err.msg, text);
    return doc;
}

static double number(const nb_jval *v, const char *what)
{
    double d = 0;
    check(nb_jnum(v, &d), "%s is no number", what);
    return d;
}

/* Everything marked, opened as panes, asked one thing, scored. Kernels as fast as the machine's on
 * both sides. */
static const char ask_and_score[] = "size 120x40\nwait\nkeys * t\nwait\ntext What is Q4_K?\n"
                                    "keys Enter\nwait\nkeys Esc F\nwait\nsave-screen scored\n"
                                    "save-json chat.json\n";

/* --- tui 27 ------------------------------------------------------------------------------------
 */

static size_t ids_of(const nb_jval *list, int32_t *out)
{
    size_t n = 0;
    for (const nb_jval *v = nb_jfirst(list); v && n < TOKENS_MOST; v = nb_jnext(v))
        out[n++] = (int32_t)number(v, "id");
    return n;
}

/* The first token id in which two answers of the JSON differ, computed from the ids alone. */
static long parting(const nb_jval *a, const nb_jval *b)
{
    int32_t x[TOKENS_MOST], y[TOKENS_MOST];
    size_t n = ids_of(nb_jget(a, "ids"), x), m = ids_of(nb_jget(b, "ids"), y), i = 0;
    while (i < n && i < m && x[i] == y[i])
        i++;
    return i == n && i == m ? -1 : (long)i;
}

/* A pane's scores against what eval says of the same model, reference and chat. */
static void check_pane(const home *h, const char *reference, const nb_jval *pane, size_t tokens)
{
    const char *model = "";
    check(nb_jstr(nb_jget(pane, "model"), &model), "a pane without a model");
    child c = child_run(&(child_how){
        .args = {"eval", model, "--ref", reference, "--chat", h->chat, "--json"}, .env = {h->env}});
    check(c.code == 0, "status %d: %s", c.code, c.err);
    nb_json *doc = json_of(c.out, c.n_out, "eval");
    const nb_jval *root = nb_json_root(doc), *mine = nb_jfirst(nb_jget(pane, "tokens")),
                  *theirs = nb_jfirst(nb_jget(root, "tokens"));
    size_t n = 0;
    double sum = 0;
    for (; mine && theirs; mine = nb_jnext(mine), theirs = nb_jnext(theirs), n++) {
        double kl = number(nb_jget(mine, "kl"), "kl"), want = number(nb_jget(theirs, "kl"), "kl");
        check(fabs(kl - want) < 1e-4, "%s, token %zu: KL %.9g, eval has %.9g", model, n, kl, want);
        check(number(nb_jget(mine, "id"), "id") == number(nb_jget(theirs, "id"), "id"), "token %zu",
              n);
        sum += want;
    }
    check(!mine && !theirs && n == tokens, "%zu tokens scored, %zu said", n, tokens);
    double mean = number(nb_jget(nb_jget(root, "kld"), "mean"), "mean");
    check(fabs(mean - sum / (double)n) < 1e-9 && mean > 1e-6, "mean %.9g of %zu", mean, n);
    nb_json_close(&doc);
    child_free(&c);
}

CHECK_TEST(forced_screen, tui_27_forced_kl_per_token_is_that_of_eval)
{
    home h = fresh("forced");
    char low[NAME_MOST], mid[NAME_MOST], mark[64];
    snprintf(low, sizeof low, "%s", eval_file("Q2_K"));
    snprintf(mid, sizeof mid, "%s", eval_file("Q4_K_M"));
    const char *models[] = {test_data("nibble-demo"), mid, low, NULL};
    play(&h, models, ask_and_score);
    char *text = saved(&h, "chat.json");
    nb_json *doc = json_of(text, strlen(text), "chat");
    const nb_jval *root = nb_json_root(doc), *forced = nb_jget(root, "forced"),
                  *answer = nb_jfirst(nb_jget(root, "answers")),
                  *pane = nb_jfirst(nb_jget(forced, "panes"));
    const char *reference = "";
    int32_t ids[TOKENS_MOST];
    check(nb_jstr(nb_jget(forced, "reference"), &reference), "no reference:\n%s", text);
    size_t n = ids_of(nb_jget(answer, "ids"), ids), panes = 0, parted = 0;
    check(n > 10, "an answer of %zu tokens", n);
    for (const nb_jval *b = nb_jnext(answer); pane;
         pane = nb_jnext(pane), b = nb_jnext(b), panes++) {
        check_pane(&h, reference, pane, n);
        long d = parting(answer, b);
        const nb_jval *said = nb_jget(b, "first_difference");
        double at = -1; /* as null leaves it */
        nb_jnum(said, &at);
        check(at == (double)d, "%f said, it is %ld", at, d);
        if (d < 0)
            continue;
        parted++;
        snprintf(mark, sizeof mark, "\xc3\xb7 token %ld ", d);
        shows(&h, "scored", mark);
    }
    check(panes == 2 && parted > 0, "%zu panes, %zu of them say something else", panes, parted);
    nb_json_close(&doc);
    free(text);
}

CHECK_TEST(forced_screen, tui_27_the_difference_view_begins_where_the_answers_part)
{
    home h = fresh("forced-words");
    char low[NAME_MOST];
    snprintf(low, sizeof low, "%s", eval_file("Q2_K"));
    const char *models[] = {test_data("nibble-demo"), low, NULL};
    play(&h, models,
         "size 120x40\nwait\nkeys * t\nwait\ntext What is Q2_K?\nkeys Enter\nwait\n"
         "save-json chat.json\nkeys Esc =\nsave-screen words\n");
    char *text = saved(&h, "chat.json"), *words = saved(&h, "words");
    nb_json *doc = json_of(text, strlen(text), "chat");
    const nb_jval *a = nb_jfirst(nb_jget(nb_json_root(doc), "answers"));
    long d = parting(a, nb_jnext(a));
    check(d > 0, "the answers are the same");
    /* the words before the first token that differs stand outside of the marks, the next inside */
    const char *first = strstr(words, "{+ +}"), *said = "", *other = ""; /* the legend */
    first = first ? strstr(first, "[-") : NULL;
    check(first && nb_jstr(nb_jget(a, "text"), &said) &&
              nb_jstr(nb_jget(nb_jnext(a), "text"), &other),
          "%s", words);
    size_t same = 0;
    while (said[same] && said[same] == other[same])
        same++;
    while (same && said[same - 1] != ' ')
        same--; /* to the word's beginning */
    char word[64];
    snprintf(word, sizeof word, "[-%.*s", (int)strcspn(said + same, " \n"), said + same);
    check(strncmp(first, word, strlen(word)) == 0, "\"%s\" is not first in:\n%s", word, words);
    nb_json_close(&doc);
    free(words);
    free(text);
}

/* --- on screen ---------------------------------------------------------------------------------
 */

CHECK_TEST(forced_screen, panes_say_their_figures_and_the_strip_its_tokens)
{
    home h = fresh("forced-look");
    char low[NAME_MOST], script[1024];
    snprintf(low, sizeof low, "%s", eval_file("Q2_K"));
    const char *models[] = {test_data("nibble-demo"), low, NULL};
    snprintf(
        script, sizeof script,
        "%sclick \xe2\x96\x88\nsave-screen token\nkeys Enter\nsave-screen top\nkeys Esc Esc m\n"
        "save-screen off\nkeys m m m\nsave-screen again\nresize 60x20\nsave-screen small\n"
        "keys r\nwait\nsave-screen anew\n",
        ask_and_score);
    play(&h, models, script);
    shows(&h, "scored", "reference of KL, ");
    shows(&h, "scored", "KL/token  B ");
    shows(&h, "scored", "\xc2\xb1");
    shows(&h, "scored", "top-1 ");
    shows(&h, "scored", "metric: KL");
    shows(&h, "scored",
          "\xe2\x96\x88\xe2\x89\xa5"
          "1 nats");
    shows(&h, "token", " KL 1."); /* a full block was pressed: a nat or more */
    shows(&h, "off", "metric: off");
    shows(&h, "off", "KL 0."); /* the figures stay */
    shows(&h, "again", "KL/token  B ");
    shows(&h, "small", "KL");
    shows(&h, "anew", "this answer of A is not the one that was scored: F scores");
}

CHECK_TEST(forced_screen, what_cannot_be_scored_says_why)
{
    home h = fresh("forced-no");
    const char *one[] = {test_data("nibble-demo"), NULL};
    play(&h, one, "size 120x40\nwait\nkeys t\nwait\nkeys Esc F\nsave-screen alone\ntext hi\n");
    shows(&h, "alone", "needs two panes");
    remote_server *s = remote_server_start(&(remote_how){.logprobs = true});
    char script[1024];
    snprintf(script, sizeof script,
             "size 120x40\nwait\nkeys t\nwait\ncommand remote %s\nwait\nkeys Esc F\n"
             "save-screen empty\nkeys i\ntext hi\nkeys Enter\nwait\nkeys Esc F\nwait\n"
             "save-screen remote\n",
             remote_server_model(s));
    play(&h, one, script);
    remote_server_stop(&s);
    shows(&h, "empty", "needs an answer of A, the reference");
    shows(&h, "remote", "remote: an endpoint tells its likeliest tokens only");
}

/* --- the command -------------------------------------------------------------------------------
 */

static child eval(const home *h, const char *const *more)
{
    child_how how = {.args = {"eval", eval_file("Q4_K_M"), "--chat", h->chat}, .env = {h->env}};
    for (int i = 0; more[i]; i++)
        how.args[4 + i] = more[i];
    return child_run(&how);
}
#define EVAL(h, ...) eval((h), (const char *const[]){__VA_ARGS__, NULL})

static void refuses(child c, int code, const char *words)
{
    check(c.code == code && strstr(c.err, words), "status %d, \"%s\" expected: %s", c.code, words,
          c.err);
    child_free(&c);
}

CHECK_TEST(forced_screen, eval_reads_a_chat_as_it_was_asked)
{
    home h = fresh("forced-eval");
    char low[NAME_MOST];
    snprintf(low, sizeof low, "%s", eval_file("Q2_K"));
    const char *models[] = {test_data("nibble-demo"), NULL};
    play(&h, models, "size 120x40\nwait\nkeys t\nwait\ntext What is Q4_K?\nkeys Enter\nwait\n");
    child c = EVAL(&h, "--threads", "1");
    check(c.code == 0 && strstr(c.out, "against nibble-demo, along the reference's answer of ") &&
              strstr(c.out, "KL divergence, nats"),
          "%d: %s%s", c.code, c.out, c.err);
    child two = EVAL(&h, "--threads", "2");
    check(strcmp(c.out, two.out) == 0, "two threads say something else:\n%s", two.out);
    child_free(&two);
    child_free(&c);
    c = EVAL(&h, "--ref", low, "--json");
    check(c.code == 0 && strstr(c.out, "\"reference\":\""), "%d: %s", c.code, c.err);
    child_free(&c);
    refuses(EVAL(&h, "--file", "x"), 2, "--file: not with --chat");
    refuses(EVAL(&h, "--think", "perhaps"), 2, "--think");
    refuses(EVAL(&h, "--base", "x"), 2, "--base: not with --chat");
    refuses(child_run(&(child_how){.args = {"eval", low, "--system", "x", "-f", "y"}}), 2,
            "--system: only with --chat");
    refuses(child_run(&(child_how){.args = {"eval", low, "--chat", low}}), 3, "not a chat");
    /* a prompt that was longer than what the chat tells */
    size_t n;
    char *lines = test_slurp(h.chat, &n), *at = lines ? strstr(lines, "\"prompt\":1") : NULL;
    check(at, "no prompt in %s", h.chat);
    at[strlen("\"prompt\":")] = '4';
    test_spit(h.chat, lines, n);
    free(lines);
    refuses(EVAL(&h, "--json"), 10, "the answer followed 4");
}
