#include "tests/run_child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/file.h"
#include "core/base/job.h"
#include "tests/check.h"
#include "tests/util.h"

enum { STEP_US = 500, LIMIT_S = 60 };

const char child_nibble[] = NB_TEST_ROOT "/" NB_TEST_BUILD "/nibble";

/* Only these reach the child: nothing of the tester's own settings changes a result. */
static const char *const kept[] = {"PATH", "TMPDIR", "ASAN_OPTIONS", "UBSAN_OPTIONS"};

/* Made before the fork: another thread of a test may hold the allocator's lock then, which ASan's
 * does not give back, and a child that allocates would wait for it. */
typedef struct given {
    char *argv[CHILD_ARGS + 2], *env[CHILD_ENV + 16];
    size_t n_env;
} given;

/* NAME=VALUE, in place of an earlier one of that name. */
static void put(given *g, const char *name, size_t len, const char *value)
{
    size_t at = 0;
    while (at < g->n_env && (strncmp(g->env[at], name, len) != 0 || g->env[at][len] != '='))
        at++;
    check(at < countof(g->env) - 1, "too many variables");
    free(g->env[at]);
    size_t size = len + strlen(value) + 2;
    g->env[at] = malloc(size);
    check(g->env[at], "no memory");
    snprintf(g->env[at], size, "%.*s=%s", (int)len, name, value);
    g->n_env += at == g->n_env;
}

static void gather(given *g, const child_how *how)
{
    g->argv[0] = strdup(how->program ? how->program : child_nibble);
    for (int i = 0; i < CHILD_ARGS && how->args[i]; i++)
        g->argv[i + 1] = strdup(how->args[i]);
    for (size_t i = 0; i < countof(kept); i++)
        if (getenv(kept[i]))
            put(g, kept[i], strlen(kept[i]), getenv(kept[i]));
    put(g, "HOME", 4, test_tmpdir());
    put(g, "TERM", 4, "xterm-256color");
    put(g, "LC_ALL", 6, "C.UTF-8");
    for (int i = 0; i < CHILD_ENV && how->env[i]; i++) {
        const char *is = strchr(how->env[i], '=');
        check(is, "%s is no variable", how->env[i]);
        put(g, how->env[i], (size_t)(is - how->env[i]), is + 1);
    }
}

static void given_free(given *g)
{
    for (size_t i = 0; i < countof(g->argv); i++)
        free(g->argv[i]);
    for (size_t i = 0; i < g->n_env; i++)
        free(g->env[i]);
}

static void redirect(int fd, const char *path, int flags)
{
    int from = open(path, flags, 0600);
    if (from < 0 || dup2(from, fd) < 0)
        _exit(125);
    close(from);
}

_Noreturn static void become(given *g, const child_how *how, const char *out, const char *err)
{
    setsid(); /* no terminal, whatever the tests were started from */
    redirect(STDIN_FILENO, how->in ? how->in : "/dev/null", O_RDONLY);
    redirect(STDOUT_FILENO, how->out ? how->out : out, O_WRONLY | O_CREAT | O_TRUNC);
    redirect(STDERR_FILENO, err, O_WRONLY | O_CREAT | O_TRUNC);
    signal(SIGINT, SIG_DFL);
    if (chdir(how->dir ? how->dir : NB_TEST_ROOT) != 0)
        _exit(125);
    if (how->file_limit) {
        struct rlimit limit = {how->file_limit, how->file_limit};
        setrlimit(RLIMIT_FSIZE, &limit);
    }
    environ = g->env;
    execvp(g->argv[0], g->argv);
    _exit(127);
}

/* What it has had in memory since it became the program; 0 once it has ended. */
static uint64_t memory_peak(pid_t pid)
{
    char name[64], line[256];
    unsigned long kb = 0;
    snprintf(name, sizeof name, "/proc/%d/status", (int)pid);
    FILE *f = fopen(name, "r");
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "VmHWM: %lu", &kb) == 1)
            break;
    if (f)
        fclose(f);
    return kb * 1024ull;
}

/* Whether an interrupt would be caught: a program that has just begun would die of it. */
static bool catches_interrupts(pid_t pid)
{
    char name[64], line[256];
    unsigned long long caught = 0;
    snprintf(name, sizeof name, "/proc/%d/status", (int)pid);
    FILE *f = fopen(name, "r");
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "SigCgt: %llx", &caught) == 1)
            break;
    if (f)
        fclose(f);
    return caught >> (SIGINT - 1) & 1;
}

/* Waits in small steps: sends the interrupt when its moment has come, ends what hangs. */
static int await(pid_t pid, const child_how *how, double *after_signal, uint64_t *peak)
{
    double start = nb_now(), ready = 0, sent = 0, limit = how->seconds > 0 ? how->seconds : LIMIT_S;
    bool program = false; /* before, it is a copy of this one */
    int status = 0;
    while (waitpid(pid, &status, WNOHANG) == 0) {
        double age = nb_now() - start;
        if (how->interrupt_after > 0 && ready == 0 && catches_interrupts(pid))
            ready = nb_now();
        bool due = (how->interrupt_when && nb_exists(how->interrupt_when)) ||
                   (ready > 0 && nb_now() - ready >= how->interrupt_after);
        if (due && sent == 0) {
            kill(pid, SIGINT);
            sent = nb_now();
        }
        if (how->peak) {
            uint64_t now = memory_peak(pid);
            program = program || age > .1;
            *peak = program && now ? now : *peak;
        }
        if (age > limit || (how->kill_after > 0 && age >= how->kill_after) ||
            (how->kill_when && how->kill_when(how->kill_arg)))
            kill(pid, SIGKILL);
        usleep(STEP_US);
    }
    *after_signal = sent > 0 ? nb_now() - sent : 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

child child_run(const child_how *how)
{
    char out[600], err[600];
    child c = {0};
    snprintf(out, sizeof out, "%s/child.out", test_tmpdir());
    snprintf(err, sizeof err, "%s/child.err", test_tmpdir());
    given g = {0};
    unlink(out);
    gather(&g, how);
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0)
        become(&g, how, out, err);
    given_free(&g);
    check(pid >= 0, "fork: errno %d", errno);
    c.code = await(pid, how, &c.after_signal, &c.peak);
    c.out = how->out ? calloc(1, 1) : test_slurp(out, &c.n_out);
    c.err = test_slurp(err, &c.n_err);
    bool killed = how->may_die && c.code > 1000;
    check(c.out && c.err && (killed || c.code < 125 + 6 /* 130 */), "%s %s: status %d: %s",
          how->program ? how->program : "nibble", how->args[0] ? how->args[0] : "", c.code,
          c.err ? c.err : "");
    return c;
}

nb_json *child_json(const child *c)
{
    nb_json *doc = NULL;
    nb_err err = {0};
    check(c->code == 0, "status %d: %s", c->code, c->err);
    check(nb_json_parse(&doc, c->out, c->n_out, 64 << 20, "stdout", &err) == NB_OK, "%s: %.200s",
          err.msg, c->out);
    check(c->n_out && c->out[c->n_out - 1] == '\n', "no end of line");
    return doc;
}

void child_free(child *c)
{
    free(c->out);
    free(c->err);
    *c = (child){0};
}

bool child_have(const char *program)
{
    const char *path = getenv("PATH");
    for (const char *p = path ? path : ""; *p;) {
        size_t n = strcspn(p, ":");
        char full[1024];
        snprintf(full, sizeof full, "%.*s/%s", (int)n, p, program);
        if (access(full, X_OK) == 0)
            return true;
        p += n + (p[n] == ':');
    }
    return false;
}
