/* Remote models whose endpoint is slow, busy, broken or hostile. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/check.h"
#include "tests/remote_rig.h"
#include "tests/util.h"

#include "downloads/http.h"
#include "downloads/remote_own.h"

#define KEY "sk-NobodyMayReadThis0123456789"

/* One question to an endpoint that does so. */
static far_answer ask_with(const remote_how *how, const dl_remote_options *opt, size_t *requests,
                           dl_trouble *trouble)
{
    remote_server *s = remote_server_start(how);
    dl_remote *r = far_open(remote_server_model(s), opt);
    far_answer a = {0};
    far_say(r, "hi", &a);
    *requests = remote_server_count(s);
    *trouble = dl_remote_trouble(r);
    dl_remote_close(&r);
    remote_server_stop(&s);
    return a;
}

static char *giant(size_t n, const char *front)
{
    char *text = malloc(n + 1);
    size_t k = strlen(front);
    memset(text, 'x', n);
    memcpy(text, front, k);
    text[n] = '\0';
    return text;
}

CHECK_TEST(remote_faults, each_failure_is_one_sentence_with_its_class)
{
    static const struct {
        remote_how how;
        nb_status status;
        int code;
        const char *says, *text;
        size_t requests; /* 0 = any */
        dl_trouble trouble;
    } rows[] = {
        {{.status = 401}, NB_DENIED, 8, "wants a key", "", 1, DL_BAD_KEY},
        {{.status = 403, .error = "{\"detail\":\"no\"}"}, NB_DENIED, 8, "no", "", 1, DL_BAD_KEY},
        {{.status = 404, .error = "{\"message\":\"The model `far` does not exist.\"}"},
         NB_NOTFOUND,
         4,
         "The model `far` does not exist",
         "",
         1,
         DL_NO_MODEL},
        {{.status = 500, .error = "<html><title>oops</title>"},
         NB_NETWORK,
         7,
         "the server failed (HTTP 500): oops",
         "",
         0,
         DL_SERVER},
        {{.status = 400, .error = "{\"error\":{\"message\":\"no \\u001b[2Jrole\"}}"},
         NB_NETWORK,
         7,
         "request refused (HTTP 400): no",
         "",
         2,
         DL_BAD_REQUEST},
        {{.status = 307, .location = "https://elsewhere.example/v1?k=secret"},
         NB_NETWORK,
         7,
         "sends elsewhere, which is not followed (HTTP 307): https://elsewhere.example/v1",
         "",
         1,
         DL_ELSEWHERE},
        {{.cut_after = 2}, NB_NETWORK, 7, "the answer was cut", "Hello from", 1, DL_OK},
        {{.raw = "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\ndata: {\"choi"},
         NB_FORMAT,
         3,
         "far",
         "a",
         1,
         DL_OK},
        {{.raw = "data: {\"choices\":[{\"delta\":{\"content\":\"a\"},\"logprobs\":{\"content\":[{"
                 "\"logprob\":NaN}]}}]}\n\n"},
         NB_FORMAT,
         3,
         "far",
         "",
         1,
         DL_OK},
        {{.raw = "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\ndata: {\"error\":{"
                 "\"message\":\"CUDA \\u001b]0;x\\u0007out of memory\"}}\n\n"},
         NB_NETWORK,
         7,
         "out of memory",
         "a",
         1,
         DL_OK},
        {{.raw = "error: {\"code\":500,\"message\":\"slot lost\"}\n\n"},
         NB_NETWORK,
         7,
         "slot lost",
         "",
         1,
         DL_OK},
        {{.raw = "<html>login</html>"}, NB_NETWORK, 7, "a page came", "", 1, DL_OK},
        {{.raw = "{\"hello\":1}"}, NB_FORMAT, 3, "no part of an answer", "", 1, DL_OK},
        {{.raw = "\n"}, NB_NETWORK, 7, "an empty answer", "", 1, DL_OK},
        {{.finish = "abort"}, NB_NETWORK, 7, "gave the answer up", "Hello from afar.", 1, DL_OK},
    };
    for (size_t i = 0; i < countof(rows); i++) {
        size_t n;
        dl_trouble trouble;
        far_answer a = ask_with(&rows[i].how, &(dl_remote_options){.patience = .3}, &n, &trouble);
        check(a.status == rows[i].status && nb_exit_code(a.status) == rows[i].code,
              "row %zu: status %d: %s", i, (int)a.status, a.err.msg);
        check(strstr(a.err.msg, rows[i].says), "row %zu: %s", i, a.err.msg);
        check(!strchr(a.err.msg, 0x1b) && !strstr(a.err.msg, "secret"), "row %zu: %s", i,
              a.err.msg);
        check(strcmp(nb_str_c(&a.text), rows[i].text) == 0, "row %zu: %s", i, nb_str_c(&a.text));
        check(a.stats.stop == NB_STOP_FAIL, "row %zu: stop %d", i, (int)a.stats.stop);
        check(rows[i].requests == 0 || n == rows[i].requests, "row %zu: %zu requests", i, n);
        check(trouble == rows[i].trouble, "row %zu: %s", i, dl_trouble_name(trouble));
        far_free(&a);
    }
}

CHECK_TEST(remote_faults, nobody_there_is_said_soon)
{
    dl_remote *r = far_open("http://127.0.0.1:1/v1#m", &(dl_remote_options){.patience = 60});
    far_answer a = {0};
    far_say(r, "hi", &a);
    check(a.status == NB_NETWORK && strstr(a.err.msg, "no connection"), "%s", a.err.msg);
    check(a.seconds < test_within(8), "%.1f s", a.seconds);
    check(dl_remote_trouble(r) == DL_UNREACHABLE, "trouble");
    check(strstr(dl_remote_remedy(DL_UNREACHABLE), "server runs"), "the Hub's remedy");
    far_free(&a);
    dl_remote_close(&r);
}

CHECK_TEST(remote_faults, offline_asks_nobody)
{
    size_t n;
    dl_trouble trouble;
    far_answer a = ask_with(NULL, &(dl_remote_options){.offline = true}, &n, &trouble);
    check(a.status == NB_NETWORK && strstr(a.err.msg, "offline"), "%s", a.err.msg);
    check(n == 0 && trouble == DL_OFFLINE_MODE, "%zu requests", n);
    far_free(&a);
}

/* 5xx and 429 are waited out before the first byte; how long the server says is heeded and told. */
CHECK_TEST(remote_faults, a_busy_server_is_asked_again)
{
    size_t n;
    dl_trouble trouble;
    far_answer a =
        ask_with(&(remote_how){.status = 429, .retry_after = 1, .times = 1}, NULL, &n, &trouble);
    check(a.status == NB_OK && n == 2, "%zu requests: %s", n, a.err.msg);
    check(a.seconds >= .9, "only %.1f s were waited", a.seconds);
    check(strstr(a.what, "resumes in"), "nothing was told: %s", a.what);
    far_free(&a);
    a = ask_with(&(remote_how){.status = 500, .times = 1}, NULL, &n, &trouble);
    check(a.status == NB_OK && n == 2 && trouble == DL_OK, "%zu requests: %s", n, a.err.msg);
    far_free(&a);
}

/* Its limit is its own: another endpoint and the Hub do not wait. */
CHECK_TEST(remote_faults, a_rate_limit_holds_up_only_its_endpoint)
{
    remote_server *busy = remote_server_start(&(remote_how){.status = 429, .retry_after = 30});
    remote_server *idle = remote_server_start(NULL);
    dl_remote *r = far_open(remote_server_model(busy), &(dl_remote_options){.patience = .1});
    dl_remote *q = far_open(remote_server_model(idle), NULL);
    far_answer a = {0}, b = {0};
    far_say(r, "hi", &a);
    far_say(q, "hi", &b);
    check(a.status == NB_NETWORK && strstr(a.err.msg, "rate limited"), "%s", a.err.msg);
    check(b.status == NB_OK && b.seconds < test_within(2), "%.1f s: %s", b.seconds, b.err.msg);
    far_free(&a);
    far_free(&b);
    dl_remote_close(&r);
    dl_remote_close(&q);
    remote_server_stop(&busy);
    remote_server_stop(&idle);
}

CHECK_TEST(remote_faults, cancel_answers_within_200_ms)
{
    static const remote_how rows[] = {
        {.endless = true, .token_ms = 2},
        {.silent = true},
        {.delay_ms = 20000},
        {.status = 429, .retry_after = 30},
    };
    for (size_t i = 0; i < countof(rows); i++) {
        remote_server *s = remote_server_start(&rows[i]);
        dl_remote *r = far_open(remote_server_model(s), NULL);
        far_answer a = {.cancel_after = .3};
        const nb_message m = {NB_USER, "hi", 2};
        const nb_ask ask = {.messages = &m, .n_messages = 1};
        far_ask(r, &ask, &a);
        double end = dl_clock();
        check(a.status == NB_CANCELED && a.stats.stop == NB_STOP_CANCEL, "row %zu: %d: %s", i,
              (int)a.status, a.err.msg);
        check(end - a.canceled < test_within(.2), "row %zu: %.3f s", i, end - a.canceled);
        check(i > 0 || a.text.len > 0, "what was said is lost");
        far_free(&a);
        dl_remote_close(&r);
        remote_server_stop(&s);
    }
}

CHECK_TEST(remote_faults, an_answer_ends_with_done_whatever_the_connection_does)
{
    size_t n;
    dl_trouble trouble;
    far_answer a = ask_with(&(remote_how){.lingers = true}, NULL, &n, &trouble);
    check(a.status == NB_OK && a.stats.stop == NB_STOP_END && n == 1, "%s", a.err.msg);
    check(a.seconds < test_within(1.5), "%.1f s", a.seconds);
    far_free(&a);
}

CHECK_TEST(remote_faults, silence_has_an_end)
{
    size_t n;
    dl_trouble trouble;
    far_answer a = ask_with(&(remote_how){.silent = true},
                            &(dl_remote_options){.silence = 1, .patience = .2}, &n, &trouble);
    check(a.status == NB_NETWORK && strstr(a.err.msg, "sent nothing for 1 s"), "%s", a.err.msg);
    check(trouble == DL_STALLED, "trouble");
    far_free(&a);
}

CHECK_TEST(remote_faults, a_giant_event_is_refused)
{
    char *line = giant(DL_EVENT_MAX + 4096, "data: {\"choices\":[{\"delta\":{\"content\":\"");
    size_t n;
    dl_trouble trouble;
    far_answer a = ask_with(&(remote_how){.raw = line}, NULL, &n, &trouble);
    check(a.status == NB_REFUSED && strstr(a.err.msg, "beyond 4 MiB"), "%s", a.err.msg);
    far_free(&a);
    memcpy(line, ":      ", 6); /* a comment is no event, but no line is that long */
    a = ask_with(&(remote_how){.raw = line}, NULL, &n, &trouble);
    check(a.status == NB_REFUSED, "%s", a.err.msg);
    far_free(&a);
    free(line);
}

CHECK_TEST(remote_faults, a_conversation_beyond_the_context_is_said_so)
{
    static const char *const errors[] = {
        "{\"error\":{\"message\":\"This model's maximum context length is 4096 tokens.\"}}",
        "{\"error\":{\"code\":400,\"type\":\"exceed_context_size_error\",\"message\":\"too "
        "long\"}}",
    };
    for (size_t i = 0; i < countof(errors); i++) {
        size_t n;
        dl_trouble trouble;
        far_answer a =
            ask_with(&(remote_how){.status = 400, .error = errors[i]}, NULL, &n, &trouble);
        check(a.status == NB_REFUSED && a.stats.stop == NB_STOP_CONTEXT && n == 1, "%zu: %d: %s", n,
              (int)a.status, a.err.msg);
        far_free(&a);
    }
}

/* A22: to the origin that was named, and into no message. */
CHECK_TEST(remote_faults, the_key_goes_to_its_origin_alone_A22)
{
    const dl_remote_options opt = {.key = KEY, .key_from = "NIBBLE_API_KEY"};
    remote_server *other = remote_server_start(NULL), *s = remote_server_start(NULL);
    char there[128], back[256];
    dl_remote *r = far_open(remote_server_model(s), &opt);
    far_answer a = {0};
    far_say(r, "hi", &a);
    check(a.status == NB_OK && strstr(remote_server_request(s, 0), "Authorization: Bearer " KEY),
          "the key was not sent: %s", a.err.msg);
    far_free(&a);
    snprintf(there, sizeof there, "%s/chat/completions", remote_server_base(other));
    remote_server_set(s, &(remote_how){.status = 307, .location = there});
    far_say(r, "hi", &a);
    check(a.status == NB_NETWORK && remote_server_count(other) == 0, "it was followed: %s",
          a.err.msg);
    far_free(&a);
    snprintf(back, sizeof back, "{\"error\":{\"message\":\"bad key %s\"}}", KEY);
    remote_server_set(s, &(remote_how){.status = 401, .error = back});
    far_say(r, "hi", &a);
    check(a.status == NB_DENIED && strstr(a.err.msg, "key from NIBBLE_API_KEY") &&
              !strstr(a.err.msg, KEY),
          "%s", a.err.msg);
    far_free(&a);
    remote_server_set(s, &(remote_how){.answer = "I saw " KEY " pass by"});
    far_say(r, "hi", &a);
    check(a.status == NB_OK && !strstr(nb_str_c(&a.text), KEY), "%s", nb_str_c(&a.text));
    far_free(&a);
    dl_remote_close(&r);
    r = far_open(remote_server_model(s), NULL);
    far_say(r, "hi", &a);
    check(!strstr(remote_server_request(s, remote_server_count(s) - 1), "Authorization"),
          "a key out of nothing");
    far_free(&a);
    dl_remote_close(&r);
    remote_server_stop(&s);
    remote_server_stop(&other);
}
