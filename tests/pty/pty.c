#include "tests/pty/pty.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/check.h"
#include "tests/util.h"

/* What the leader tells: the program's pid first, then each state waitpid saw. */
typedef struct note {
    pid_t pid;
    int status;
} note;

/* What the shelf and the models of tests/ call when they cannot go on. */
void check_fail(const char *file, int line, const char *cond, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    printf("    %s:%d: %s: ", file, line, cond);
    vprintf(fmt, ap);
    printf("\n");
    va_end(ap);
    longjmp(pty_row, 1);
}

double pty_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void set_environment(const pty_options *opt, const char *home)
{
    clearenv();
    if (chdir(home) != 0)
        _exit(126);
    setenv("PATH", "/usr/local/bin:/usr/bin:/bin", 1);
    setenv("HOME", home, 1);
    setenv("TERM", opt->term ? opt->term : "xterm-256color", 1);
    setenv("LC_ALL", opt->locale ? opt->locale : "C.UTF-8", 1);
    setenv("TZ", "UTC", 1);
    for (const char *const *e = opt->env; e && *e; e++) {
        char name[64];
        size_t n = strcspn(*e, "=");
        memcpy(name, *e, n);
        name[n] = '\0';
        setenv(name, *e + n + 1, 1);
    }
}

static void run_program(int slave, const char *const *argv)
{
    setpgid(0, 0);
    tcsetpgrp(slave, getpid());
    for (int s = 1; s < 32; s++)
        signal(s, SIG_DFL);
    for (int i = 0; i < 3; i++)
        dup2(slave, i);
    for (int i = 3; i < 64; i++)
        close(i);
    execv(argv[0], (char *const *)(uintptr_t)argv);
    _exit(127);
}

/* The part of a shell: foreground group, stop and continue. */
static void lead(int slave, int report, int orders, const char *const *argv)
{
    setsid();
    ioctl(slave, TIOCSCTTY, 0);
    signal(SIGTTOU, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    note n = {.pid = fork()};
    if (n.pid == 0)
        run_program(slave, argv);
    setpgid(n.pid, n.pid);
    tcsetpgrp(slave, n.pid);
    for (ssize_t w = write(report, &n, sizeof n);
         w > 0 && waitpid(n.pid, &n.status, WUNTRACED) > 0;) {
        char order;
        if (WIFSTOPPED(n.status))
            tcsetpgrp(slave, getpgrp());
        w = write(report, &n, sizeof n);
        if (!WIFSTOPPED(n.status) || read(orders, &order, 1) != 1)
            break;
        tcsetpgrp(slave, n.pid);
        kill(-n.pid, SIGCONT);
    }
    _exit(0);
}

const char *pty_folder(const char *name)
{
    const char *dir = test_path(test_tmpdir(), name);
    pty_check(mkdir(dir, 0700) == 0 || errno == EEXIST, "%s: %s", dir, strerror(errno));
    return dir;
}

static int homes;

void pty_new_home(void)
{
    homes++;
}

const char *pty_home(void)
{
    char name[32];
    snprintf(name, sizeof name, "home%d", homes);
    return pty_folder(name);
}

void pty_start(pty *p, const pty_options *opt, const char *const *argv)
{
    int report[2], orders[2];
    const char *home = opt->home ? opt->home : pty_home();
    pty_close(p);
    vt_reset(&p->screen, opt->w ? opt->w : 80, opt->h ? opt->h : 24);
    p->reply = opt->reply;
    p->reply_ms = opt->reply_ms;
    p->reply_at = 0;
    p->secret = opt->secret;
    p->told = 0;
    p->n_last = 0;
    struct winsize size = {.ws_col = (unsigned short)p->screen.w,
                           .ws_row = (unsigned short)p->screen.h};
    pty_check(openpty(&p->fd, &p->slave, NULL, NULL, &size) == 0, "openpty: %s", strerror(errno));
    pty_check(pipe2(report, O_CLOEXEC) == 0 && pipe2(orders, O_CLOEXEC) == 0, "pipe");
    tcgetattr(p->slave, &p->before);
    fflush(stdout);
    p->leader = fork();
    if (p->leader == 0) {
        close(p->fd);
        close(report[0]); /* or the leader would wait for itself */
        close(orders[1]);
        set_environment(opt, home);
        lead(p->slave, report[1], orders[0], argv);
    }
    close(report[1]);
    close(orders[0]);
    p->report = report[0];
    p->orders = orders[1];
    fcntl(p->fd, F_SETFL, O_NONBLOCK);
    note n = {0};
    pty_check(read(p->report, &n, sizeof n) == sizeof n && n.pid > 0, "no program");
    p->pid = n.pid;
}

static void hear(pty *p)
{
    note n;
    if (read(p->report, &n, sizeof n) != sizeof n) {
        p->ended = true;
        return;
    }
    p->status = n.status;
    p->stopped = WIFSTOPPED(n.status);
    p->ended = !p->stopped;
}

/* Looks for the secret, also across reads. */
static void listen_for(pty *p, const char *s, size_t n)
{
    size_t keep = p->secret ? strlen(p->secret) - 1 : 0;
    char both[sizeof p->last * 2];
    if (!p->secret)
        return;
    size_t head = n < keep ? n : keep;
    memcpy(both, p->last, p->n_last);
    memcpy(both + p->n_last, s, head);
    p->told += memmem(both, p->n_last + head, p->secret, keep + 1) != NULL;
    p->told += memmem(s, n, p->secret, keep + 1) != NULL;
    size_t all = p->n_last + head, from = n >= keep || all <= keep ? 0 : all - keep;
    p->n_last = n >= keep ? keep : all - from;
    memmove(p->last, n >= keep ? s + n - keep : both + from, p->n_last);
}

static size_t drain(pty *p)
{
    char buf[8192];
    size_t total = 0;
    for (ssize_t n; (n = read(p->fd, buf, sizeof buf)) > 0; total += (size_t)n) {
        listen_for(p, buf, (size_t)n);
        vt_feed(&p->screen, buf, (size_t)n);
    }
    return total;
}

/* Answers when it is time; ms, or less when an answer is due before. */
static int answer(pty *p, int ms)
{
    if (!p->reply || !p->screen.asked_sync)
        return ms;
    if (p->reply_at <= 0)
        p->reply_at = pty_now() + p->reply_ms / 1000.0;
    double left = p->reply_at - pty_now();
    if (left > 0)
        return left * 1000 < ms ? 1 + (int)(left * 1000) : ms;
    const char *reply = p->reply;
    p->reply = NULL;
    pty_send(p, reply);
    return ms;
}

/* Waits at most ms for output or news; returns the bytes that came. */
static size_t pump_once(pty *p, int ms)
{
    ms = answer(p, ms);
    struct pollfd f[2] = {{.fd = p->fd, .events = POLLIN}, {.fd = p->report, .events = POLLIN}};
    if (poll(f, p->ended ? 1 : 2, ms) <= 0)
        return 0;
    size_t n = drain(p);
    if (!p->ended && f[1].revents)
        hear(p);
    return n + drain(p);
}

size_t pty_pump(pty *p, int ms)
{
    size_t n = 0;
    for (double end = pty_now() + ms / 1000.0, left; (left = end - pty_now()) > 0;)
        n += pump_once(p, (int)(left * 1000) + 1);
    return n;
}

static bool wait_text(pty *p, const char *text, int ms, bool there)
{
    for (double end = pty_now() + test_within(ms / 1000.0); pty_now() < end && !p->ended;) {
        if (vt_shows(&p->screen, text) == there)
            return true;
        pump_once(p, 5);
    }
    return vt_shows(&p->screen, text) == there;
}

bool pty_wait(pty *p, const char *text, int ms)
{
    return wait_text(p, text, ms, true);
}

bool pty_wait_gone(pty *p, const char *text, int ms)
{
    return wait_text(p, text, ms, false);
}

void pty_send(pty *p, const char *bytes)
{
    for (size_t n = strlen(bytes); n;) {
        ssize_t w = write(p->fd, bytes, n);
        if (w < 0) {
            pty_check(errno == EAGAIN || errno == EINTR, "write: %s", strerror(errno));
            pump_once(p, 5);
            continue;
        }
        bytes += w;
        n -= (size_t)w;
    }
}

void pty_resize(pty *p, int w, int h)
{
    struct winsize size = {.ws_col = (unsigned short)w, .ws_row = (unsigned short)h};
    vt_size(&p->screen, w, h);
    ioctl(p->fd, TIOCSWINSZ, &size);
}

bool pty_wait_end(pty *p, int ms)
{
    for (double end = pty_now() + test_within(ms / 1000.0); pty_now() < end && !p->ended;)
        pump_once(p, 10);
    drain(p);
    return p->ended;
}

bool pty_wait_stop(pty *p, int ms)
{
    for (double end = pty_now() + test_within(ms / 1000.0);
         pty_now() < end && !p->ended && !p->stopped;)
        pump_once(p, 10);
    drain(p);
    return p->stopped;
}

void pty_continue(pty *p)
{
    p->stopped = false;
    pty_check(write(p->orders, "c", 1) == 1, "the leader is gone");
}

void pty_open(pty *p, const pty_options *opt, const char *what)
{
    const char *const argv[] = {pty_program, what, NULL};
    pty_start(p, opt, argv);
    pty_check(pty_wait(p, "? keys", 5000), "no first frame of %s: \"%s\"", what,
              vt_row(&p->screen, 0));
    pty_pump(p, 100);
}

const char *pty_left(pty *p)
{
    struct termios now = {0};
    const vt *t = &p->screen;
    if (tcgetattr(p->slave, &now) != 0)
        return "no termios";
    if (now.c_iflag != p->before.c_iflag || now.c_oflag != p->before.c_oflag ||
        now.c_cflag != p->before.c_cflag || now.c_lflag != p->before.c_lflag ||
        memcmp(now.c_cc, p->before.c_cc, sizeof now.c_cc) != 0)
        return "other termios";
    return t->alternate ? "alternate screen on"
           : t->hidden  ? "cursor hidden"
           : t->paste   ? "bracketed paste on"
           : t->mouse   ? "mouse on"
           : t->focus   ? "focus reports on"
           : t->frame   ? "a frame is held back"
                        : NULL;
}

void pty_check_fresh(pty *p, const char *what)
{
    static vt before;
    before = p->screen;
    pty_send(p, "\f");
    pty_pump(p, 250);
    for (int y = 1; y < p->screen.h; y++)
        pty_check(strcmp(vt_row(&before, y), vt_row(&p->screen, y)) == 0,
                  "%s: row %d was \"%s\", is \"%s\"", what, y, vt_row(&before, y),
                  vt_row(&p->screen, y));
}

uint64_t pty_proc(const pty *p, const char *file, const char *field)
{
    char path[64];
    size_t n;
    snprintf(path, sizeof path, "/proc/%d/%s", (int)p->pid, file);
    char *text = test_slurp(path, &n), *at = text ? strstr(text, field) : NULL;
    uint64_t v = at ? strtoull(at + strlen(field), NULL, 10) : 0;
    free(text);
    pty_check(v > 0, "%s does not tell", path);
    return v;
}

double pty_cpu(const pty *p)
{
    char path[64];
    size_t n;
    snprintf(path, sizeof path, "/proc/%d/stat", (int)p->pid);
    char *s = test_slurp(path, &n);
    unsigned long user = 0, sys = 0;
    char *end = s ? strrchr(s, ')') : NULL;
    int got =
        end ? sscanf(end + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &sys)
            : 0;
    free(s);
    return got == 2 ? (double)(user + sys) / (double)sysconf(_SC_CLK_TCK) : -1;
}

void pty_close(pty *p)
{
    if (p->leader > 0) {
        if (!p->ended)
            kill(p->pid, SIGKILL);
        close(p->orders);
        close(p->report);
        close(p->fd);
        close(p->slave);
        waitpid(p->leader, NULL, 0);
    }
    p->leader = p->pid = 0;
    p->stopped = p->ended = false;
    p->status = 0;
}
