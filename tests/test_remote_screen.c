/* Chat's panes whose model is behind an address. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/check.h"
#include "tests/remote_server.h"
#include "tests/util.h"
#include "tests/workbench.h"

/* A script in which @ is the endpoint's MODEL. */
static workbench run_with(const remote_server *s, const char *script)
{
    nb_str text = {0};
    const char *at = strchr(script, '@');
    nb_str_addn(&text, script, (size_t)(at - script));
    nb_str_add(&text, remote_server_model(s));
    nb_str_add(&text, at + 1);
    workbench w = workbench_run(text.at);
    nb_str_free(&text);
    return w;
}

static void shows_not(workbench *w, const char *name, const char *part)
{
    const char *screen = workbench_screen(w, name);
    check(screen && !strstr(screen, part), "\"%s\" is on %s:\n%s", part, name, screen);
}

CHECK_TEST(remote_screen, a_pane_asks_only_when_the_user_does)
{
    remote_server *s = remote_server_start(&(remote_how){.logprobs = true});
    workbench w = run_with(s, "size 120x40\nwait\ncommand remote @\nwait\nsave-screen ready\n");
    workbench_expect(&w, "ready", "A far, remote 127.0.0.1:");
    workbench_expect(&w, "ready", "ready");
    check(remote_server_count(s) == 0, "something was sent before the question");
    workbench_free(&w);
    w = run_with(s, "size 120x40\nwait\ncommand remote @\nwait\ntext hi\nkeys Enter\nwait\n"
                    "save-screen said\nsave-json said.json\nkeys Esc m\nsave-screen metric\n"
                    "keys l l Enter\nsave-screen top\nkeys Esc m\nsave-screen entropy\n");
    workbench_expect(&w, "said", "Hello from afar.");
    workbench_expect(&w, "said", "3 tok  done");
    workbench_expect(&w, "said", "100 tok/s  ttft 10");
    workbench_expect(&w, "said", "ctx 15, remote");
    workbench_expect(&w, "said.json", "\"remote\":true");
    workbench_expect(&w, "metric", "underlined = unsure");
    workbench_expect(&w, "top", "the likeliest, as the endpoint tells");
    workbench_expect(&w, "top", "\" other\"");
    workbench_expect(&w, "entropy", "no entropy");
    workbench_free(&w);
    remote_server_stop(&s);
}

CHECK_TEST(remote_screen, local_and_remote_stand_side_by_side)
{
    remote_server *s = remote_server_start(&(remote_how){.logprobs = true});
    workbench w = run_with(s, "size 120x40\nwait\nkeys t\nwait\ncommand remote @\nwait\n"
                              "text What is Q2_K?\nkeys Enter\nwait\nsave-screen both\n"
                              "keys Esc n Enter\nsave-screen why\nkeys Esc =\nsave-screen words\n");
    workbench_expect(&w, "both", "A nibble-demo");
    workbench_expect(&w, "both", "B far, remote 127.0.0.1:");
    workbench_expect(&w, "both", "Hello from afar.");
    workbench_expect(&w, "both", "B token 0 by text \"");
    workbench_expect(&w, "why", "After the same text A takes");
    workbench_expect(&w, "words", "[-");
    workbench_free(&w);
    remote_server_stop(&s);
}

CHECK_TEST(remote_screen, what_the_endpoint_does_not_tell_is_said)
{
    remote_server *s = remote_server_start(NULL);
    workbench w = run_with(s, "size 120x40\nwait\ncommand remote @\nwait\ntext hi\nkeys Enter\n"
                              "wait\nkeys Esc m\nsave-screen metric\nkeys l Enter\n"
                              "save-screen top\n");
    workbench_expect(&w, "metric", "the endpoint tells no probabilities of this answer");
    workbench_expect(&w, "metric", "3 pieces  done");
    workbench_expect(&w, "top", "the endpoint told none");
    workbench_free(&w);
    remote_server_stop(&s);
}

CHECK_TEST(remote_screen, failures_stay_in_their_pane)
{
    static const char script[] = "size 120x40\nwait\ncommand remote @\nwait\ntext hi\n"
                                 "keys Enter\nwait\nsave-screen a\n";
    static const struct {
        remote_how how;
        const char *says;
    } rows[] = {
        {{.status = 401}, "NIBBLE_API_KEY or"},
        {{.cut_after = 2}, "the answer was cut"},
        {{.cut_after = 2}, "Hello from"},
        {{.cut_after = 2}, "failed"},
        {{.raw = "data: {\"error\":{\"message\":\"CUDA out of memory\"}}\n\n"}, "CUDA out of"},
        {{.raw = "data: nothing\n\n"}, "!"},
    };
    remote_server *s = remote_server_start(NULL);
    for (size_t i = 0; i < countof(rows); i++) {
        remote_server_set(s, &rows[i].how);
        workbench w = run_with(s, script);
        workbench_expect(&w, "a", rows[i].says);
        workbench_free(&w);
    }
    remote_server_stop(&s);
}

CHECK_TEST(remote_screen, an_address_with_a_password_never_gets_into_a_chat)
{
    workbench w = workbench_run("size 120x40\nwait\n"
                                "command remote https://u:hunter2@a.example/v1#m\n"
                                "save-screen a\ncommand remote https://a.example/v1?k=hunter2#m\n"
                                "save-screen b\n");
    workbench_expect(&w, "a", "NIBBLE_API_KEY");
    shows_not(&w, "a", "hunter2");
    workbench_expect(&w, "b", "query");
    workbench_free(&w);
    w = workbench_run("size 80x24\nwait\ncommand remote nowhere\n");
    check(w.status == NB_USAGE && strstr(w.err.msg, "expected https://host"), "%s", w.err.msg);
    workbench_free(&w);
}
