/* Use for days in minutes (A34): turns in two panes, pane switches, resizes, downloads, quantizes
 * and settings, shuffled by seed, in rounds; after each the memory, descriptors and files. Four
 * small rounds here, twenty large ones with NB_TEST_LONG, as many as NB_SOAK_HOURS=8 takes. */
#include <dirent.h>
#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/pty/hub.h"
#include "tests/pty/pty.h"
#include "tests/tree.h"
#include "tests/util.h"

enum { W = 120, H = 40, ANSWER = 30000 /* ms */, SEED = 34, ROUNDS = 1000, KIB_A_THOUSAND = 1024 };
enum { SOCKETS = 8 }; /* connections are kept for the next request, no more than these */
#define QUANTIZED "Nibble-Demo-"

typedef enum deed { TURN, SWITCH, RESIZE, DOWNLOAD, SETTING, DEEDS } deed;

/* Of one round, after one quantize. Times 20: 2,000 turns, 1,000 switches, 5,000 resizes in bursts
 * of BURST, 100 downloads, and 60 settings of the 50 asked for. */
enum { BURST = 10 };
static const int full[DEEDS] = {100, 50, 25, 5, 3}, brief[DEEDS] = {12, 6, 4, 1, 1};

typedef struct measure {
    long turns, rss;         /* KiB */
    int fds, sockets, files; /* fds without sockets */
} measure;

static struct {
    const int *of;
    int turns, downloads, settings, resizes, switches;
    measure at[ROUNDS];
    size_t n, warm; /* rounds, and those before anything is compared */
} soak;

static void keys(pty *p, const char *bytes, int ms)
{
    pty_send(p, bytes);
    pty_pump(p, ms);
    pty_check(!p->ended, "ended after turn %d: status %x", soak.turns, (unsigned)p->status);
}

static void forget_cache(void)
{
    tree_remove(test_path(pty_home(), ".cache/huggingface/hub/models--reed-lm--Reed-1M-GGUF"));
}

/* --- the deeds ------------------------------------------------------------------------------- */

static void burst(pty *p, test_rng *rng)
{
    for (int i = 0; i < BURST; i++) {
        pty_resize(p, 1 + (int)test_below(rng, 300), 1 + (int)test_below(rng, 100));
        keys(p, "", 2);
    }
    pty_resize(p, W, H);
    soak.resizes += BURST;
}

static bool ended(const vt *t)
{
    return vt_times(t, "tok  done") + vt_times(t, "tok  context full") == 2;
}

/* The question is taken; both panes said all they could, in a frame that stayed. */
static bool answered(pty *p, const char *question)
{
    if (!pty_wait(p, question, ANSWER))
        return false;
    for (double end = pty_now() + ANSWER / 1000.0; pty_now() < end && !p->ended;) {
        pty_pump(p, 40);
        if (!ended(&p->screen))
            continue;
        pty_pump(p, 40);
        if (ended(&p->screen))
            return true;
    }
    return false;
}

static void turn(pty *p, test_rng *rng)
{
    static const char *const of[] = {"Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "Q8_0"};
    char line[64], shown[80];
    if (soak.turns % 6 == 0 || vt_shows(&p->screen, "tok  context full")) {
        pty_send(p, "\x0e");
        pty_check(pty_wait(p, "new chat", ANSWER) && pty_wait(p, "0 tok  ready", ANSWER),
                  "turn %d: no new chat: \"%s\"", soak.turns, vt_row(&p->screen, 1));
    }
    snprintf(line, sizeof line, "%d What is %s?", soak.turns, of[test_below(rng, 6)]);
    snprintf(shown, sizeof shown, "you  %s", line);
    keys(p, line, 5);
    keys(p, "\r", 5);
    bool said = answered(p, shown);
    for (int y = 0; !said && y < H; y++)
        printf("    | %s\n", vt_row(&p->screen, y));
    pty_check(said, "turn %d: no answer to \"%s\": \"%s\"", soak.turns, line,
              vt_row(&p->screen, 34));
    soak.turns++;
}

/* From writing to single keys. */
static void stop_writing(pty *p)
{
    hub_press(p, "\x1b", "i writes");
    pty_pump(p, 40);
}

static void leave_chat(pty *p, const char *digit, const char *title)
{
    stop_writing(p);
    hub_press(p, digit, title);
}

static void back_to_chat(pty *p)
{
    hub_press(p, "6", "[6 Chat]");
    keys(p, "i", 20);
}

#define REPO "reed-lm/Reed-1M-GGUF"

static void open_repo(pty *p)
{
    if (soak.downloads == 0) { /* the Hub's list stays from then on */
        hub_open_repo(p, REPO);
        return;
    }
    hub_press(p, "/", "Enter keeps");
    keys(p, "\x15" REPO "\r", 50);
    pty_check(pty_wait(p, ">  " REPO, ANSWER) && pty_wait_gone(p, "asking", ANSWER), "no answer");
    hub_press(p, "\r", "Models > " REPO);
    pty_check(pty_wait(p, "MODEL", ANSWER), "no files of " REPO);
}

/* The repository's files in turn; what came before is removed by somebody else. */
static void download(pty *p)
{
    static const char *const file[] = {"Reed-1M-F16", "Reed-1M-Q8_0", "Reed-1M-Q4_0"};
    static const char *const get[] = {"ggd", "ggjd", "ggjjd"};
    int which = soak.downloads % 3;
    forget_cache();
    leave_chat(p, "1", "[1 Models");
    open_repo(p);
    keys(p, get[which], 50);
    hub_press(p, "2", "[2 Downloads");
    pty_check(hub_row_says(p, file[which], "sha256", ANSWER), "download %d of %s: \"%s\"",
              soak.downloads, file[which], hub_row(&p->screen, file[which]));
    keys(p, "\x1b[3~", 50);
    for (int i = 0; i < 100 && hub_row(&p->screen, file[which])[0]; i++)
        pty_pump(p, 20);
    pty_check(!hub_row(&p->screen, file[which])[0], "%s is not forgotten", file[which]);
    back_to_chat(p);
    soak.downloads++;
}

static void setting(pty *p)
{
    static const char *const theme[] = {"theme dark", "theme light", "theme mono"};
    const char *which = theme[soak.settings % 3];
    stop_writing(p);
    hub_press(p, ":", "\xe2\x94\x80 palette");
    keys(p, which, 20);
    pty_send(p, "\r");
    pty_check(pty_wait_gone(p, "\xe2\x94\x80 palette", ANSWER) && pty_wait(p, which, ANSWER),
              "no \"%s\"", which);
    keys(p, "i", 20);
    soak.settings++;
}

static void act(pty *p, deed what, test_rng *rng)
{
    if (what == TURN)
        turn(p, rng);
    else if (what == SWITCH) {
        keys(p, "\t", 5);
        soak.switches++;
    } else if (what == RESIZE)
        burst(p, rng);
    else if (what == DOWNLOAD)
        download(p);
    else
        setting(p);
}

/* Whole files among the harness's own models, the last one's name in *name; all are removed with
 * `remove`, but those being written. */
static int outputs(char name[256], bool remove)
{
    const char *dir = test_path(pty_home(), ".local/share/nibble/models");
    int n = 0;
    DIR *d = opendir(dir);
    for (struct dirent *e; d && (e = readdir(d));) {
        if (!strstr(e->d_name, ".gguf") || strstr(e->d_name, ".part"))
            continue;
        n++;
        snprintf(name, 256, "%s", e->d_name);
        pty_check(!remove || unlink(test_path(dir, e->d_name)) == 0, "%s stays", e->d_name);
    }
    if (d)
        closedir(d);
    return n;
}

/* Then chats with it against the source. The output before it is gone by then, as after an `rm`
 * elsewhere: the chat holds it open until the new one takes its place. */
static void quantize(pty *p)
{
    char made[256];
    outputs(made, true);
    hub_press(p, "3", "[3 Quantize");
    pty_check(pty_wait(p, "Nibble Demo", ANSWER), "no source");
    keys(p, "\x12", 50);
    for (double end = pty_now() + ANSWER / 1000.0; pty_now() < end && !outputs(made, false);)
        pty_pump(p, 50);
    pty_check(outputs(made, false) == 1, "nothing was made");
    pty_check(pty_wait(p, "t chat against the source", ANSWER), "it does not end");
    keys(p, "t", 20);
    pty_check(pty_wait(p, "[6 Chat]", ANSWER), "no chat");
    for (int i = 0; i < 500 && vt_times(&p->screen, "0 tok  ready") != 2; i++)
        pty_pump(p, 20);
    pty_check(vt_times(&p->screen, "0 tok  ready") == 2, "the panes are not ready");
}

/* --- what is measured ------------------------------------------------------------------------ */

static void count_descriptors(const pty *p, measure *m)
{
    char path[64], to[64];
    snprintf(path, sizeof path, "/proc/%d/fd", (int)p->pid);
    DIR *d = opendir(path);
    pty_check(d, "%s cannot be read", path);
    for (struct dirent *e; (e = readdir(d));) {
        ssize_t n = e->d_name[0] == '.' ? -1 : readlinkat(dirfd(d), e->d_name, to, sizeof to);
        if (n >= 7 && memcmp(to, "socket:", 7) == 0)
            m->sockets++;
        else if (n > 0)
            m->fds++;
    }
    closedir(d);
}

static int n_files;

static int count_file(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    (void)st;
    (void)at;
    n_files += kind != FTW_D && !strstr(path, "/chats/chat-") && !strstr(path, "/.locks/");
    return 0;
}

/* All in the home, where nibble's temporary files lie too, but chats, which are meant to be kept.
 */
static int files(void)
{
    forget_cache();
    n_files = 0;
    pty_check(nftw(pty_home(), count_file, 16, FTW_PHYS) == 0, "the home cannot be read");
    return n_files;
}

static bool as_before(const measure *m, const measure *was)
{
    return m->fds == was->fds && m->sockets <= SOCKETS && m->files == was->files;
}

static void look(pty *p)
{
    measure *m = &soak.at[soak.n];
    pty_send(p, "\x0e");
    pty_check(pty_wait(p, "0 tok  ready", ANSWER), "no new chat");
    pty_pump(p, 500);
    /* What is still being closed or renamed gets its time. */
    for (double end = pty_now() + test_within(2);; pty_pump(p, 100)) {
        *m = (measure){
            .turns = soak.turns, .rss = (long)pty_proc(p, "status", "VmRSS:"), .files = files()};
        count_descriptors(p, m);
        if (pty_now() > end || soak.n <= soak.warm || as_before(m, &soak.at[soak.warm]))
            break;
    }
    printf("    round %zu: turn %ld, %ld KiB, %d descriptors and %d sockets, %d files\n", soak.n,
           m->turns, m->rss, m->fds, m->sockets, m->files);
    fflush(stdout);
    soak.n++;
}

/* KiB a turn of the line through the rounds from `from` on (least squares). */
static double slope(size_t from)
{
    double n = (double)(soak.n - from), x = 0, y = 0, xx = 0, xy = 0;
    for (size_t i = from; i < soak.n; i++) {
        double t = (double)soak.at[i].turns, r = (double)soak.at[i].rss;
        x += t;
        y += r;
        xx += t * t;
        xy += t * r;
    }
    return (n * xy - x * y) / (n * xx - x * x);
}

/* The log is whole: what went well is there, and no error. */
static void check_log(void)
{
    size_t n;
    char *text = test_slurp(test_path(pty_home(), ".local/state/nibble/log"), &n);
    const char *error = !text                             ? "no log"
                        : strncmp(text, "error ", 6) == 0 ? text
                                                          : strstr(text, "\nerror ");
    bool notes = text && strstr(text, "note quantized ") && strstr(text, "note loaded ");
    pty_check(!error, "the log says%.300s", error);
    free(text);
    pty_check(notes, "the log tells nothing");
}

static void round_of(pty *p, test_rng *rng)
{
    deed list[256];
    int n = 0;
    for (deed d = TURN; d < DEEDS; d++)
        for (int i = 0; i < soak.of[d]; i++)
            list[n++] = d;
    for (int i = n - 1; i > 0; i--) {
        int k = (int)test_below(rng, (uint32_t)i + 1);
        deed was = list[i];
        list[i] = list[k];
        list[k] = was;
    }
    quantize(p);
    for (int i = 0; i < n; i++)
        act(p, list[i], rng);
    look(p);
    stop_writing(p);
}

/* A34 */
static void use_for_days_leaves_nothing_behind(pty *p)
{
    const char *hours = getenv("NB_SOAK_HOURS");
    bool all = hours || getenv("NB_TEST_LONG");
    size_t rounds = all ? 20 : 4;
    double start = pty_now(), until = hours ? start + 3600 * strtod(hours, NULL) : start;
    test_rng rng = test_rng_make(SEED);
    memset(&soak, 0, sizeof soak);
    soak.of = all ? full : brief;
    soak.warm = all ? 4 : 1;
    hub_up(0);
    const char *const argv[] = {pty_program, "demo", NULL};
    pty_start(p, &(pty_options){.w = W, .h = H, .env = hub_env}, argv);
    pty_check(pty_wait(p, "? keys", ANSWER), "no first frame");
    for (size_t i = 0; i < ROUNDS && (i < rounds || pty_now() < until); i++)
        round_of(p, &rng);
    double each = slope(soak.warm),
           turns = (double)(soak.at[soak.n - 1].turns - soak.at[soak.warm].turns);
    printf("    %d turns, %d switches, %d resizes, %d downloads, %zu quantizes, %d settings, %.0f "
           "s; %.0f KiB a 1,000 turns\n",
           soak.turns, soak.switches, soak.resizes, soak.downloads, soak.n, soak.settings,
           pty_now() - start, 1000 * each);
    /* a few turns are less than what a heap's pages go up and down */
    double most = KIB_A_THOUSAND * turns / 1000 + (all ? 0 : 4096);
    pty_check(each * turns <= most, "memory grows by %.0f KiB in %.0f turns", each * turns, turns);
    for (size_t i = soak.warm; i < soak.n; i++) {
        const measure *m = &soak.at[i], *was = &soak.at[soak.warm];
        pty_check(as_before(m, was),
                  "round %zu: %d descriptors, %d sockets and %d files; %d, %d and %d before", i,
                  m->fds, m->sockets, m->files, was->fds, was->sockets, was->files);
    }
    check_log();
    pty_check(p->screen.odd == 0, "sent %s", p->screen.first_odd);
    pty_send(p, "\x11");
    pty_check(pty_wait_end(p, ANSWER) && WIFEXITED(p->status) && WEXITSTATUS(p->status) == 0,
              "it does not end: %x", (unsigned)p->status);
    hub_down();
}

const pty_test pty_soak_tests[] = {{"A34: soak", use_for_days_leaves_nothing_behind}, {0}};
