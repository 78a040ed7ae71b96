/* Out of the workbench and back: the clipboard, $EDITOR, and what to do when memory is gone. */
#include "tui/app_private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/file.h"

enum { MAX_EDIT = 4 << 20 };

void ui_app_copy(ui_app *app, const char *text, size_t n)
{
    char path[1100];
    nb_err err = {0};
    if (app->term && ui_term_copy(app->term, text, n)) {
        ui_app_say(app, "copied %zu bytes", n);
        return;
    }
    if (app->opt.read_only || !app->cfg.writable ||
        !nb_path_join(path, sizeof path, app->cfg.state_dir, "clipboard.txt")) {
        ui_app_say(app, "%zu bytes are too many for the clipboard", n);
        return;
    }
    if (nb_mkdirs(app->cfg.state_dir, &err) != NB_OK ||
        nb_replace_file(path, text, n, 0600, &err) != NB_OK)
        ui_app_error(app, err.msg, "nothing was copied", "");
    else
        ui_app_say(app, "written to %s", path);
}

/* $VISUAL or $EDITOR through the shell, as the user may have given it options. */
static nb_status run_editor(ui_app *app, const char *path, nb_err *err)
{
    const char *editor = getenv("VISUAL");
    editor = editor && *editor ? editor : getenv("EDITOR");
    if (!editor || !*editor)
        return nb_fail(err, NB_USAGE, "EDITOR is not set");
    nb_str line = {0};
    nb_str_addf(&line, "%s \"$1\"", editor);
    if (line.failed)
        return nb_fail(err, NB_NOMEM, "editor");
    ui_term_leave(app->term);
    int status = -1;
    pid_t child = fork();
    if (child == 0) {
        execl("/bin/sh", "sh", "-c", line.at, "sh", path, (char *)NULL);
        _exit(127);
    }
    while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    ui_term_enter(app->term);
    nb_str_free(&line);
    if (child < 0)
        return nb_fail_errno(err, errno, "start", editor);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        return nb_fail(err, NB_ERROR, "the editor \"%.80s\" failed; the text stays as it was",
                       editor);
    return NB_OK;
}

char *ui_app_edit(ui_app *app, const char *text, nb_err *err)
{
    char path[1100], *out = NULL;
    size_t n = 0;
    if (!app->term || !app->cfg.writable) {
        nb_fail(err, NB_USAGE, "an editor needs a terminal and a home folder");
        return NULL;
    }
    if (!nb_path_join(path, sizeof path, app->cfg.state_dir, "edit.md") ||
        nb_mkdirs(app->cfg.state_dir, err) != NB_OK ||
        nb_replace_file(path, text, strlen(text), 0600, err) != NB_OK)
        return NULL;
    if (run_editor(app, path, err) != NB_OK || nb_file_read(&out, &n, path, MAX_EDIT, err) != NB_OK)
        out = NULL;
    unlink(path);
    ui_app_dirty(app);
    while (out && n && (out[n - 1] == '\n' || out[n - 1] == '\r'))
        out[--n] = '\0';
    if (out && (strlen(out) != n || strcmp(out, text) == 0)) {
        free(out);
        out = NULL;
    }
    return out;
}

/* --- memory ---------------------------------------------------------------------------------- */

static void *or_die(void *p)
{
    static const char sentence[] = "nibble: not enough memory\n";
    if (p)
        return p;
    ui_term_emergency();
    ssize_t put = write(STDERR_FILENO, sentence, sizeof sentence - 1);
    (void)put;
    _exit(nb_exit_code(NB_NOMEM));
}

void *ui_xmalloc(size_t n)
{
    return or_die(malloc(n ? n : 1));
}

void *ui_xcalloc(size_t n, size_t size)
{
    return or_die(calloc(n ? n : 1, size ? size : 1));
}

char *ui_xstrdup(const char *s)
{
    return or_die(strdup(s));
}
