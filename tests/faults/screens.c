/* The workbench without memory or with failing calls (A11, A13): replaying a script, and started on
 * a terminal. Small allocations of tui end the program (ui_xmalloc), so each run is a process of
 * its own: it succeeds, or it ends with the exit code of its failure, one sentence on stderr and a
 * terminal as it was; never by a signal, but for the hang-up of a terminal that gives no keys. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/base/file.h"
#include "core/base/job.h"
#include "tests/faults/faults.h"
#include "tests/pty/vt.h"
#include "tests/util.h"
#include "tui/commands/cmd.h"

enum { LEAKS = 99, PATIENCE = 20 /* seconds until a run counts as hanging */ };

static const char *home(void)
{
    return test_path(test_tmpdir(), "home");
}

static void fresh_home(void)
{
    static const char *const left[] = {"workspace.json", "workspace.bad", "log"};
    fault_check(nb_mkdirs(home(), NULL) == NB_OK, "mkdirs");
    for (size_t i = 0; i < countof(left); i++) {
        char path[1200];
        snprintf(path, sizeof path, "%s/.local/state/nibble/%s", home(), left[i]);
        unlink(path);
    }
}

/* The program with one or two arguments; does not return. */
static _Noreturn void nibble(const char *first, const char *second)
{
    char name[] = "nibble", a[1024], b[1024];
    char *argv[] = {name, a, second ? b : NULL, NULL};
    snprintf(a, sizeof a, "%s", first);
    snprintf(b, sizeof b, "%s", second ? second : "");
    clearenv();
    setenv("HOME", home(), 1);
    setenv("TERM", "xterm-256color", 1);
    setenv("LC_ALL", "C.UTF-8", 1);
    if (chdir(home()) != 0)
        _exit(127);
    int code = ui_main(second ? 3 : 2, argv);
    faults_disarm(NULL);
    _exit(faults_leaked() ? LEAKS : code);
}

/* Exit status of waitpid and what was said on stderr, as a status with its sentence. */
static nb_status outcome(int how, const char *said, nb_err *err)
{
    if (faults_class() == FAULT_IO && WIFSIGNALED(how) && WTERMSIG(how) == SIGHUP)
        return nb_fail(err, NB_IO, "no key can be read: as when the terminal is gone");
    fault_check(WIFEXITED(how), "ended by signal %d: %s", WTERMSIG(how), said);
    fault_check(WEXITSTATUS(how) != LEAKS, "leaks: %s", said);
    if (WEXITSTATUS(how) == 0)
        return NB_OK;
    const char *sentence = strstr(said, "nibble: ");
    fault_check(sentence && strlen(sentence) > strlen("nibble: \n"),
                "code %d without a sentence: %s", WEXITSTATUS(how), said);
    fault_check(!strstr(sentence + 1, "nibble: "), "more than one sentence: %s", said);
    return nb_fail(err, faults_status(WEXITSTATUS(how)), "%s", sentence + strlen("nibble: "));
}

/* --- a script: every screen, a panel, a prompt -------------------------------------------------
 */

static const char script[] = "size 100x30\n"
                             "wait\n"
                             "keys j k Enter\n"
                             "wait\n"
                             "keys Enter l L Esc\n"
                             "keys 3\n"
                             "wait\n"
                             "keys D\n"
                             "keys 6\n"
                             "text hello\n"
                             "keys ? Esc J Esc E Esc :\n"
                             "text theme li\n"
                             "keys Enter 1 /\n"
                             "text params:<4b\n"
                             "keys Enter\n"
                             "frames 3\n"
                             "save-screen screen\n";

static void script_home(void)
{
    fresh_home();
    test_spit(test_path(home(), "script"), script, sizeof script - 1);
}

static nb_status replay(nb_err *err)
{
    char arg[1100];
    int how = 0;
    size_t n;
    snprintf(arg, sizeof arg, "--script=%s/script", home());
    pid_t pid = faults_fork();
    if (pid == 0) {
        int out = creat(test_path(home(), "said"), 0600);
        alarm(PATIENCE);
        dup2(out, STDOUT_FILENO);
        dup2(out, STDERR_FILENO);
        nibble(arg, test_data("nibble-demo"));
    }
    fault_check(waitpid(pid, &how, 0) == pid, "waitpid");
    char *said = test_slurp(test_path(home(), "said"), &n);
    nb_status status = outcome(how, said ? said : "", err);
    free(said);
    return status;
}
FAULT_SCENARIO(tui_script, script_home, replay, NULL);

/* --- on a terminal: until its first frame, then Ctrl-Q ---------------------------------------- */

static struct {
    int fd, slave;
    struct termios before;
    vt screen;
} tty;

static void open_terminal(void)
{
    struct winsize size = {.ws_col = 80, .ws_row = 24};
    fresh_home();
    fault_check(openpty(&tty.fd, &tty.slave, NULL, NULL, &size) == 0, "openpty");
    fault_check(fcntl(tty.fd, F_SETFL, O_NONBLOCK) == 0, "fcntl");
    tcgetattr(tty.slave, &tty.before);
    vt_reset(&tty.screen, 80, 24);
}

static void look(void)
{
    char bytes[8192];
    for (ssize_t n; (n = read(tty.fd, bytes, sizeof bytes)) > 0;)
        vt_feed(&tty.screen, bytes, (size_t)n);
}

/* Feeds the terminal until the process has ended: Ctrl-Q as soon as there is a frame (without
 * memory one without text), then by turns `c`, which answers when a job still runs, and Ctrl-Q. */
static int quit_when_drawn(pid_t pid)
{
    static const char *const keys[] = {"\x11", "c"};
    int how = 0, asked = 0;
    double start = nb_now(), last = start;
    while (waitpid(pid, &how, WNOHANG) == 0) {
        struct pollfd fd = {.fd = tty.fd, .events = POLLIN};
        poll(&fd, 1, 1);
        look();
        double now = nb_now(), since = now - last;
        if (since > (asked ? 0.1 : 0.3) || (!asked && vt_shows(&tty.screen, "? keys"))) {
            last = now;
            fault_check(write(tty.fd, keys[asked++ % 2], 1) == 1, "no room for a key");
        }
        if (now - start > PATIENCE)
            kill(pid, SIGABRT);
    }
    look();
    return how;
}

static const char *left_behind(void)
{
    struct termios now = {0};
    const vt *t = &tty.screen;
    if (tcgetattr(tty.slave, &now) != 0 || now.c_iflag != tty.before.c_iflag ||
        now.c_oflag != tty.before.c_oflag || now.c_lflag != tty.before.c_lflag)
        return "other terminal modes";
    return t->alternate ? "alternate screen"
           : t->hidden  ? "hidden cursor"
           : t->paste   ? "bracketed paste"
           : t->mouse   ? "mouse"
                        : NULL;
}

static nb_status start(nb_err *err)
{
    pid_t pid = faults_fork();
    if (pid == 0) {
        setsid();
        ioctl(tty.slave, TIOCSCTTY, 0);
        for (int i = 0; i < 3; i++)
            dup2(tty.slave, i);
        nibble(test_data("nibble-demo"), NULL);
    }
    int how = quit_when_drawn(pid);
    nb_str said = {0};
    for (int y = 0; y < tty.screen.h; y++)
        nb_str_addf(&said, "%s\n", vt_row(&tty.screen, y));
    const char *left = faults_class() == FAULT_MEMORY ? left_behind() : NULL;
    fault_check(!left, "status %x leaves the terminal with: %s", how, left);
    nb_status status = outcome(how, nb_str_c(&said), err);
    nb_str_free(&said);
    return status;
}

static void close_terminal(nb_status status)
{
    (void)status;
    close(tty.fd);
    close(tty.slave);
}
FAULT_SCENARIO(tui_start, open_terminal, start, close_terminal);
