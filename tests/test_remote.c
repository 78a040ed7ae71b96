/* Remote models: addresses, requests, answers as they come. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "tests/check.h"
#include "tests/remote_rig.h"
#include "tests/util.h"

#include "core/base/json.h"
#include "downloads/remote_own.h"

/* The body of the n-th request as a document. */
static nb_json *asked(remote_server *s, size_t n)
{
    nb_json *doc = NULL;
    nb_err err;
    const char *body = strstr(remote_server_request(s, n), "\r\n\r\n") + 4;
    check(nb_json_parse(&doc, body, strlen(body), 1 << 20, "request", &err) == NB_OK, "%s",
          err.msg);
    return doc;
}

/* --- addresses ------------------------------------------------------------------------------- */

CHECK_TEST(remote, addresses_are_taken_apart)
{
    static const struct {
        const char *model, *host, *name;
    } rows[] = {
        {"https://a.example/v1#m", "a.example", "m"},
        {"https://a.example:8443/x/v1/#org/m%20b", "a.example:8443", "org/m b"},
        {"HTTPS://a.example#m", "a.example", "m"},
        {"http://127.0.0.1:8080", "127.0.0.1:8080", ""},
        {"http://localhost:1/v1", "localhost:1", ""},
        {"http://[::1]:9/v1#q", "[::1]:9", "q"},
    };
    for (size_t i = 0; i < countof(rows); i++) {
        char name[256];
        dl_remote *r = far_open(rows[i].model, NULL);
        dl_remote_name(r, name);
        check(strcmp(dl_remote_host(r), rows[i].host) == 0, "%s", dl_remote_host(r));
        check(strcmp(name, rows[i].name) == 0, "%s", name);
        dl_remote_close(&r);
    }
}

CHECK_TEST(remote, what_is_no_address_is_refused_in_one_sentence)
{
    static const struct {
        const char *model, *says;
    } rows[] = {
        {"https://user:hunter2@a.example/v1#m", "NIBBLE_API_KEY"},
        {"https://user@a.example", "NIBBLE_API_KEY"},
        {"https://a.example/v1?key=hunter2#m", "query"},
        {"https://", "expected https://host"},
        {"https://a b/v1", "expected https://host"},
        {"https://a.example:99999/v1", "expected https://host"},
        {"http://a.example/v1#m", "another machine"},
        {"http://127.0.0.1.evil.example/v1#m", "another machine"},
        {"https://a.example/v1#%00", "name behind #"},
        {"https://a.example/v1#%ff", "name behind #"},
    };
    nb_hub_env env = {.etag_timeout = 10};
    for (size_t i = 0; i < countof(rows); i++) {
        dl_remote *r = NULL;
        nb_err err = {0};
        const dl_remote_options opt = {.env = &env};
        check(dl_remote_open(&r, rows[i].model, &opt, &err) == NB_USAGE && !r, "%s", rows[i].model);
        check(strstr(err.msg, rows[i].says), "%s: %s", rows[i].model, err.msg);
        check(!strstr(err.msg, "hunter2"), "a secret: %s", err.msg);
    }
    dl_remote *r = far_open("http://a.example/v1#m", &(dl_remote_options){.http = true});
    dl_remote_close(&r);
}

/* --- answers --------------------------------------------------------------------------------- */

CHECK_TEST(remote, an_answer_streams_with_what_the_server_tells_of_its_tokens)
{
    remote_server *s = remote_server_start(&(remote_how){.logprobs = true});
    dl_remote *r = far_open(remote_server_model(s), NULL);
    far_answer a = {0};
    char piece[16];
    check(remote_server_count(s) == 0, "something was sent before the question");
    far_say(r, "hi", &a);
    check(a.status == NB_OK && a.stats.stop == NB_STOP_END, "%s", a.err.msg);
    check(strcmp(nb_str_c(&a.text), "Hello from afar.") == 0, "%s", nb_str_c(&a.text));
    check(a.n == 3 && a.bare == 0, "%zu tokens, %zu bare", a.n, a.bare);
    check(fabsf(a.token[1].logprob + 0.6931472F) < 1e-6F && a.token[1].n_top == 2, "logprobs");
    check(a.token[1].start == 5 && a.token[1].len == 5, "cut elsewhere");
    nb_responder *who = dl_remote_responder(r);
    check(who->piece(who, a.token[1].id, piece, sizeof piece) == 5 &&
              memcmp(piece, " from", 5) == 0,
          "another piece");
    check(who->piece(who, 1 << 20, piece, sizeof piece) == 0, "a piece of nothing");
    check(a.stats.n_prompt == 11 && a.stats.n_answer == 4, "usage is not heeded");
    check(a.stats.ttft > 0 && a.stats.tok_per_s > 0, "no rates");
    check(remote_server_count(s) == 1, "%zu requests", remote_server_count(s));
    far_free(&a);
    dl_remote_close(&r);
    remote_server_stop(&s);
}

/* Bytes of characters, line ends and events cut anywhere, with and without CRLF. */
CHECK_TEST(remote, the_stream_may_be_cut_anywhere)
{
    static const char text[] = "Gr\xc3\xbc\xc3\x9f"
                               "e \xe6\x97\xa5\xe6\x9c\xac \xf0\x9f\x99\x82 ok";
    remote_server *s = remote_server_start(NULL);
    dl_remote *r = far_open(remote_server_model(s), NULL);
    for (size_t n = 1; n <= 7; n += 2)
        for (int crlf = 0; crlf < 2; crlf++) {
            const remote_how how = {.answer = text,
                                    .thought = "hm \xe6\x97\xa5",
                                    .write_n = n,
                                    .crlf = crlf,
                                    .logprobs = true,
                                    .bytes_only = true};
            far_answer a = {0};
            remote_server_set(s, &how);
            far_say(r, "hi", &a);
            check(a.status == NB_OK, "%s", a.err.msg);
            check(strncmp(nb_str_c(&a.text), "<think>\nhm \xe6\x97\xa5\n</think>\n\n", 25) == 0,
                  "%s", a.text.at);
            check(strcmp(nb_str_c(&a.text) + a.text.len - strlen(text), text) == 0, "%s",
                  a.text.at);
            check(a.n == 6, "%zu tokens", a.n);
            far_free(&a);
        }
    dl_remote_close(&r);
    remote_server_stop(&s);
}

CHECK_TEST(remote, servers_differ_and_are_understood)
{
    static const struct {
        remote_how how;
        const char *text;
        nb_stop stop;
    } rows[] = {
        {{.plain = true}, "Hello from afar.", NB_STOP_END},
        {{.plain = true, .logprobs = true}, "Hello from afar.", NB_STOP_END},
        {{.no_done = true, .no_usage = true}, "Hello from afar.", NB_STOP_END},
        {{.finish = ""}, "Hello from afar.", NB_STOP_END},
        {{.finish = "length"}, "Hello from afar.", NB_STOP_CONTEXT},
        {{.finish = "eos"}, "Hello from afar.", NB_STOP_END},
        {{.raw = "data:{\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\r\rdata: [DONE]\r\r"},
         "a",
         NB_STOP_END},
        {{.raw = "data: {\"choices\":[{\"delta\":\ndata: {\"content\":\"b\"}}]}\n\ndata: [DONE]"},
         "b",
         NB_STOP_END},
        {{.raw = "\xef\xbb\xbf: x\ndata: {\"choices\":[{\"delta\":{\"reasoning\":\"r\"}}]}\n\n"
                 "data: {\"choices\":[{\"delta\":{\"content\":\"c\"},"
                 "\"finish_reason\":\"stop\"}]}\n\n"},
         "<think>\nr\n</think>\n\nc",
         NB_STOP_END},
        {{.raw = "data: {\"choices\":[{\"delta\":{\"content\":\"d\"},\"logprobs\":{\"content\":"
                 "[{\"token\":\"d\",\"logprob\":null},{\"token\":\"e\",\"logprob\":9}]}}]}\n\n"
                 "data: [DONE]\n\n"},
         "d",
         NB_STOP_END},
    };
    remote_server *s = remote_server_start(NULL);
    dl_remote *r = far_open(remote_server_model(s), NULL);
    for (size_t i = 0; i < countof(rows); i++) {
        far_answer a = {0};
        remote_server_set(s, &rows[i].how);
        far_say(r, "hi", &a);
        check(a.status == NB_OK, "row %zu: %s", i, a.err.msg);
        check(strcmp(nb_str_c(&a.text), rows[i].text) == 0, "row %zu: %s", i, nb_str_c(&a.text));
        check(a.stats.stop == rows[i].stop, "row %zu: stop %d", i, (int)a.stats.stop);
        check(i != 9 || (a.n == 2 && isnan(a.token[0].logprob) && isnan(a.token[1].logprob)),
              "a logprob that is none was taken");
        far_free(&a);
    }
    dl_remote_close(&r);
    remote_server_stop(&s);
}

/* --- requests -------------------------------------------------------------------------------- */

CHECK_TEST(remote, a_request_says_what_was_asked_for)
{
    static const char thought[] = "<think>\nsecretly\n</think>\n\nYes.";
    const nb_message m[] = {{NB_SYSTEM, "be brief", 8},
                            {NB_USER, "q\"1\"", 4},
                            {NB_ASSISTANT, thought, sizeof thought - 1},
                            {NB_USER, "q2", 2}};
    nb_ask ask = {.messages = m, .n_messages = 4, .sampling = nb_sampling_default()};
    ask.sampling.temp = 0.7F;
    ask.sampling.seed = 41;
    ask.sampling.top_k = 5;
    ask.sampling.repeat_penalty = 1.1F;
    ask.max_tokens = 9;
    remote_server *s = remote_server_start(NULL);
    dl_remote *r = far_open(remote_server_model(s), NULL);
    far_answer a = {0};
    double d;
    int64_t n;
    const char *text;
    far_ask(r, &ask, &a);
    check(a.status == NB_OK, "%s", a.err.msg);
    nb_json *doc = asked(s, 0);
    const nb_jval *v = nb_json_root(doc), *list = nb_jget(v, "messages");
    check(nb_jstr(nb_jget(v, "model"), &text) && strcmp(text, "far") == 0, "model");
    check(nb_jlen(list) == 4, "%zu messages", nb_jlen(list));
    const nb_jval *third = nb_jnext(nb_jnext(nb_jfirst(list)));
    check(nb_jstr(nb_jget(third, "content"), &text) && strcmp(text, "Yes.") == 0, "%s", text);
    check(nb_jnum(nb_jget(v, "temperature"), &d) && d == 0.7, "temperature %g", d);
    check(nb_jnum(nb_jget(v, "top_p"), &d) && d == 0.95, "top_p %g", d);
    check(nb_jint(nb_jget(v, "seed"), &n) && n == 41, "seed");
    check(nb_jint(nb_jget(v, "max_tokens"), &n) && n == 9, "max_tokens");
    check(nb_jint(nb_jget(v, "top_k"), &n) && n == 5, "top_k");
    check(nb_jint(nb_jget(v, "top_logprobs"), &n) && n == NB_TOP, "top_logprobs");
    check(nb_jnum(nb_jget(v, "repeat_penalty"), &d) && d == 1.1, "repeat_penalty");
    check(!nb_jget(v, "min_p"), "min_p as everywhere was sent");
    check(strstr(remote_server_request(s, 0), "Content-Type: application/json\r\n"), "type");
    nb_json_close(&doc);
    far_free(&a);
    dl_remote_close(&r);
    remote_server_stop(&s);
}

/* 400 to an option: left out and remembered. */
CHECK_TEST(remote, what_an_endpoint_refuses_is_left_out_from_then_on)
{
    static const struct {
        const char *word;
        bool quietly;
        size_t requests; /* of two questions */
    } rows[] = {{"logprobs", false, 3},
                {"stream_options", false, 3},
                {"seed", false, 3},
                {"top_logprobs", true, 3}};
    for (size_t i = 0; i < countof(rows); i++) {
        const remote_how how = {
            .refuses = rows[i].word, .quietly = rows[i].quietly, .logprobs = true};
        remote_server *s = remote_server_start(&how);
        dl_remote *r = far_open(remote_server_model(s), NULL);
        far_answer a = {0};
        for (int k = 0; k < 2; k++) {
            far_say(r, "hi", &a);
            check(a.status == NB_OK && a.n == 3, "%s: %s", rows[i].word, a.err.msg);
            far_free(&a);
        }
        check(remote_server_count(s) == rows[i].requests, "%s: %zu requests", rows[i].word,
              remote_server_count(s));
        check(!strstr(remote_server_request(s, 2), rows[i].word), "it was asked for again");
        check(rows[i].quietly || i == 0 || strstr(remote_server_request(s, 2), "logprobs"),
              "%s took more with it", rows[i].word);
        dl_remote_close(&r);
        remote_server_stop(&s);
    }
}

CHECK_TEST(remote, an_endpoint_with_one_model_needs_no_name)
{
    remote_server *s = remote_server_start(&(remote_how){.models = "only/one"});
    dl_remote *r = far_open(remote_server_base(s), NULL);
    far_answer a = {0};
    char name[256];
    far_say(r, "hi", &a);
    check(a.status == NB_OK, "%s", a.err.msg);
    dl_remote_name(r, name);
    check(strcmp(name, "only/one") == 0, "%s", name);
    far_free(&a);
    far_say(r, "hi", &a);
    check(remote_server_count(s) == 3, "the name was asked again");
    far_free(&a);
    dl_remote_close(&r);

    remote_server_set(s, &(remote_how){.models = "a,b\x1b[2J,c,d,e,f,g,h"});
    r = far_open(remote_server_base(s), NULL);
    far_say(r, "hi", &a);
    check(a.status == NB_USAGE && strstr(a.err.msg, "a, b") && strstr(a.err.msg, "and 2 more") &&
              !strchr(a.err.msg, 0x1b),
          "%s", a.err.msg);
    far_free(&a);
    dl_remote_close(&r);
    remote_server_stop(&s);
}

/* --- events ---------------------------------------------------------------------------------- */

CHECK_TEST(remote, events_do_not_depend_on_how_bytes_come)
{
    static const char text[] = "data: a\n\n:c\r\ndata:b\rdata: c\n\nid: 3\ndata\n\ndata: d\r\n\r\n"
                               "error: {e}\n\ndata: last";
    static const char *const want[] = {"a", "b\nc", "d", "{e}", "last"};
    for (size_t step = 1; step < sizeof text; step++) {
        dl_sse s = {0};
        char *data;
        size_t n, got = 0;
        for (size_t at = 0; at <= sizeof text - 1; at += step) {
            size_t k = sizeof text - 1 - at < step ? sizeof text - 1 - at : step;
            dl_sse_push(&s, text + at, k);
            if (at + step > sizeof text - 1)
                dl_sse_end(&s);
            while (dl_sse_next(&s, &data, &n)) {
                check(got < 5 && strlen(want[got]) == n && memcmp(want[got], data, n) == 0,
                      "step %zu: event %zu is \"%.*s\"", step, got, (int)n, data);
                got++;
            }
        }
        check(got == 5 && !s.over, "step %zu: %zu events", step, got);
        dl_sse_free(&s);
    }
}

CHECK_TEST(remote, texts_keep_their_numbers)
{
    dl_words w;
    char text[32], back[32];
    dl_words_open(&w);
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < 5000; i++) {
            int n = snprintf(text, sizeof text, "w%d", i * 7);
            check(dl_words_id(&w, text, (size_t)n) == i, "round %d: %s", round, text);
        }
    check(dl_words_text(&w, 4999, back, sizeof back) == 6 && memcmp(back, "w34993", 6) == 0,
          "another text");
    check(dl_words_id(&w, "", 0) == 5000 && dl_words_text(&w, 5000, back, 0) == 0, "empty");
    dl_words_close(&w);
}
