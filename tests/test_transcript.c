/* Chats on disk: branches, torn lines, exports (A15, A16, tui 13, tui 27). */
#include "tests/check.h"
#include "tests/util.h"
#include "tui/transcript.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static nb_token_event token(int32_t id, const char *text)
{
    nb_token_event e = {
        .id = id, .logprob = -0.25F, .entropy = 0.5F, .len = (uint16_t)strlen(text)};
    memcpy(e.text, text, e.len);
    return e;
}

static int say(ui_transcript *t, int pane, int parent, nb_role role, const char *text)
{
    int i = -2;
    nb_err err = {0};
    check(ui_transcript_add(t, pane, parent, role, text, strlen(text), &i, &err) == NB_OK, "%s",
          err.msg);
    return i;
}

static int answer(ui_transcript *t, int pane, int parent, const int32_t *ids, size_t n)
{
    int i = say(t, pane, parent, NB_ASSISTANT, "");
    for (size_t k = 0; k < n; k++) {
        char text[16];
        snprintf(text, sizeof text, " w%d", (int)ids[k]);
        nb_token_event e = token(ids[k], text);
        check(ui_transcript_token(t, i, &e, NULL) == NB_OK, "token %zu", k);
    }
    ui_transcript_end(t, i, &(nb_turn_stats){.stop = NB_STOP_END, .tok_per_s = 80, .ttft = 0.5});
    return i;
}

static const char *text_of(const ui_transcript *t, int i)
{
    return nb_str_c(&ui_transcript_at(t, i)->text);
}

/* Two panes, one question, one regenerated answer. */
static ui_transcript *sample(const char *dir)
{
    ui_transcript *t = NULL;
    nb_err err = {0};
    check(ui_transcript_open(&t, dir, &err) == NB_OK, "%s", err.msg);
    ui_transcript_name_pane(t, 0, "demo bf16", "/m/a");
    ui_transcript_name_pane(t, 1, "demo q2_K", "/m/b");
    for (int p = 0; p < 2; p++) {
        int q = say(t, p, -1, NB_USER, "What is Q4_0?");
        answer(t, p, q, (const int32_t[]){5, 6, 7 + p, 8}, 4);
    }
    answer(t, 1, 2, (const int32_t[]){5, 9}, 2);
    ui_transcript_sync(t);
    return t;
}

CHECK_TEST(transcript, regenerated_answers_are_branches_and_all_stay)
{
    ui_transcript *t = sample(NULL);
    int at, of, path[8];
    check(ui_transcript_count(t) == 5 && ui_transcript_leaf(t, 1) == 4, "newest is shown");
    ui_transcript_branch(t, 4, &at, &of);
    check(at == 1 && of == 2, "%d of %d", at, of);
    check(ui_transcript_sibling(t, 4, -1) == 3 && ui_transcript_sibling(t, 4, 1) == -1, "sibling");
    check(ui_transcript_sibling(t, 1, 1) == -1, "pane A has one answer");
    ui_transcript_select(t, 3);
    check(ui_transcript_path(t, 1, path, 8) == 2 && path[0] == 2 && path[1] == 3, "older branch");
    check(ui_transcript_path(t, 0, NULL, 0) == 2, "pane A untouched");
    int edited = say(t, 1, -1, NB_USER, "And Q4_1?");
    check(ui_transcript_leaf(t, 1) == edited, "an edited question is a new root branch");
    ui_transcript_select(t, 2);
    check(ui_transcript_leaf(t, 1) == 4, "descends to the newest answer, not %d",
          ui_transcript_leaf(t, 1));
    check(ui_transcript_add(t, 0, 2, NB_USER, "x", 1, NULL, NULL) != NB_OK, "foreign parent");
    check(ui_transcript_add(t, 4, -1, NB_USER, "x", 1, NULL, NULL) != NB_OK, "no fifth pane");
    ui_transcript_close(&t);
}

CHECK_TEST(transcript, first_difference_is_by_token_id)
{
    static const struct {
        int32_t a[4], b[4];
        size_t na, nb;
        long first;
    } row[] = {
        {{1, 2, 3}, {1, 2, 3}, 3, 3, -1},
        {{1, 2, 3}, {1, 9, 3}, 3, 3, 1},
        {{1}, {2}, 1, 1, 0},
        {{1, 2}, {1, 2, 3}, 2, 3, 2},
        {{0}, {0}, 0, 0, -1},
    };
    for (size_t i = 0; i < countof(row); i++) {
        ui_transcript *t = NULL;
        check(ui_transcript_open(&t, NULL, NULL) == NB_OK, "open");
        int a = answer(t, 0, -1, row[i].a, row[i].na), b = answer(t, 1, -1, row[i].b, row[i].nb);
        long d = ui_transcript_first_difference(ui_transcript_at(t, a), ui_transcript_at(t, b));
        check(d == row[i].first, "row %zu: %ld, expected %ld", i, d, row[i].first);
        ui_transcript_close(&t);
    }
}

CHECK_TEST(transcript, an_answer_still_running_only_differs_where_it_has_tokens)
{
    ui_transcript *t = NULL;
    check(ui_transcript_open(&t, NULL, NULL) == NB_OK, "open");
    int a = answer(t, 0, -1, (const int32_t[]){1, 2, 3}, 3);
    int b = say(t, 1, -1, NB_ASSISTANT, "");
    nb_token_event e = token(1, "w");
    check(ui_transcript_token(t, b, &e, NULL) == NB_OK, "token");
    const ui_message *ma = ui_transcript_at(t, a), *mb = ui_transcript_at(t, b);
    check(ui_transcript_first_difference(ma, mb) == -1, "it may still agree");
    ui_transcript_end(t, b, &(nb_turn_stats){.stop = NB_STOP_CANCEL});
    check(ui_transcript_first_difference(ma, mb) == -1, "stopped by hand is no difference");
    ui_transcript_close(&t);
}

/* The shorter answer must have ended by itself; why the longer one ended does not matter. */
CHECK_TEST(transcript, an_end_differs_from_going_on_but_a_limit_does_not)
{
    static const struct {
        nb_stop shorter, longer;
        long first;
    } row[] = {{NB_STOP_END, NB_STOP_END, 2},
               {NB_STOP_END, NB_STOP_LIMIT, 2},
               {NB_STOP_END, NB_STOP_CONTEXT, 2},
               {NB_STOP_LIMIT, NB_STOP_END, -1},
               {NB_STOP_CONTEXT, NB_STOP_LIMIT, -1}};
    for (size_t i = 0; i < countof(row); i++)
        for (int swap = 0; swap < 2; swap++) {
            ui_transcript *t = NULL;
            check(ui_transcript_open(&t, NULL, NULL) == NB_OK, "open");
            int m[2] = {answer(t, swap, -1, (const int32_t[]){1, 2}, 2),
                        answer(t, !swap, -1, (const int32_t[]){1, 2, 3}, 3)};
            ui_transcript_end(t, m[0], &(nb_turn_stats){.stop = row[i].shorter});
            ui_transcript_end(t, m[1], &(nb_turn_stats){.stop = row[i].longer});
            long d = ui_transcript_difference(t, 1);
            check(d == row[i].first, "row %zu: %ld, expected %ld", i, d, row[i].first);
            ui_transcript_close(&t);
        }
}

CHECK_TEST(transcript, comes_back_as_it_was)
{
    const char *dir = test_path(test_tmpdir(), "chats");
    ui_transcript *t = sample(dir), *u = NULL;
    check(ui_transcript_number(t) == 1 && !ui_transcript_problem(t), "first chat");
    ui_transcript_select(t, 3);
    char file[1024];
    snprintf(file, sizeof file, "%s", ui_transcript_file(t));
    ui_transcript_close(&t);
    size_t skipped = 9;
    nb_err err = {0};
    check(ui_transcript_load(&u, file, &skipped, &err) == NB_OK && skipped == 0, "%s", err.msg);
    check(ui_transcript_count(u) == 5 && ui_transcript_leaf(u, 1) == 3, "branch shown");
    check(strcmp(ui_transcript_label(u, 1), "demo q2_K") == 0, "label");
    const ui_message *m = ui_transcript_at(u, 3);
    check(m->n_token == 4 && m->token[2].id == 8 && m->token[2].start == 6 && m->token[2].len == 3,
          "tokens: %zu", m->n_token);
    check(m->done && m->stop == NB_STOP_END && m->tok_per_s > 79, "figures");
    check(strcmp(text_of(u, 3), " w5 w6 w8 w8") == 0, "text: %s", text_of(u, 3));
    say(u, 0, 1, NB_USER, "more");
    ui_transcript_close(&u);
    check(ui_transcript_load(&u, file, NULL, &err) == NB_OK && ui_transcript_count(u) == 6, "more");
    ui_transcript_close(&u);
    t = sample(dir);
    check(ui_transcript_number(t) == 2, "the next chat has its own file");
    ui_transcript_close(&t);
}

/* A15, A16: whatever prefix of the file the disk kept, what was whole is there, nothing torn is
 * believed, and the chat goes on after it. */
CHECK_TEST(transcript, every_prefix_of_the_file_loads_and_goes_on)
{
    const char *dir = test_path(test_tmpdir(), "torn");
    ui_transcript *t = sample(dir);
    size_t n = 0, before = 0;
    char file[1024];
    snprintf(file, sizeof file, "%s", ui_transcript_file(t));
    ui_transcript_close(&t);
    char *whole = test_slurp(file, &n);
    const size_t header = (size_t)(strchr(whole, '\n') - whole) + 1;
    for (size_t cut = header; cut <= n; cut += cut + 7 < n ? 7 : 1) {
        nb_err err = {0};
        test_spit(file, whole, cut);
        size_t skipped = 0;
        check(ui_transcript_load(&t, file, &skipped, &err) == NB_OK && !skipped, "cut %zu: %s", cut,
              err.msg);
        check(ui_transcript_count(t) >= before, "cut %zu lost a message", cut);
        before = ui_transcript_count(t);
        say(t, 0, ui_transcript_leaf(t, 0), NB_USER, "again");
        ui_transcript_close(&t);
        check(ui_transcript_load(&t, file, &skipped, &err) == NB_OK && !skipped &&
                  ui_transcript_count(t) == before + 1,
              "cut %zu: what followed the torn line", cut);
        ui_transcript_close(&t);
    }
    check(before == 5, "the last cut is the whole file");
    for (size_t cut = 0; cut < header; cut++) {
        test_spit(file, whole, cut);
        check(ui_transcript_load(&t, file, NULL, NULL) == NB_FORMAT && !t, "header cut %zu", cut);
    }
    free(whole);
}

CHECK_TEST(transcript, foreign_lines_are_skipped_and_counted)
{
    static const char text[] =
        "{\"nibble_chat\":1}\n"
        "not json\n"
        "{\"n\":0,\"parent\":-1,\"pane\":0,\"role\":\"user\",\"text\":\"hi\"}\n"
        "{\"n\":7,\"id\":1,\"text\":\"x\"}\n"
        "{\"n\":1,\"parent\":5,\"pane\":0,\"role\":\"user\"}\n"
        "{\"n\":1,\"parent\":0,\"pane\":1,\"role\":\"user\"}\n"
        "{\"n\":1,\"parent\":0,\"pane\":0,\"role\":\"wizard\"}\n"
        "{\"pane\":9,\"leaf\":0}\n"
        "{\"pane\":0,\"leaf\":44}\n"
        "{\"n\":0,\"id\":-2,\"text\":\"x\"}\n";
    const char *file = test_path(test_tmpdir(), "foreign.jsonl");
    ui_transcript *t = NULL;
    size_t skipped = 0;
    test_spit(file, text, strlen(text));
    check(ui_transcript_load(&t, file, &skipped, NULL) == NB_OK, "load");
    check(skipped == 8 && ui_transcript_count(t) == 1, "%zu skipped", skipped);
    check(strcmp(text_of(t, 0), "hi") == 0, "the good one");
    ui_transcript_close(&t);
}

CHECK_TEST(transcript, goes_on_in_memory_when_nothing_can_be_written)
{
    const char *file = test_path(test_tmpdir(), "in-the-way");
    ui_transcript *t = NULL;
    test_spit(file, "x", 1);
    check(ui_transcript_open(&t, test_path(file, "chats"), NULL) == NB_OK, "open");
    say(t, 0, -1, NB_USER, "hello");
    check(ui_transcript_problem(t) && ui_transcript_count(t) == 1, "kept, and said so");
    ui_transcript_close(&t);
}

static void to_json(const ui_transcript *t, nb_str *out)
{
    nb_jout w = nb_jout_make(out);
    nb_jout_object(&w);
    ui_transcript_json(t, &w);
    nb_jout_object_end(&w);
}

CHECK_TEST(transcript, exports_are_safe_and_name_the_difference)
{
    ui_transcript *t = sample(NULL);
    say(t, 0, 1, NB_USER, "evil \x1b]52;c;x\x07 \xe2\x80\xae text");
    nb_str md = {0}, json = {0};
    ui_transcript_markdown(t, &md);
    to_json(t, &json);
    check(strstr(md.at, "**you**: What is Q4_0?") && strstr(md.at, "## B  demo q2_K"), "%s", md.at);
    check(!strchr(md.at, '\x1b') && !strstr(md.at, "\xe2\x80\xae"), "control bytes reach Markdown");
    check(strstr(json.at, "\"ids\":[5,9]") && strstr(json.at, "\\u001b"), "%s", json.at);
    nb_str_free(&md);
    nb_str_free(&json);
    ui_transcript_close(&t);
    t = sample(NULL);
    ui_transcript_markdown(t, &md);
    check(strstr(md.at, "first difference of B from A: token 1"), "%s", md.at);
    nb_str_free(&md);
    ui_transcript_close(&t);
}

/* Ids of another vocabulary mean other text: nothing is compared, now or after reading it back. */
CHECK_TEST(transcript, other_vocabularies_are_not_compared)
{
    for (int other = 0; other < 2; other++) {
        ui_transcript *t = NULL;
        nb_err err = {0};
        char file[1024];
        check(ui_transcript_open(&t, test_path(test_tmpdir(), other ? "words-b" : "words-a"),
                                 &err) == NB_OK,
              "%s", err.msg);
        ui_transcript_set_vocabulary(t, 0, UINT64_C(0xfedcba9876543210));
        ui_transcript_set_vocabulary(t, 1, UINT64_C(0xfedcba9876543210) + (uint64_t)other);
        for (int p = 0; p < 2; p++) {
            ui_transcript_name_pane(t, p, "demo", "/m/x");
            int q = say(t, p, -1, NB_USER, "What is Q4_0?");
            answer(t, p, q, (const int32_t[]){5, 6 + p}, 2);
        }
        snprintf(file, sizeof file, "%s", ui_transcript_file(t));
        for (int pass = 0; pass < 2; pass++) {
            nb_str json = {0}, md = {0};
            check(ui_transcript_other_vocabulary(t, 1) == (other == 1), "pass %d", pass);
            to_json(t, &json);
            ui_transcript_markdown(t, &md);
            check((strstr(nb_str_c(&json), "\"first_difference\":1") != NULL) == !other, "%s",
                  nb_str_c(&json));
            check((strstr(nb_str_c(&md), "first difference") != NULL) == !other, "%s",
                  nb_str_c(&md));
            nb_str_free(&json);
            nb_str_free(&md);
            ui_transcript_close(&t);
            check(ui_transcript_load(&t, file, NULL, &err) == NB_OK, "%s", err.msg);
        }
        ui_transcript_close(&t);
    }
}

/* What a turn was told of and what it lost come back from disk, and are in every export. */
CHECK_TEST(transcript, shifts_reuse_and_tool_calls_are_kept_and_told)
{
    const char *dir = test_path(test_tmpdir(), "shifts");
    static const char call[] = "{\"name\": \"f\", \"arguments\": {}}";
    ui_transcript *t = NULL, *back = NULL;
    nb_err err = {0};
    size_t skipped = 1;
    check(ui_transcript_open(&t, dir, &err) == NB_OK, "%s", err.msg);
    ui_transcript_name_pane(t, 0, "demo", "/m/a");
    int i = say(t, 0, say(t, 0, -1, NB_USER, "q"), NB_ASSISTANT, "");
    nb_token_event e[] = {token(5, call), token(6, " "), token(7, "\n")};
    e[0].dropped = 19;
    e[2].dropped = 19;
    for (size_t k = 0; k < 3; k++)
        check(ui_transcript_token(t, i, &e[k], NULL) == NB_OK, "token %zu", k);
    const nb_turn_stats st = {.n_prompt = 60, .n_reused = 41, .n_dropped = 38, .tools = true};
    ui_transcript_end(t, i, &st);
    ui_transcript_sync(t);
    check(ui_transcript_load(&back, ui_transcript_file(t), &skipped, &err) == NB_OK, "%s", err.msg);
    const ui_transcript *both[] = {t, back};
    for (int k = 0; k < 2; k++) {
        const ui_message *m = ui_transcript_at(both[k], i);
        nb_tool_call c;
        nb_str md = {0}, json = {0};
        char shifts[32];
        check(m->n_reused == 41 && m->n_dropped == 38 && m->tools, "%u %u", m->n_reused,
              m->n_dropped);
        check(m->token[0].dropped == 19 && m->token[1].dropped == 0, "token 0");
        ui_transcript_shifts(m, shifts, sizeof shifts);
        check(strcmp(shifts, " \xc2\xb7 shifted at 0, 2") == 0, "%s", shifts);
        check(ui_transcript_calls(m, &c, 1) == 1 && strcmp(c.name, "f") == 0, "no call");
        ui_transcript_markdown(both[k], &md);
        to_json(both[k], &json);
        check(strstr(md.at, "shifted at 0, 2"), "%s", md.at);
        check(strstr(json.at, "\"reused_tokens\":41") &&
                  strstr(json.at, "\"shifts\":[{\"token\":0,\"dropped\":19},"
                                  "{\"token\":2,\"dropped\":19}]") &&
                  strstr(json.at, "\"tool_calls\":[{\"name\":\"f\",\"arguments\":\"{}\"}]"),
              "%s", json.at);
        nb_str_free(&md);
        nb_str_free(&json);
    }
    check(skipped == 0, "%zu lines skipped", skipped);
    ui_transcript_close(&t);
    ui_transcript_close(&back);
}

/* Many shifts do not fit into a line: what there is ends in an ellipsis, never in half a number. */
CHECK_TEST(transcript, many_shifts_end_in_an_ellipsis)
{
    ui_transcript *t = NULL;
    nb_err err = {0};
    char shifts[40];
    check(ui_transcript_open(&t, NULL, &err) == NB_OK, "%s", err.msg);
    int i = say(t, 0, say(t, 0, -1, NB_USER, "q"), NB_ASSISTANT, "");
    for (int k = 0; k < 40; k++) {
        nb_token_event e = token(k, "x");
        e.dropped = k % 3 == 0;
        check(ui_transcript_token(t, i, &e, NULL) == NB_OK, "token %d", k);
    }
    ui_transcript_shifts(ui_transcript_at(t, i), shifts, sizeof shifts);
    size_t n = strlen(shifts);
    check(n < sizeof shifts && strcmp(shifts + n - 3, "\xe2\x80\xa6") == 0, "%s", shifts);
    ui_transcript_close(&t);
}
