/* The user's browser, outside the terminal: a child of its own session with nothing of ours open.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tui/term.h"

static bool is_address(const char *url)
{
    if (strncmp(url, "https://", 8) != 0 && strncmp(url, "http://", 7) != 0)
        return false;
    for (; *url; url++)
        if (*url <= ' ' || *url == '"' || *url == '\'' || *url == '\\' || *url > '~')
            return false;
    return true;
}

/* The grandchild: nobody waits for it. */
static void become_opener(const char *url)
{
    int null = open("/dev/null", O_RDWR);
    for (int fd = 0; null >= 0 && fd < 3; fd++)
        dup2(null, fd);
    execlp("xdg-open", "xdg-open", url, (char *)NULL);
    execlp("open", "open", url, (char *)NULL);
    _exit(127);
}

bool ui_term_browse(const char *url)
{
    const char *x = getenv("DISPLAY"), *wayland = getenv("WAYLAND_DISPLAY");
    if (!is_address(url) || !((x && *x) || (wayland && *wayland)))
        return false;
    pid_t child = fork();
    if (child == 0) {
        setsid();
        pid_t opener = fork();
        if (opener == 0)
            become_opener(url);
        _exit(opener < 0);
    }
    int status = 1;
    while (child > 0 && waitpid(child, &status, 0) < 0)
        continue;
    return child > 0 && status == 0;
}
