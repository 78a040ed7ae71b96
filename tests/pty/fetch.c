/* Fetching from a fake Hub with keys: pause, drop and what is left on the disk (hub 18), the limit
 * while files run and the workbench without a network (hub 24), and how little a page costs
 * (hub 25). */
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/pty/hub.h"
#include "tests/pty/pty.h"
#include "tests/util.h"

enum { MIB = 1 << 20, ANSWER = 8000 /* ms */ };
#define SLOW "*slow-Q*"

/* --- hub 18 ---------------------------------------------------------------------------------- */

static char listing[8192];

/* Lines of `find` in the row's cache that say `word`. */
static int found(const char *word)
{
    char command[900];
    int n = 0;
    snprintf(command, sizeof command,
             "cd '%s/.cache/huggingface/hub' && find . -name '%s' -printf "
             "'%%p %%s\\n'",
             pty_home(), word);
    FILE *f = popen(command, "r");
    size_t got = f ? fread(listing, 1, sizeof listing - 1, f) : 0;
    listing[got] = '\0';
    for (const char *s = listing; (s = strchr(s, '\n')); s++)
        n++;
    if (f)
        pclose(f);
    return n;
}

static uint64_t sent(void)
{
    return fake_hub_bytes(hub_server(), FAKE_CDN, SLOW);
}

static bool bytes_come(pty *p, uint64_t from, uint64_t n)
{
    for (double end = pty_now() + test_within(10); pty_now() < end; pty_pump(p, 20))
        if (sent() >= from + n)
            return true;
    return false;
}

/* The screen answers within 200 ms. */
static void answers(pty *p, const char *keys, const char *file, const char *word)
{
    double start = pty_now(), took = 0;
    pty_send(p, keys);
    if (word)
        pty_check(hub_row_says(p, file, word, 200), "\"%s\" after %.0f ms: \"%s\"", keys,
                  1e3 * (pty_now() - start), hub_row(&p->screen, file));
    else
        pty_check(pty_wait_gone(p, file, 200), "\"%s\": the row is still there", keys);
    took = pty_now() - start;
    printf("    %s in %.0f ms\n", word ? word : "dropped", 1e3 * took);
}

static void pause_keeps_and_drop_removes(pty *p)
{
    hub_up(40 * MIB);
    hub_fetch_slowly(p, "2M");
    pty_check(bytes_come(p, 0, 9 * MIB), "too slow");
    answers(p, "p", "slow-Q4_0", "paused");
    pty_pump(p, 150);
    uint64_t before = sent();
    pty_pump(p, 250);
    pty_check(sent() == before, "%" PRIu64 " bytes came while it was paused", sent() - before);
    pty_check(found("*.incomplete") == 2, "no partial with its sidecar: %s", listing);
    char kept[8192];
    snprintf(kept, sizeof kept, "%s", listing);
    answers(p, "p", "slow-Q4_0", "get");
    pty_check(bytes_come(p, before, MIB), "it does not go on");
    pty_check(found("*.incomplete") == 2, "another partial than before: %s, then %s", kept,
              listing);
    answers(p, "p", "slow-Q4_0", "paused");
    pty_check(sent() < 40 * MIB, "it began anew");
    /* asked, no by default */
    hub_press(p, "x", "Drop slow-Q4_0.gguf and the ");
    pty_send(p, "n");
    pty_check(pty_wait_gone(p, "Drop slow", 2000) && hub_row(&p->screen, "slow-Q4_0")[0],
              "n does not leave it");
    hub_press(p, "x", "Drop slow-Q4_0.gguf and the ");
    answers(p, "y", "slow-Q4_0", NULL);
    pty_pump(p, 100);
    pty_check(found("*.incomplete") == 0 && found("models--slow-lm*") <= 1, "left behind: %s",
              listing);
    pty_check(found("blobs") == 0 && found("snapshots") == 0, "empty folders: %s", listing);
    hub_down();
}

/* A running one, dropped; then one whose owner was killed and forgotten. */
static void what_is_left_is_listed(pty *p)
{
    char line[700];
    hub_up(40 * MIB);
    hub_fetch_slowly(p, "2M");
    pty_check(bytes_come(p, 0, 5 * MIB), "too slow");
    hub_press(p, "x", "Drop slow-Q4_0.gguf and the ");
    answers(p, "y", "slow-Q4_0", NULL);
    for (int i = 0; i < 20 && found("*.incomplete"); i++)
        pty_pump(p, 50);
    pty_check(found("*.incomplete") == 0 && found("blobs") == 0, "left behind: %s", listing);
    hub_press(p, "1", "[1 Models");
    hub_press(p, "\r", "MODEL");
    uint64_t before = sent();
    pty_send(p, "d");
    hub_press(p, "2", "[2 Downloads");
    pty_check(bytes_come(p, before, 5 * MIB), "too slow");
    kill(p->pid, SIGKILL);
    pty_check(pty_wait_end(p, 2000), "not killed");
    unlink(test_path(pty_home(), ".local/state/nibble/downloads.json"));
    pty_check(found("*.incomplete") == 2, "no partial: %s", listing);
    hub_start(p);
    hub_press(p, "2", "left by earlier downloads");
    pty_check(pty_wait(p, "of 41.9 MB", 2000) && pty_wait(p, "old  slow-lm/Slow-GGUF", 2000),
              "size and age are not told");
    pty_close(p);
    snprintf(line, sizeof line, "'%s' gc --older 0 --dry-run; '%s' gc --older 0 --yes", pty_program,
             pty_program);
    const char *const argv[] = {"/bin/sh", "-c", line, NULL};
    pty_start(p, &(pty_options){.w = 300, .h = 40, .env = hub_env}, argv);
    pty_check(pty_wait_end(p, 5000) && WIFEXITED(p->status) && WEXITSTATUS(p->status) == 0,
              "gc: %x", p->status);
    pty_check(vt_shows(&p->screen, "LEFTOVER") && vt_shows(&p->screen, "AGE") &&
                  vt_shows(&p->screen, ".incomplete"),
              "gc lists no leftover");
    pty_check(found("*.incomplete") == 0, "gc leaves %s", listing);
    hub_down();
}

/* --- hub 24 ---------------------------------------------------------------------------------- */

static void type_limit(pty *p, const char *text, const char *shows)
{
    hub_press(p, "L", "bytes per second");
    pty_send(p, text);
    hub_press(p, "\r", shows);
}

/* Bytes that nibble wrote to the partials, with the few of its screen. What the server sent is
 * ahead of them by what the kernel holds, and a file's bytes are written as they come. */
static uint64_t written(const pty *p)
{
    return pty_proc(p, "io", "wchar:");
}

/* Bytes a second over the next `seconds`. */
static double measured(pty *p, double seconds)
{
    uint64_t before = written(p);
    double start = pty_now();
    pty_pump(p, (int)(1000 * seconds));
    return (double)(written(p) - before) / (pty_now() - start);
}

/* A slow machine may bring less; nothing may bring more. */
static void holds(double got, double limit, const char *what)
{
    double calm = 5 / test_within(5);
    pty_check(got <= 1.1 * limit && got >= .9 * limit * calm, "%s: %.2f MB/s", what, got / 1e6);
    printf("    %s: %.3f MB/s\n", what, got / 1e6);
}

static void the_limit_changes_while_files_run(pty *p)
{
    bool all = getenv("NB_TEST_LONG") != NULL;
    hub_up(100 * MIB);
    hub_start(p);
    hub_press(p, "2", "[2 Downloads");
    type_limit(p, "8M", "limit 8.00 MB/s");
    hub_press(p, "1", "[1 Models");
    hub_open_repo(p, "slow-lm/Slow-GGUF");
    pty_send(p, "djd");
    hub_press(p, "2", "2 active");
    pty_check(bytes_come(p, 0, 4 * MIB), "nothing comes");
    if (all)
        holds(measured(p, 5), 8e6, "8M");
    type_limit(p, "2M", "limit 2.00 MB/s");
    pty_pump(p, 700);
    holds(measured(p, 5), 2e6, "2M");
    if (all) { /* tui 23: what is shown, over 10 s */
        pty_pump(p, 5000);
        double truth = measured(p, 10), shown = 0;
        for (int y = 0; y < p->screen.h; y++) {
            const char *s = strstr(vt_row(&p->screen, y), "jobs ");
            const char *rate = s ? strstr(s, "% ") : NULL;
            shown = rate ? 1e6 * strtod(rate + 2, NULL) : shown;
        }
        printf("    shown %.3f MB/s\n", shown / 1e6);
        pty_check(shown > .95 * truth && shown < 1.05 * truth, "%.0f shown, %.0f came", shown,
                  truth);
        type_limit(p, "none", "limit none");
        pty_check(measured(p, 1) > 4e6, "the limit stays");
    }
    type_limit(p, "2x", "such as 2M");
    pty_send(p, "\x1b");
    hub_down();
}

/* A repository fetched and a list asked while there was a network; then none. */
static void offline_asks_nobody(pty *p)
{
    hub_up(0);
    hub_start(p);
    hub_open_repo(p, "reed-lm/Reed-1M-GGUF");
    pty_send(p, "jd");
    hub_press(p, "2", "[2 Downloads");
    pty_check(hub_row_says(p, "Q8_0", "sha256", ANSWER), "not fetched");
    pty_send(p, "\x11");
    pty_check(pty_wait_end(p, 3000), "it does not end");
    unsigned before = fake_hub_connections(hub_server());
    fake_hub_log_clear(hub_server());
    hub_start_with(p, "HF_HUB_OFFLINE=1");
    pty_check(pty_wait(p, "Reed-1M", ANSWER), "what is in the cache is not listed");
    hub_press(p, "u", "\xe2\x94\x80 offline: ");
    pty_check(pty_wait(p, "lock-lm/Lock-1M-GGUF", 2000), "the last list is not shown");
    hub_press(p, "s", "offline");
    pty_check(pty_wait(p, "HF_HUB_OFFLINE", 2000), "the remedy is not told");
    hub_press(p, "A", "Hugging Face account");
    pty_send(p, "\x1b");
    pty_pump(p, 100);
    hub_press(p, "2", "[2 Downloads");
    pty_check(fake_hub_connections(hub_server()) == before &&
                  fake_hub_count(hub_server(), FAKE_PORTS, NULL, NULL) == 0,
              "%u connections", fake_hub_connections(hub_server()) - before);
    hub_down();
}

/* --- hub 25 ---------------------------------------------------------------------------------- */

static size_t asked(const char *glob)
{
    return fake_hub_count(hub_server(), FAKE_HUB, "GET", glob);
}

static void open_again(pty *p, const char *id, const char *shows)
{
    hub_press(p, "1", "[1 Models");
    hub_press(p, "/", "Enter keeps");
    pty_send(p, "\x15");
    pty_send(p, id);
    char row[100];
    snprintf(row, sizeof row, ">  %s", id);
    pty_send(p, "\r");
    pty_check(pty_wait(p, row, ANSWER) && pty_wait_gone(p, "asking", ANSWER), "no answer");
    pty_send(p, "\r");
    pty_check(pty_wait(p, shows, ANSWER), "no \"%s\"", shows);
}

static void a_page_is_asked_for_once(pty *p)
{
    hub_up(0);
    hub_start(p);
    hub_open_repo(p, "reed-lm/Reed-1M-GGUF");
    pty_check(pty_wait(p, "Random weights", ANSWER), "no card");
    uint64_t before = fake_hub_bytes(hub_server(), FAKE_CDN, "*");
    size_t ranges = fake_hub_count(hub_server(), FAKE_CDN, "GET", "*");
    hub_press(p, "T", "blk.0");
    pty_check(fake_hub_count(hub_server(), FAKE_CDN, "GET", "*") <= ranges + 2 &&
                  fake_hub_bytes(hub_server(), FAKE_CDN, "*") - before <= 1000000,
              "the tensors cost more than 2 requests and 1 MB");
    for (int i = 0; i < 2; i++) {
        open_again(p, i ? "odd-lm/Odd-1M-GGUF" : "lock-lm/Lock-1M-GGUF",
                   i ? "Models > odd-lm" : "gated: accept");
        open_again(p, "reed-lm/Reed-1M-GGUF", "Random weights");
        hub_press(p, "T", "blk.0"); /* kept as well */
        pty_send(p, "\x1b");
        pty_pump(p, 80);
    }
    pty_send(p, "r");
    pty_check(fake_hub_wait(hub_server(), FAKE_HUB, "/api/models/reed-lm/Reed-1M-GGUF/revision/*",
                            2, ANSWER),
              "r does not ask");
    hub_press(p, "C", "Random weights");
    pty_pump(p, 200);
    size_t info = asked("/api/models/reed-lm/Reed-1M-GGUF/revision/*"),
           card = asked("/reed-lm/Reed-1M-GGUF/resolve/*README.md");
    pty_check(info == 2, "model info asked %zu times, once and for r", info);
    pty_check(card == 1, "README asked %zu times", card);
    pty_check(fake_hub_count(hub_server(), FAKE_CDN, "GET", "*") <= ranges + 4,
              "headers again: %zu", fake_hub_count(hub_server(), FAKE_CDN, "GET", "*") - ranges);
    hub_down();
}

const pty_test pty_fetch_tests[] = {{"hub 18: pause and drop", pause_keeps_and_drop_removes},
                                    {"hub 18: leftovers", what_is_left_is_listed},
                                    {"hub 24, tui 23: limit", the_limit_changes_while_files_run},
                                    {"hub 24: offline", offline_asks_nobody},
                                    {"hub 25: asked once", a_page_is_asked_for_once},
                                    {0}};
