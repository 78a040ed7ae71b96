/* Whose the Hub is and what it refuses, on the screen: every row of hub.md 1.5 with its own words,
 * remedy and keys (hub 20), and the token nowhere but where it belongs (A22). */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "tests/hub_shelf.h"
#include "tests/pty/hub.h"
#include "tests/pty/pty.h"
#include "tests/util.h"

enum { ANSWER = 8000 /* ms */ };

/* --- refusals -------------------------------------------------------------------------------- */

typedef struct refusal {
    const char *fault, *says, *remedy, *keys;
} refusal;
static const refusal refusals[] = {
    {"status=401 header=X-Error-Code:GatedRepo", "gated, and no token was sent", "accept the terms",
     "A stores a token, r tries again"},
    {"status=403 header=X-Error-Code:GatedRepo", "access was not granted (HTTP 403)",
     "ask for access on the model's page", "yu copies the page"},
    {"status=401 header=\"X-Error-Message:Invalid username or password.\"",
     "does not exist, or is private", "check the name; a private repository needs a token",
     "A stores a token, r tries again"},
    {"status=401 header=\"X-Error-Message:Invalid credentials in Authorization header\"",
     "the token was refused (HTTP 401)", "the token is wrong or expired",
     "A stores a token, r tries again"},
    {"status=404 header=X-Error-Code:RepoNotFound", "no such repository", "check the name",
     "r tries again"},
    {"status=404 header=X-Error-Code:RevisionNotFound", "no such revision",
     "check branch, tag or commit", "r tries again"},
    {"status=404 header=X-Error-Code:EntryNotFound", "no such file", "list the repository's files",
     "r tries again"},
    {"status=403 header=\"X-Error-Message:Access to this resource is disabled.\"",
     "disabled by the Hub (HTTP 403)", "nothing can be done from here", "r asks again"},
    {"status=403", "permission denied", "the token lacks the right", "A stores a token"},
    {"status=400", "request refused", "does not take this request", "r tries again"},
    {"status=416", "request refused (HTTP 416)", "does not take this request", "r tries again"},
    {"status=451", "the server failed (HTTP 451)", "try again later", "r tries again"},
    {"body=\"<html>sign in\"", "reed-lm/Reed-1M-GGUF: ", "cannot be believed", "r tries again"},
};
enum { N_REFUSALS = sizeof refusals / sizeof refusals[0] };

/* The same page again and again: it never loads, so each answer has all of it. */
static void every_refusal_has_its_words(pty *p)
{
    char line[300];
    hub_up(0);
    hub_start(p);
    hub_press(p, "u", "reed-lm/Reed-1M-GGUF");
    for (size_t i = 0; i < N_REFUSALS; i++) {
        fake_hub_faults_clear(hub_server());
        snprintf(line, sizeof line, "GET hub:/api/models/reed-lm* %s", refusals[i].fault);
        hub_fault(line);
        hub_press(p, i ? "r" : "\r", refusals[i].says);
        pty_check(pty_wait(p, refusals[i].remedy, 500), "%s: no \"%s\"", refusals[i].fault,
                  refusals[i].remedy);
        pty_check(pty_wait(p, refusals[i].keys, 500), "%s: no \"%s\"", refusals[i].fault,
                  refusals[i].keys);
    }
    fake_hub_faults_clear(hub_server());
    hub_press(p, "r", "Random weights");
    /* 429: how long it waits is told, and then it goes on by itself */
    hub_fault("GET hub:*Q8_0.gguf #1 status=429 header=\"Retry-After:2\" header=RateLimit:");
    hub_fault("HEAD hub:*Q8_0.gguf #1 status=429 header=\"Retry-After:2\" header=RateLimit:");
    pty_send(p, "jd");
    hub_press(p, "2", "rate limited, resumes in");
    pty_check(hub_row_says(p, "Q8_0", "sha256", ANSWER), "it does not go on: \"%s\"",
              hub_row(&p->screen, "Q8_0"));
    hub_down();
}

/* Gated is said in the list and on the page, before a byte of a file was asked for. */
static void gated_is_told_beforehand(pty *p)
{
    hub_up(0);
    hub_start(p);
    hub_press(p, "u", "lock-lm/Lock-1M-GGUF");
    pty_check(hub_row_says(p, "lock-lm/Lock-1M", "gated", 2000), "the list does not say so");
    pty_send(p, "jjj");
    pty_pump(p, 100);
    for (int i = 0; i < 4 && !strstr(hub_row(&p->screen, "> "), "lock-lm"); i++) {
        pty_send(p, "k");
        pty_pump(p, 60);
    }
    pty_check(pty_wait(p, "gated: its files need accepted terms", 2000), "the preview does not");
    hub_press(p, "\r", "gated: accept its terms");
    pty_check(pty_wait(p, "no card: gated, no token", ANSWER), "why there is no card is not told");
    pty_check(fake_hub_count(hub_server(), FAKE_CDN, NULL, NULL) == 0, "the storage was asked");
    hub_down();
}

/* --- the token ------------------------------------------------------------------------------- */

static char names[4096];

/* How many files of the home hold it; their names in names[]. */
static int files_with(const char *word)
{
    char command[900];
    int n = 0;
    snprintf(command, sizeof command, "grep -rlF -- '%s' '%s' 2>/dev/null", word, pty_home());
    FILE *f = popen(command, "r");
    size_t got = f ? fread(names, 1, sizeof names - 1, f) : 0;
    names[got] = '\0';
    for (const char *s = names; (s = strchr(s, '\n')); s++)
        n++;
    if (f)
        pclose(f);
    return n;
}

static bool proc_has(const pty *p, const char *file, const char *word)
{
    char path[64];
    size_t n;
    snprintf(path, sizeof path, "/proc/%d/%s", (int)p->pid, file);
    char *text = test_slurp(path, &n);
    bool has = text && memmem(text, n, word, strlen(word));
    free(text);
    return has;
}

/* With core dumps allowed, as by `ulimit -c unlimited`. */
static void start_dumpable(pty *p, const char *more)
{
    char line[700];
    const char *env[] = {hub_env[0], hub_env[1], more, NULL};
    snprintf(line, sizeof line, "ulimit -S -c unlimited; exec '%s' demo", pty_program);
    const char *const argv[] = {"/bin/sh", "-c", line, NULL};
    pty_start(p, &(pty_options){.w = 120, .h = 40, .env = env, .secret = SHELF_TOKEN}, argv);
    pty_check(pty_wait(p, "? keys", 4000), "no frame");
    hub_press(p, "1", "[1 Models");
}

/* Ends it as a fault does; true when the kernel wrote its memory to a file. */
static bool crash(pty *p)
{
    kill(p->pid, SIGSEGV);
    pty_check(pty_wait_end(p, 10000), "it does not end");
    pty_check(WIFSIGNALED(p->status) && WTERMSIG(p->status) == SIGSEGV, "status %x", p->status);
    pty_check(vt_shows(&p->screen, "ended by signal 11"), "no note of the crash");
    return WCOREDUMP(p->status);
}

static void is_hidden(pty *p, const char *where)
{
    pty_check(p->told == 0, "%s: the terminal got it %u times", where, p->told);
    pty_check(!vt_shows(&p->screen, SHELF_TOKEN), "%s: the screen shows it", where);
    pty_check(p->ended || !proc_has(p, "cmdline", SHELF_TOKEN), "%s: ps shows it", where);
}

/* Every screen and panel of a run with a token, and refusals that send it back. */
static void look_around(pty *p)
{
    static const char *const keys[] = {"T",  "\x1b", "d",    "2",    "E",  "\x1b",
                                       "J",  "\x1b", ":",    "\x1b", "yy", "yu",
                                       "yc", "A",    "\x1b", "1",    "A",  "\x1b"};
    hub_open_repo(p, "lock-lm/Lock-1M-GGUF");
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        pty_send(p, keys[i]);
        pty_pump(p, 90);
        is_hidden(p, keys[i]);
    }
    hub_press(p, "A", "you are   tester");
    pty_send(p, "\x1b");
    pty_pump(p, 80);
    hub_press(p, "2", "[2 Downloads");
    pty_check(hub_row_says(p, "Lock-1M", "sha256", ANSWER), "not fetched");
    hub_fault("GET hub:* status=403 body=\"{\\\"error\\\":\\\"Bearer " SHELF_TOKEN "?\\\"}\"");
    hub_press(p, "1", "[1 Models");
    hub_press(p, "s", "permission denied");
    hub_press(p, "E", "permission denied");
    is_hidden(p, "log");
    pty_send(p, "\x1b");
    pty_pump(p, 80);
}

/* HF_TOKEN, then one that is stored, then none: a crash tells of neither and leaves no memory on
 * the disk; without one it may. */
static void the_token_is_nowhere(pty *p)
{
    struct stat st;
    hub_up(0);
    start_dumpable(p, "HF_TOKEN=" SHELF_TOKEN);
    look_around(p);
    pty_check(fake_hub_count(hub_server(), FAKE_HUB, "GET", "/api/whoami-v2") == 1,
              "whoami was asked %zu times",
              fake_hub_count(hub_server(), FAKE_HUB, "GET", "/api/whoami-v2"));
    pty_check(!crash(p), "its memory was written to a file");
    is_hidden(p, "crash note");
    pty_check(files_with(SHELF_TOKEN) == 0, "it is in %s", names);
    pty_check(files_with("ended by signal") >= 1, "the log does not tell of the crash");
    fake_hub_faults_clear(hub_server());

    start_dumpable(p, NULL);
    hub_press(p, "A", "token     none");
    pty_send(p, "\x1b[200~" SHELF_TOKEN "\x1b[201~");
    hub_press(p, "\r", "you are   tester");
    is_hidden(p, "account");
    pty_check(!proc_has(p, "environ", SHELF_TOKEN), "it is in the environment");
    pty_check(!crash(p), "stored: its memory was written to a file");
    is_hidden(p, "crash note");
    pty_check(files_with(SHELF_TOKEN) == 1 && strstr(names, "/.cache/huggingface/token\n"),
              "it is in %s", names);
    pty_check(stat(test_path(pty_home(), ".cache/huggingface/token"), &st) == 0 &&
                  (st.st_mode & 077) == 0,
              "others may read it");

    pty_new_home();
    start_dumpable(p, NULL);
    if (!crash(p))
        printf("    no core dumps on this machine: that there is none with a token says little\n");
    hub_down();
}

const pty_test pty_secret_tests[] = {{"hub 20: refusals", every_refusal_has_its_words},
                                     {"hub 20: gated beforehand", gated_is_told_beforehand},
                                     {"hub 20, A22: token", the_token_is_nowhere},
                                     {0}};
