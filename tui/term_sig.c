/* Signals. A handler can only reach globals, so this file has the program's only mutable ones: what
 * to write when it ends, and which signals came. Everything handlers do is async-signal-safe. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/file.h"
#include "tui/term_private.h"

enum { RESTORE_BYTES = 512, STACK_BYTES = 64 << 10 };

static const int fatal[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
static const int noted[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE, SIGWINCH, SIGCONT, SIGTSTP};

static struct {
    char restore[RESTORE_BYTES];
    size_t restore_len;
    struct termios saved;
    int in, out, log_fd, pipe[2];
    stack_t stack_was;
    void *stack;
    struct sigaction was[64]; /* by signal number */
} words = {.pipe = {-1, -1}};
static atomic_bool active;
static atomic_int stderr_was = -1; /* written while inactive */
static _Atomic uint64_t pending;

static uint64_t bit(int signal_number)
{
    return UINT64_C(1) << signal_number;
}

static void put(int fd, const char *s, size_t n)
{
    while (n && fd >= 0) {
        ssize_t k = write(fd, s, n);
        if (k < 0 && errno == EINTR)
            continue;
        if (k <= 0)
            return;
        s += k;
        n -= (size_t)k;
    }
}

void ui_term_emergency(void)
{
    if (!atomic_exchange(&active, false))
        return;
    put(words.out, words.restore, words.restore_len);
    tcsetattr(words.in, TCSANOW, &words.saved);
    if (stderr_was >= 0) /* what is said from now on is for the user, not for the log */
        dup2(stderr_was, STDERR_FILENO);
}

static void default_action(int signal_number)
{
    struct sigaction dfl = {.sa_handler = SIG_DFL};
    sigset_t only;
    sigaction(signal_number, &dfl, NULL);
    sigemptyset(&only);
    sigaddset(&only, signal_number);
    pthread_sigmask(SIG_UNBLOCK, &only, NULL);
    raise(signal_number);
}

void ui_term_die(int signal_number)
{
    ui_term_emergency();
    default_action(signal_number);
    _exit(128 + signal_number);
}

static void crash_note(int signal_number)
{
    char note[] = "nibble " NB_VERSION " ended by signal 00\r\n";
    char *digits = note + sizeof note - 5;
    digits[0] = (char)('0' + signal_number / 10);
    digits[1] = (char)('0' + signal_number % 10);
    put(words.out, note, sizeof note - 1);
    put(words.log_fd, note, sizeof note - 1);
}

static void on_fatal(int signal_number)
{
    bool had = atomic_load(&active);
    ui_term_emergency();
    if (had)
        crash_note(signal_number);
    default_action(signal_number);
}

/* The loop takes it from here, unless it did not take the last one of its kind. */
static void on_noted(int signal_number)
{
    int saved = errno;
    uint64_t ends = bit(SIGINT) | bit(SIGTERM) | bit(SIGHUP) | bit(SIGQUIT) | bit(SIGPIPE);
    uint64_t before = atomic_fetch_or(&pending, bit(signal_number));
    if (before & bit(signal_number) & ends) {
        ui_term_emergency();
        default_action(signal_number);
    }
    put(words.pipe[1], "!", 1);
    errno = saved;
}

static nb_status open_pipe(nb_err *err)
{
    if (pipe(words.pipe) != 0)
        return nb_fail_errno(err, errno, "open", "signal pipe");
    for (int i = 0; i < 2; i++) {
        fcntl(words.pipe[i], F_SETFL, O_NONBLOCK);
        fcntl(words.pipe[i], F_SETFD, FD_CLOEXEC);
    }
    return NB_OK;
}

static void install(int signal_number, void (*handler)(int), int flags)
{
    struct sigaction a = {.sa_handler = handler, .sa_flags = flags};
    sigfillset(&a.sa_mask);
    sigaction(signal_number, &a, &words.was[signal_number]);
}

nb_status ui_term_signals_open(const term_last_words *w, nb_err *err)
{
    size_t n = strlen(w->restore);
    if (n >= sizeof words.restore)
        return nb_fail(err, NB_ERROR, "terminal: its reset string has %zu bytes", n);
    NB_TRY(open_pipe(err));
    memcpy(words.restore, w->restore, n);
    words.restore_len = n;
    words.in = w->in;
    words.out = w->out;
    words.log_fd = w->log_fd;
    words.saved = *w->saved;
    words.stack = malloc(STACK_BYTES);
    if (words.stack) {
        stack_t stack = {.ss_sp = words.stack, .ss_size = STACK_BYTES};
        sigaltstack(&stack, &words.stack_was);
    }
    atomic_store(&pending, 0);
    for (size_t i = 0; i < countof(fatal); i++)
        install(fatal[i], on_fatal, (int)(SA_ONSTACK | SA_RESETHAND));
    for (size_t i = 0; i < countof(noted); i++)
        install(noted[i], on_noted, SA_RESTART);
    nb_map_guard_install(); /* faults in mapped files are its own; it hands on the others */
    return NB_OK;
}

void ui_term_signals_close(void)
{
    for (size_t i = 0; i < countof(noted); i++)
        sigaction(noted[i], &words.was[noted[i]], NULL);
    for (size_t i = 0; i < countof(fatal); i++)
        if (fatal[i] != SIGBUS) /* the guard sits on top; below it an idle handler does no harm */
            sigaction(fatal[i], &words.was[fatal[i]], NULL);
    if (words.stack) {
        stack_t none = {.ss_flags = SS_DISABLE};
        sigaltstack(&none, NULL);
        free(words.stack);
        words.stack = NULL;
    }
    for (int i = 0; i < 2; i++) {
        if (words.pipe[i] >= 0)
            close(words.pipe[i]);
        words.pipe[i] = -1;
    }
}

void ui_term_signals_active(bool on, int fd)
{
    if (on)
        atomic_store(&stderr_was, fd);
    atomic_store(&active, on);
    struct sigaction stop = {.sa_handler = on ? on_noted : SIG_DFL, .sa_flags = SA_RESTART};
    sigfillset(&stop.sa_mask);
    sigaction(SIGTSTP, &stop, NULL);
}

uint64_t ui_term_signals_take(void)
{
    char bytes[64];
    while (read(words.pipe[0], bytes, sizeof bytes) == (ssize_t)sizeof bytes)
        ;
    return atomic_exchange(&pending, 0);
}

int ui_term_signals_fd(void)
{
    return words.pipe[0];
}
