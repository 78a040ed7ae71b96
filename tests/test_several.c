/* Several answers to one question at once are what each is alone. */
#include "tests/check.h"
#include "tests/run_child.h"
#include "tests/util.h"

#include "core/base/str.h"
#include "core/model/chat.h"
#include "kernels/cpu.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N = 5, CAP = 400 };

typedef struct heard {
    nb_str text[N];
    int32_t ids[N][CAP];
    float logprob[N][CAP];
    uint32_t n[N], dropped[N], all, cancel_at; /* cancel_at 0 = never */
} heard;

static void hear(void *arg, const nb_token_event *e)
{
    heard *h = arg;
    check(e->answer < N, "answer %u", e->answer);
    nb_str_addn(&h->text[e->answer], e->text, e->len);
    if (e->id < 0)
        return;
    uint32_t *n = &h->n[e->answer];
    check(e->index == *n && *n < CAP, "index %u of %u", e->index, *n);
    h->ids[e->answer][*n] = e->id;
    h->logprob[e->answer][(*n)++] = e->logprob;
    h->dropped[e->answer] += e->dropped;
    h->all++;
}

static void forget(heard *h)
{
    for (int i = 0; i < N; i++)
        nb_str_free(&h->text[i]);
    *h = (heard){0};
}

static bool enough(void *ud)
{
    heard *h = ud;
    return h->cancel_at && h->all >= h->cancel_at;
}

static nb_local *demo(const nk_ops *ops, nb_sched *sched, uint32_t n_ctx, uint32_t n_seq)
{
    nb_local *l = NULL;
    nb_err err = {0};
    const nb_session_options opt = {.n_ctx = n_ctx, .n_seq = n_seq};
    check(nb_local_open(&l, test_data("nibble-demo"), ops, sched, 0, &opt, &err) == NB_OK, "%s",
          err.msg);
    return l;
}

typedef struct wish {
    uint64_t seed;
    uint32_t max;
    bool shift;
} wish;

static nb_status ask(nb_local *l, const nb_message *msg, size_t n_msg, wish w, uint32_t n, heard *h,
                     nb_turn_stats *st, nb_err *err)
{
    const nb_hooks hooks = {.canceled = enough, .ud = h};
    const nb_ask a = {
        .messages = msg,
        .n_messages = n_msg,
        .max_tokens = w.max,
        .shift = w.shift,
        .token = hear,
        .arg = h,
        .sampling = {
            .temp = 1.7F, .top_p = 1, .repeat_penalty = 1.1F, .repeat_last = 64, .seed = w.seed}};
    return nb_local_ask_each(l, &a, n, st, &hooks, err);
}

/* Each lane against a session of its own, for contexts that end it, shift it, or do neither. */
static void check_lanes(uint32_t n_ctx, wish w, int cores)
{
    static heard many, one;
    nk_ops ops;
    nb_sched *sched = NULL;
    nb_turn_stats st[N], alone;
    nb_err err = {0};
    nb_message msg[] = {{NB_USER, "Why do low bits hurt?", 21}};
    nk_ops_init(&ops, nk_cpu_detect());
    check(nb_sched_open(&sched, cores, NULL) == NB_OK, "sched");
    nb_local *l = demo(&ops, sched, n_ctx, N), *single = demo(&ops, NULL, n_ctx, 1);
    forget(&many);
    check(ask(l, msg, 1, w, N, &many, st, &err) == NB_OK, "%s", err.msg);
    for (uint32_t i = 0; i < N; i++) {
        wish its = w;
        its.seed += i;
        forget(&one);
        check(ask(single, msg, 1, its, 1, &one, &alone, &err) == NB_OK, "%s", err.msg);
        check(one.n[0] == many.n[i] &&
                  memcmp(one.ids[0], many.ids[i], one.n[0] * sizeof(int32_t)) == 0 &&
                  memcmp(one.logprob[0], many.logprob[i], one.n[0] * sizeof(float)) == 0,
              "ctx %u: answer %u is another", n_ctx, i);
        check(strcmp(nb_str_c(&one.text[0]), nb_str_c(&many.text[i])) == 0, "text of %u", i);
        check(st[i].stop == alone.stop && st[i].n_answer == alone.n_answer &&
                  st[i].n_dropped == alone.n_dropped && many.dropped[i] == one.dropped[0],
              "ctx %u, answer %u: stop %d and %d", n_ctx, i, st[i].stop, alone.stop);
        check(st[i].n_prompt == 11 && st[i].n_reused == (i ? 11u : 0u), "%u of %u reused",
              st[i].n_reused, st[i].n_prompt);
    }
    forget(&one);
    forget(&many);
    nb_local_close(&l);
    nb_local_close(&single);
    nb_sched_close(&sched);
}

CHECK_TEST(several, answers_at_once_are_what_each_seed_gives_alone)
{
    const wish some = {.seed = 3, .max = TEST_THIN > 1 ? 12 : 40};
    check_lanes(128, some, 1);
    check_lanes(128, some, 3);
    check_lanes(128, (wish){.seed = 40}, 2); /* to their own ends */
    check_lanes(32, (wish){.seed = 9}, 2);   /* or the context's */
    check_lanes(32, (wish){.seed = 9, .max = TEST_THIN > 1 ? 48 : 90, .shift = true},
                2); /* or past it */
}

/* Whichever alternative the conversation goes on with, its cache is found. */
CHECK_TEST(several, any_of_them_can_be_gone_on_with)
{
    static heard h, next;
    nk_ops ops;
    nb_turn_stats st[N];
    nb_err err = {0};
    nb_message msg[3] = {{NB_USER, "Why do low bits hurt?", 21}};
    nk_ops_init(&ops, nk_cpu_detect());
    nb_local *l = demo(&ops, NULL, 256, N);
    check(ask(l, msg, 1, (wish){.seed = 1, .max = 20}, N, &h, st, &err) == NB_OK, "%s", err.msg);
    for (int i = N - 1; i >= 0; i--) {
        msg[1] = (nb_message){NB_ASSISTANT, nb_str_c(&h.text[i]), h.text[i].len};
        msg[2] = (nb_message){NB_USER, "who are you", 11};
        forget(&next);
        check(ask(l, msg, 3, (wish){.seed = 1, .max = 2}, 1, &next, st, &err) == NB_OK, "%s",
              err.msg);
        check(st[0].n_reused > 11 + 2, "answer %d: %u reused", i, st[0].n_reused);
    }
    forget(&h);
    forget(&next);
    nb_local_close(&l);
}

CHECK_TEST(several, more_than_there_is_room_for_is_refused)
{
    static heard h;
    nk_ops ops;
    nb_turn_stats st[N];
    nb_err err = {0};
    nb_message msg[] = {{NB_USER, "hi", 2}};
    nk_ops_init(&ops, nk_cpu_detect());
    nb_local *l = demo(&ops, NULL, 64, 2);
    check(ask(l, msg, 1, (wish){.max = 2}, 3, &h, st, &err) == NB_USAGE, "three");
    check(strstr(err.msg, "3 answers at once: the session has 2"), "%s", err.msg);
    check(ask(l, msg, 1, (wish){.max = 2}, 0, &h, st, &err) == NB_USAGE, "none");
    check(ask(l, msg, 1, (wish){.max = 2}, 2, &h, st, &err) == NB_OK && h.all == 4, "%s", err.msg);
    forget(&h);
    nb_local_close(&l);
}

CHECK_TEST(several, cancel_stops_all_within_a_token)
{
    static heard h;
    nk_ops ops;
    nb_turn_stats st[N];
    nb_err err = {0};
    nb_message msg[] = {{NB_USER, "Why do low bits hurt?", 21}};
    nk_ops_init(&ops, nk_cpu_detect());
    nb_local *l = demo(&ops, NULL, 128, N);
    h.cancel_at = 12;
    check(ask(l, msg, 1, (wish){.max = 60}, N, &h, st, &err) == NB_CANCELED, "%s", err.msg);
    check(h.all <= 15, "%u tokens", h.all);
    for (int i = 0; i < N; i++)
        check(st[i].stop == NB_STOP_CANCEL && st[i].n_answer == h.n[i], "answer %d", i);
    forget(&h);
    nb_local_close(&l);
}

/* --- the command -------------------------------------------------------------------------------
 */

static child chat(const char *const *more)
{
    static const char *const demo_dir = NB_TEST_ROOT "/tests/data/nibble-demo";
    child_how how = {.args = {"chat", demo_dir, "-p", "Why do low bits hurt?", "--temp", "1.5"}};
    for (int i = 0; more[i]; i++)
        how.args[6 + i] = more[i];
    return child_run(&how);
}

static const nb_jval *answer_at(const nb_json *doc, size_t i)
{
    const nb_jval *a = nb_jfirst(nb_jget(nb_json_root(doc), "answers"));
    while (a && i--)
        a = nb_jnext(a);
    check(a, "no such answer");
    return a;
}

static const char *text_of(const nb_jval *answer)
{
    const char *text = NULL;
    check(nb_jstr(nb_jget(answer, "text"), &text), "no text");
    return text;
}

CHECK_TEST(several, the_command_gives_each_seeds_answer)
{
    child all =
        chat((const char *const[]){"--parallel", "3", "--seed", "7", "-n", "20", "--json", NULL});
    check(all.code == 0, "%s", all.err);
    nb_json *doc = child_json(&all);
    check(nb_jlen(nb_jget(nb_json_root(doc), "answers")) == 3, "%s", all.out);
    for (size_t i = 0; i < 3; i++) {
        char seed[8];
        int64_t reused = -1;
        snprintf(seed, sizeof seed, "%zu", 7 + i);
        child one = chat((const char *const[]){"--seed", seed, "-n", "20", "--json", NULL});
        nb_json *single = child_json(&one);
        check(strcmp(text_of(answer_at(single, 0)), text_of(answer_at(doc, i))) == 0, "seed %s",
              seed);
        check(nb_jint(nb_jget(answer_at(doc, i), "reused_tokens"), &reused) &&
                  reused == (i ? 11 : 0),
              "%lld reused", (long long)reused);
        nb_json_close(&single);
        child_free(&one);
    }
    child text = chat((const char *const[]){"--parallel", "2", "--seed", "7", "-n", "20", NULL});
    check(strncmp(text.out, "== answer 1, seed 7\n", 20) == 0 &&
              strstr(text.out, "== answer 2, seed 8\n") &&
              strstr(text.out, text_of(answer_at(doc, 1))),
          "%s", text.out);
    nb_json_close(&doc);
    child_free(&all);
    child_free(&text);
    child_how two = {.args = {"chat", "demo", "demo", "-p", "x", "--parallel", "2"}};
    child refused = child_run(&two);
    check(refused.code == 2 && strstr(refused.err, "of one model"), "%d %s", refused.code,
          refused.err);
    child_free(&refused);
}

CHECK_TEST(several, the_command_tells_where_a_context_was_shifted)
{
    child c = chat((const char *const[]){"-c", "32", "-n", "60", "--temp", "3", "--context-shift",
                                         "--json", NULL});
    int64_t token = -1, dropped = 0;
    check(c.code == 0, "%s", c.err);
    nb_json *doc = child_json(&c);
    const nb_jval *shifts = nb_jget(answer_at(doc, 0), "shifts"), *first = nb_jfirst(shifts);
    check(nb_jlen(shifts) >= 2 && nb_jint(nb_jget(first, "token"), &token) && token == 22 &&
              nb_jint(nb_jget(first, "dropped"), &dropped) && dropped == 15,
          "%s", c.out);
    nb_json_close(&doc);
    child_free(&c);
    c = chat((const char *const[]){"-c", "32", "-n", "60", "--temp", "3", NULL});
    check(c.code == 0 && !strstr(c.err, "shifted"), "%s", c.err);
    child_free(&c);
    c = chat((const char *const[]){"-c", "32", "-n", "60", "--temp", "3", "--context-shift", NULL});
    check(c.code == 0 && strstr(c.err, "shifted at 22, "), "%s", c.err);
    child_free(&c);
}
