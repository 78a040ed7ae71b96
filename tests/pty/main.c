/* build/tests/pty [NAME]: the workbench on a real pty (tui rows 1 3 4 5 6 8-17 22-25 27 28 30,
 * A30-A32 A34), after the harness has proved itself. Each row prints its seconds (reliability.md
 * 5). */
#include "tests/pty/hub.h"
#include "tests/pty/pty.h"

#include <errno.h>
#include <pty.h>
#include <string.h>
#include <unistd.h>

jmp_buf pty_row;
const char *pty_program = NB_TEST_ROOT "/" NB_TEST_BUILD "/nibble";

static bool passes(void (*run)(pty *p), pty *p)
{
    if (setjmp(pty_row))
        return false;
    run(p);
    return true;
}

static int run_rows(const pty_test *row, const char *only)
{
    static pty p;
    int failed = 0;
    for (; row->name; row++) {
        if (only && !strstr(row->name, only))
            continue;
        double start = pty_now();
        pty_new_home();
        bool ok = passes(row->run, &p);
        hub_down(); /* of a row that failed */
        pty_close(&p);
        printf("%s %5.2f s  %s\n", ok ? "ok    " : "FAILED", pty_now() - start, row->name);
        fflush(stdout);
        failed += !ok;
    }
    return failed;
}

int main(int argc, char **argv)
{
    const pty_test *const groups[] = {
        pty_self_tests,  pty_start_tests,     pty_live_tests,   pty_busy_tests,  pty_words_tests,
        pty_hub_tests,   pty_hub_words_tests, pty_secret_tests, pty_fetch_tests, pty_end_tests,
        pty_plain_tests, pty_killed_tests,    pty_soak_tests};
    const char *only = argc > 1 ? argv[1] : NULL;
    int failed = 0, fd, slave;
    if (openpty(&fd, &slave, NULL, NULL, NULL) != 0) {
        printf("skipped: no pseudo terminals here (openpty: %s)\n", strerror(errno));
        return 0;
    }
    close(fd);
    close(slave);
    for (size_t i = 0; i < sizeof groups / sizeof groups[0]; i++)
        failed += run_rows(groups[i], only);
    printf("%d failed\n", failed);
    return failed ? 1 : 0;
}
