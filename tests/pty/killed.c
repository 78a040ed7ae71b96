/* kill -9 while an answer is written: the next start shows every token that was shown (tui 13). */
#include "tests/pty/pty.h"
#include "tests/util.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

enum { TOKENS = 12, ANSWER = 20000 };

/* Tokens in the only chat there is. */
static int tokens_kept(void)
{
    size_t n;
    int count = 0;
    char *text = test_slurp(test_path(pty_home(), ".local/share/nibble/chats/chat-0001.jsonl"), &n);
    for (const char *at = text; at && (at = strstr(at, "\"id\":")); at++)
        count++;
    free(text);
    return count;
}

/* The row of pane A in which its answer begins, whole words of it: the last one may be a part
 * that goes to the next row with its rest. "" = not (yet) two of them and a part. */
static void first_row(const pty *p, char *out, size_t cap)
{
    out[0] = '\0';
    for (int y = 0; y < 40; y++) {
        const char *at = strstr(vt_row(&p->screen, y), "Q4_K stores");
        if (at)
            snprintf(out, cap, "%s", at);
    }
    size_t n = strlen(out);
    while (n && (out[n - 1] == ' ' || (unsigned char)out[n - 1] >= 0x80))
        out[--n] = '\0'; /* the frame */
    char *last = strrchr(out, ' ');
    if (last && last >= out + sizeof "Q4_K stores")
        *last = '\0';
    else
        out[0] = '\0';
}

static void tui_13_an_answer_comes_back_as_far_as_it_was_shown(pty *p)
{
    static const char *const slow[] = {"NIBBLE_CPU=scalar", NULL};
    const char *const argv[] = {pty_program, "demo", NULL};
    const pty_options opt = {.w = 120, .h = 40, .env = slow};
    char shown[512] = "";
    pty_start(p, &opt, argv);
    pty_check(pty_wait(p, "? keys", ANSWER), "no frame");
    pty_send(p, "1");
    pty_check(pty_wait(p, "[1 Models]", ANSWER), "no models");
    pty_send(p, "t");
    pty_check(pty_wait(p, "0 tok  ready", ANSWER), "no pane");
    pty_send(p, "What is Q4_K?\r");
    for (double end = pty_now() + 20; pty_now() < end && (tokens_kept() < TOKENS || !shown[0]);) {
        pty_pump(p, 5);
        first_row(p, shown, sizeof shown);
    }
    kill(p->pid, SIGKILL);
    pty_check(pty_wait_end(p, 2000) && WIFSIGNALED(p->status), "it ended before: %x", p->status);
    pty_pump(p, 50);
    first_row(p, shown, sizeof shown);
    int kept = tokens_kept();
    pty_check(kept >= TOKENS && shown[0], "%d tokens kept, \"%s\" shown", kept, shown);
    pty_start(p, &opt, argv);
    pty_check(pty_wait(p, "? keys", ANSWER), "no frame");
    pty_send(p, "6");
    pty_check(pty_wait(p, "interrupted", ANSWER), "not called interrupted");
    /* The row that says so is drawn before the answer is. */
    pty_check(pty_wait(p, shown, ANSWER), "\"%s\" is gone", shown);
    printf("    %d tokens kept\n", kept);
    pty_send(p, "rem"); /* a question, no keys */
    pty_check(pty_wait(p, "\xe2\x94\x82 rem ", ANSWER), "what is typed is not written");
    pty_send(p, "\x1b");
    pty_check(pty_wait(p, "i write", ANSWER), "no keys");
    pty_send(p, "r"); /* the question is still there to be answered */
    pty_check(pty_wait(p, "60 tok  done", ANSWER), "r does not answer it");
}

const pty_test pty_killed_tests[] = {
    {"tui 13: kill, an answer comes back", tui_13_an_answer_comes_back_as_far_as_it_was_shown},
    {0},
};
