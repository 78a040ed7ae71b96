/* The Hub on a real terminal, from a fake one on loopback: what every trouble says and how it is
 * mended, what a kill costs, quitting while it fetches, and the first start (tui 13 22 23). */
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/hub_shelf.h"
#include "tests/pty/hub.h"
#include "tests/pty/pty.h"
#include "tests/util.h"

enum { MIB = 1 << 20, FIRST_SCREEN = 4000, ANSWER = 8000 /* ms */ };

static fake_hub *hub;
static char endpoint[600];
const char *const hub_env[] = {endpoint, "HF_HUB_DOWNLOAD_TIMEOUT=1", NULL};

void hub_up(uint64_t noise)
{
    char dir[512];
    hub_down();
    snprintf(dir, sizeof dir, "%s", pty_folder("shelf")); /* not where models are looked for */
    hub = shelf_start(dir, noise);
    snprintf(endpoint, sizeof endpoint, "HF_ENDPOINT=%s", fake_hub_origin(hub, FAKE_HUB));
}

void hub_down(void)
{
    if (hub)
        fake_hub_stop(&hub);
}

fake_hub *hub_server(void)
{
    return hub;
}

void hub_fault(const char *line)
{
    nb_err err = {0};
    pty_check(fake_hub_fault(hub, line, &err) == NB_OK, "%s", err.msg);
}

void hub_press(pty *p, const char *keys, const char *shows)
{
    pty_send(p, keys);
    pty_check(pty_wait(p, shows, ANSWER), "no \"%s\" after \"%s\": \"%s\", status %x", shows, keys,
              vt_row(&p->screen, 1), p->ended ? (unsigned)p->status : 0u);
}

void hub_open_repo(pty *p, const char *id)
{
    char path[200];
    snprintf(path, sizeof path, "Models > %s", id);
    hub_press(p, "u", id);
    hub_press(p, "/", "Enter keeps");
    pty_send(p, "\x15");
    pty_send(p, id);
    pty_send(p, "\r");
    pty_check(pty_wait(p, "  1 ", ANSWER) && pty_wait_gone(p, "asking", ANSWER), "no answer");
    hub_press(p, "\r", path);
    pty_check(pty_wait(p, "MODEL", ANSWER), "no files of %s", id);
}

void hub_start_with(pty *p, const char *more)
{
    const char *const argv[] = {pty_program, "demo", NULL},
                      *env[] = {hub_env[0], hub_env[1], more, NULL};
    pty_start(p, &(pty_options){.w = 120, .h = 40, .env = env}, argv);
    pty_check(pty_wait(p, "? keys", FIRST_SCREEN), "no frame");
    hub_press(p, "1", "[1 Models");
}

void hub_start(pty *p)
{
    hub_start_with(p, NULL);
}

const char *hub_row(const vt *t, const char *file)
{
    for (int y = 2; y < t->h; y++)
        if (strstr(vt_row(t, y), file))
            return vt_row(t, y);
    return "";
}

bool hub_row_says(pty *p, const char *file, const char *word, int ms)
{
    for (double end = pty_now() + test_within(ms / 1000.0); pty_now() < end && !p->ended;
         pty_pump(p, 20))
        if (strstr(hub_row(&p->screen, file), word))
            return true;
    return false;
}

/* --- troubles -------------------------------------------------------------------------------- */

/* Of boxes. */
#define HUB_TITLE   "\xe2\x94\x80 hub"
#define LOCAL_TITLE "\xe2\x94\x80 local"

/* Whether the local list, looked at again, shows it. */
static bool is_listed(pty *p, const char *file)
{
    hub_press(p, "1", "[1 Models");
    if (!pty_wait(p, LOCAL_TITLE, 20)) { /* the Hub's list alone, then both */
        hub_press(p, "u", LOCAL_TITLE);
        pty_check(pty_wait(p, HUB_TITLE, ANSWER), "not both lists");
        pty_send(p, "u");
    }
    pty_check(pty_wait_gone(p, HUB_TITLE, ANSWER), "the Hub's list stays");
    hub_press(p, "r", "local ");
    pty_pump(p, 400);
    bool listed = vt_shows(&p->screen, file);
    hub_press(p, "2", "[2 Downloads");
    return listed;
}

/* tui 22: the row names the cause and the key, nothing of it is listed as a model, r mends it. */
static void every_trouble_says_what_to_press(pty *p)
{
    static const struct {
        const char *fault, *word, *key, *too;
        bool slow; /* only with NB_TEST_LONG */
    } row[] = {
        {"GET *Q8_0.gguf status=404", "no such file", "r tries again", NULL, false},
        {"GET cdn:*Q8_0.gguf flip_byte=1000", "wrong hash", "r fetches again", NULL, false},
        {"GET cdn:*Q8_0.gguf flip_byte=1000", "changed on the server", "r starts again",
         "HEAD hub:*Q8_0.gguf bad_etag", false},
        {"GET cdn:*Q8_0.gguf status=403", "storage refused", "r tries again", NULL, false},
        {"GET cdn:*Q8_0.gguf rst", "no connection", "r tries again", NULL, true},
    };
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        if (row[i].slow && !getenv("NB_TEST_LONG"))
            continue;
        pty_new_home();
        hub_up(0);
        hub_start(p);
        hub_open_repo(p, "reed-lm/Reed-1M-GGUF");
        hub_fault(row[i].fault);
        if (row[i].too)
            hub_fault(row[i].too);
        pty_send(p, "jd");
        hub_press(p, "2", "[2 Downloads");
        pty_check(hub_row_says(p, "Q8_0", row[i].word, row[i].slow ? 60000 : 15000), "%s: \"%s\"",
                  row[i].fault, hub_row(&p->screen, "Q8_0"));
        pty_check(pty_wait(p, row[i].key, 1000), "%s: no \"%s\"", row[i].fault, row[i].key);
        pty_check(!is_listed(p, "Reed-1M"), "%s: listed as a model", row[i].fault);
        fake_hub_faults_clear(hub);
        pty_send(p, "r");
        pty_check(hub_row_says(p, "Q8_0", "sha256", ANSWER), "%s: r does not mend it: \"%s\"",
                  row[i].fault, hub_row(&p->screen, "Q8_0"));
        pty_check(is_listed(p, "Reed-1M"), "%s: not listed once it is whole", row[i].fault);
    }
    hub_down();
}

/* tui 22: a token stored from there opens the gated one. */
static void a_gated_one_takes_a_token(pty *p)
{
    hub_up(0);
    hub_start(p);
    hub_open_repo(p, "lock-lm/Lock-1M-GGUF");
    pty_send(p, "d");
    hub_press(p, "2", "gated, no token");
    pty_check(pty_wait(p, "A stores a token, r tries again", 1000), "no keys");
    hub_press(p, "A", "Hugging Face account");
    pty_send(p, "\x1b[200~" SHELF_TOKEN "\x1b[201~");
    pty_check(pty_wait(p, "> ****", 2000) && !vt_shows(&p->screen, "hf_Granted"),
              "the token shows");
    hub_press(p, "\r", "you are   tester");
    pty_send(p, "\x1b");
    pty_pump(p, 80);
    pty_send(p, "r");
    pty_check(hub_row_says(p, "Lock-1M", "sha256", ANSWER), "\"%s\"",
              hub_row(&p->screen, "Lock-1M"));
    hub_down();
}

/* tui 22: no room in the middle of a file, here by the limit of a file's size. */
static void a_full_disk_keeps_what_came(pty *p)
{
    char line[900];
    struct rlimit all;
    hub_up(0);
    snprintf(line, sizeof line, "ulimit -S -f 1200; exec '%s' demo", pty_program);
    const char *const argv[] = {"/bin/sh", "-c", line, NULL};
    pty_start(p, &(pty_options){.w = 120, .h = 40, .env = hub_env}, argv);
    pty_check(pty_wait(p, "? keys", FIRST_SCREEN), "no frame");
    hub_press(p, "1", "[1 Models");
    hub_open_repo(p, "reed-lm/Reed-1M-GGUF");
    pty_send(p, "jd");
    hub_press(p, "2", "[2 Downloads");
    pty_check(hub_row_says(p, "Q8_0", "disk full", ANSWER), "\"%s\"", hub_row(&p->screen, "Q8_0"));
    pty_check(pty_wait(p, "r goes on from there", 1000), "no key");
    pty_check(!is_listed(p, "Reed-1M"), "listed as a model");
    pty_check(prlimit(p->pid, RLIMIT_FSIZE, NULL, &all) == 0, "prlimit");
    all.rlim_cur = all.rlim_max;
    pty_check(prlimit(p->pid, RLIMIT_FSIZE, &all, NULL) == 0, "prlimit");
    pty_send(p, "r");
    pty_check(hub_row_says(p, "Q8_0", "sha256", ANSWER), "r does not go on: \"%s\"",
              hub_row(&p->screen, "Q8_0"));
    hub_down();
}

/* The number before the first '%' of a row; -1 = none. */
static int percent(const char *row)
{
    const char *s = strchr(row, '%');
    while (s && s > row && s[-1] >= '0' && s[-1] <= '9')
        s--;
    return s && *s != '%' ? atoi(s) : -1;
}

/* tui 22, 23: resets cost a retry; a silent server is called so; progress only grows. */
static void progress_grows_and_stalls_are_said(pty *p)
{
    int last = -1, seen = 0;
    hub_up(8 * MIB);
    hub_start(p);
    hub_open_repo(p, "slow-lm/Slow-GGUF");
    hub_fault("GET cdn:* #1-3 rst drop_after=300000");
    hub_fault("GET cdn:* #4+ rate=300000 stall_after=400000");
    pty_send(p, "d");
    hub_press(p, "2", "[2 Downloads");
    double quiet = 0;
    bool said = false;
    for (double end = pty_now() + 25; pty_now() < end && !said; pty_pump(p, 50)) {
        int now = percent(hub_row(&p->screen, "segments"));
        pty_check(now >= last || now < 0, "%d%% after %d%%", now, last);
        seen += now > last;
        quiet = now > last ? pty_now() : quiet;
        last = now > last ? now : last;
        said = strstr(hub_row(&p->screen, "slow-Q"), "stalled") != NULL;
        if (now > 20 && quiet > 0 && pty_now() - quiet < 1) {
            fake_hub_faults_clear(hub);
            hub_fault("GET cdn:* stall_after=0");
        }
    }
    pty_check(said && pty_now() - quiet < 15, "not called stalled");
    pty_check(seen >= 3, "%d steps only", seen);
    printf("    stalled said %.1f s after the last byte\n", pty_now() - quiet);
    fake_hub_faults_clear(hub);
    pty_check(hub_row_says(p, "slow-Q", "sha256", 20000), "it does not go on: \"%s\"",
              hub_row(&p->screen, "slow-Q"));
    hub_down();
}

/* --- kills and quits ------------------------------------------------------------------------- */

void hub_fetch_slowly(pty *p, const char *rate)
{
    char fault[64];
    hub_start(p);
    hub_open_repo(p, "slow-lm/Slow-GGUF");
    snprintf(fault, sizeof fault, "GET cdn:* rate=%s", rate);
    hub_fault(fault);
    pty_send(p, "d");
    hub_press(p, "2", "[2 Downloads");
    pty_check(hub_row_says(p, "slow-Q", "get", ANSWER), "it does not run: \"%s\"",
              hub_row(&p->screen, "slow-Q"));
}

static bool wait_bytes(uint64_t bytes, double seconds, pty *p)
{
    for (double end = pty_now() + test_within(seconds); pty_now() < end; pty_pump(p, 20))
        if (fake_hub_bytes(hub, FAKE_CDN, "*slow-Q*") >= bytes)
            return true;
    return false;
}

/* tui 13: killed in the middle, the next start goes on by itself; a second one beside it leaves the
 * first one's list alone. */
static void a_kill_costs_little(pty *p)
{
    static pty other;
    enum { SIZE = 40 * MIB };
    hub_up(SIZE);
    hub_fetch_slowly(p, "2M");
    const char *const argv[] = {pty_program, "demo", NULL};
    pty_start(&other, &(pty_options){.w = 120, .h = 40, .env = hub_env}, argv);
    bool said = pty_wait(&other, "another nibble keeps the list", ANSWER);
    pty_send(&other, "2");
    bool none = pty_wait(&other, "nothing is downloaded", 3000);
    pty_close(&other);
    pty_check(said, "the second one does not say so");
    pty_check(none, "the second one has the first one's list");
    pty_check(wait_bytes(SIZE / 2, 20, p), "too slow");
    kill(p->pid, SIGKILL);
    pty_check(pty_wait_end(p, 2000), "not killed");
    fake_hub_idle(hub, 5000);
    uint64_t before = fake_hub_bytes(hub, FAKE_CDN, "*slow-Q*");
    fake_hub_faults_clear(hub);
    pty_start(p, &(pty_options){.w = 120, .h = 40, .env = hub_env}, argv);
    pty_check(pty_wait(p, "? keys", FIRST_SCREEN), "no frame");
    hub_press(p, "2", "[2 Downloads");
    pty_check(hub_row_says(p, "slow-Q", "sha256", 20000), "it does not go on: \"%s\"",
              hub_row(&p->screen, "slow-Q"));
    uint64_t all = fake_hub_bytes(hub, FAKE_CDN, "*slow-Q*");
    printf("    %.1f MiB before the kill, %.1f in all of %d\n", (double)before / MIB,
           (double)all / MIB, SIZE / MIB);
    pty_check(all <= SIZE + 8 * MIB, "%" PRIu64 " bytes were fetched again", all - SIZE);
    hub_down();
}

static bool list_names_it(void)
{
    size_t n;
    char *text = test_slurp(test_path(pty_home(), ".local/state/nibble/downloads.json"), &n);
    bool named = text && strstr(text, "slow-Q");
    free(text);
    return named;
}

/* tui.md 4.7: p pauses and quits, the next start goes on; Esc stays; c takes it off the list. */
static void quitting_asks_for_downloads(pty *p)
{
    hub_up(40 * MIB);
    hub_fetch_slowly(p, "300K");
    hub_press(p, "\x11", "p pauses and quits");
    pty_send(p, "\x1b");
    pty_check(pty_wait_gone(p, "p pauses", 1000) && !p->ended, "Esc does not stay");
    hub_press(p, "\x11", "p pauses and quits");
    pty_send(p, "p");
    pty_check(pty_wait_end(p, 3000) && WIFEXITED(p->status) && WEXITSTATUS(p->status) == 0,
              "p: status %x", p->status);
    pty_check(list_names_it(), "the list forgot it");
    hub_start(p);
    hub_press(p, "2", "[2 Downloads");
    pty_check(hub_row_says(p, "slow-Q", "get", ANSWER), "it does not go on: \"%s\"",
              hub_row(&p->screen, "slow-Q"));
    hub_press(p, "\x11", "c cancels all");
    pty_send(p, "c");
    pty_check(pty_wait_end(p, 3000) && WIFEXITED(p->status) && WEXITSTATUS(p->status) == 0,
              "c: status %x", p->status);
    pty_check(!list_names_it(), "the list still names it");
    hub_down();
}

/* --- first start ----------------------------------------------------------------------------- */

static void opened_alone(pty *p, const char *option)
{
    const char *const argv[] = {pty_program, option, NULL};
    pty_start(p, &(pty_options){.w = 120, .h = 40}, argv);
    pty_check(pty_wait(p, "? keys", FIRST_SCREEN), "no frame");
    pty_pump(p, 300);
}

/* tui.md 4.17: greeted once, and not where paths or nothing to remember it with are given. */
static void the_first_start_greets_once(pty *p)
{
    opened_alone(p, "--read-only");
    pty_check(!vt_shows(&p->screen, "welcome to nibble"), "greeted though nothing is kept");
    opened_alone(p, NULL);
    pty_check(pty_wait(p, "welcome to nibble", ANSWER), "not greeted");
    hub_press(p, "3", "[3 Quantize");
    pty_check(pty_wait_gone(p, "welcome to nibble", 2000), "it stays");
    kill(p->pid, SIGTERM);
    pty_check(pty_wait_end(p, 3000), "it does not end");
    opened_alone(p, NULL);
    pty_check(!vt_shows(&p->screen, "welcome to nibble"), "greeted twice");
    pty_new_home();
    opened_alone(p, "demo");
    pty_check(!vt_shows(&p->screen, "welcome to nibble"), "greeted on the demo");
}

const pty_test pty_hub_tests[] = {{"first start", the_first_start_greets_once},
                                  {"tui 22: troubles", every_trouble_says_what_to_press},
                                  {"tui 22: gated", a_gated_one_takes_a_token},
                                  {"tui 22: disk full", a_full_disk_keeps_what_came},
                                  {"tui 22, 23: stalls", progress_grows_and_stalls_are_said},
                                  {"tui 13: kill", a_kill_costs_little},
                                  {"quit while downloading", quitting_asks_for_downloads},
                                  {0}};
