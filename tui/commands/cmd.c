#include "tui/commands/cmd.h"

#include <locale.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/file.h"
#include "core/base/hub_env.h"
#include "core/base/job.h"
#include "core/eval/tune.h"
#include "kernels/cpu.h"
#include "tui/commands/opt.h"

static const ui_cmd *const table[] = {
#define UI_CMD(sym) &ui_cmd_##sym,
#include "tui/commands/cmds.def"
#undef UI_CMD
};

const ui_cmd *const *ui_cmds(size_t *count)
{
    *count = countof(table);
    return table;
}

const ui_cmd *ui_cmd_find(const char *name)
{
    for (size_t i = 0; i < countof(table); i++) {
        const ui_cmd *c = table[i];
        if (strcmp(c->name, name) == 0 || (c->alias && strcmp(c->alias, name) == 0))
            return c;
    }
    return NULL;
}

/* --- progress on stderr ------------------------------------------------------------------------
 */

/* Set by the signal handler, read by every poll of a command's hooks. */
static volatile sig_atomic_t interrupted;

static void on_signal(int sig)
{
    (void)sig;
    interrupted = 1;
}

static void catch_signals(void)
{
    struct sigaction sa = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};
    sigaction(SIGINT, &sa, NULL);
    sigaction(SIGTERM, &sa, NULL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a size limit answers as EFBIG, like a full disk */
}

static bool hook_canceled(void *ud)
{
    (void)ud;
    return interrupted != 0;
}

/* One progress line, redrawn at most ten times a second, from 150 ms on. */
static void hook_progress(void *ud, const nb_progress *p)
{
    ui_ctx *ctx = ud;
    ui_line *line = &ctx->line;
    double now = nb_now();
    if (line->start == 0)
        line->start = now;
    if (ctx->quiet || !ctx->err_tty || now - line->start < 0.15 || now - line->last < 0.1)
        return;
    line->last = now;
    line->shown = true;
    double share = p->total ? (double)p->done / (double)p->total : 0;
    double eta = share > 0 ? (now - line->start) * (1 - share) / share : -1;
    char rate[24] = "", left[16];
    if (p->bytes_in) {
        char human[16];
        nb_human_bytes(human, (uint64_t)((double)p->bytes_in / (now - line->start)));
        snprintf(rate, sizeof rate, "  %s/s", human);
    }
    nb_str safe = {0};
    nb_safe_text(&safe, p->what ? p->what : "", p->what ? strlen(p->what) : 0, NB_SAFE_ONE_LINE);
    fprintf(stderr, "\r\033[K%3d%%  %.40s%s  %s left", (int)(100 * share), nb_str_c(&safe), rate,
            nb_human_time(left, eta));
    fflush(stderr);
    nb_str_free(&safe);
}

nb_hooks ui_ctx_hooks(ui_ctx *ctx)
{
    ctx->line = (ui_line){0};
    if (ctx->hooks)
        return *ctx->hooks;
    return (nb_hooks){hook_progress, hook_canceled, ctx};
}

void ui_ctx_done(ui_ctx *ctx)
{
    if (ctx->line.shown && ctx->err_tty)
        fputs("\r\033[K", stderr);
    ctx->line = (ui_line){0};
}

void ui_print_safe(const char *text, size_t n)
{
    nb_str safe = {0};
    nb_safe_text(&safe, text, n, 0);
    fwrite(nb_str_c(&safe), 1, safe.len, stdout);
    nb_str_free(&safe);
}

void ui_print_line(const char *text)
{
    nb_str safe = {0};
    nb_safe_text(&safe, text, strlen(text), NB_SAFE_ONE_LINE);
    puts(nb_str_c(&safe));
    nb_str_free(&safe);
}

/* The one sentence of a failure: what went wrong and, when it is known, what to do about it.
 * Without memory to make it safe, what its status says. */
static void print_error(const nb_err *err, nb_status st, const char *remedy)
{
    nb_str safe = {0};
    nb_safe_text(&safe, err->msg, strlen(err->msg), NB_SAFE_ONE_LINE);
    fprintf(stderr, "nibble: %s%s%s\n", safe.len && !safe.failed ? safe.at : nb_status_text(st),
            remedy ? "; " : "", remedy ? remedy : "");
    nb_str_free(&safe);
}

/* --- running a row ------------------------------------------------------------------------------
 */

static nb_status run_row(const ui_cmd *cmd, int argc, char **argv, const char *exe,
                         const char **remedy, nb_err *err)
{
    ui_parsed p;
    NB_TRY(ui_parse(&p, cmd, argc, argv, err));
    nb_status st;
    const ui_arg *common = p.opt + cmd->n_opt;
    if (common[UI_COMMON_HELP].set) {
        nb_str text = {0};
        ui_help_print(cmd, &text);
        fputs(nb_str_c(&text), stdout);
        nb_str_free(&text);
        st = NB_OK;
        goto out;
    }
    ui_ctx *ctx = nb_alloc(1, sizeof *ctx, "context", err);
    if (!ctx) {
        st = NB_NOMEM;
        goto out;
    }
    nb_hub_env_guard();
    nb_config_load(&ctx->cfg, exe, NULL);
    unsigned flags = 0;
    st = nk_cpu_cap(nk_cpu_detect(), ctx->cfg.cpu, &flags, err);
    if (st == NB_OK) {
        nk_ops_init(&ctx->ops, flags);
        nb_tune_apply(&ctx->cfg, ctx->cfg.cpu, &ctx->ops);
        ctx->threads = common[UI_COMMON_THREADS].set ? (int)common[UI_COMMON_THREADS].i
                       : ctx->cfg.threads > 0        ? ctx->cfg.threads
                                                     : nk_cpu_count();
        ctx->json = common[UI_COMMON_JSON].flag;
        ctx->quiet = common[UI_COMMON_QUIET].flag;
        ctx->dry_run = common[UI_COMMON_DRY].flag;
        ctx->yes = common[UI_COMMON_YES].flag;
        ctx->force = common[UI_COMMON_FORCE].flag;
        ctx->opt = p.opt;
        ctx->args = p.args;
        ctx->n_args = p.n_args;
        ctx->err_tty = isatty(STDERR_FILENO) == 1;
        st = cmd->run(ctx, err);
        ui_ctx_done(ctx);
        *remedy = ctx->remedy;
    }
    free(ctx);
out:
    ui_parsed_free(&p);
    return st;
}

static void print_version(void)
{
    unsigned flags = nk_cpu_detect();
    printf("nibble %s (%s)\n", NB_VERSION, nk_cpu_level(flags));
}

/* `nibble show demo | head`: who reads had enough. */
static bool reader_gone(void)
{
    struct pollfd out = {.fd = STDOUT_FILENO, .events = POLLOUT};
    return poll(&out, 1, 0) == 1 && (out.revents & POLLERR);
}

static nb_status flush_stdout(nb_err *err)
{
    if ((fflush(stdout) == 0 && !ferror(stdout)) || reader_gone())
        return NB_OK;
    return nb_fail(err, NB_IO, "stdout: the output could not be written whole");
}

static nb_status dispatch(int argc, char **argv, const char **remedy, nb_err *err)
{
    const char *first = argc > 1 ? argv[1] : "";
    if (strcmp(first, "--version") == 0) {
        print_version();
        return NB_OK;
    }
    if (strcmp(first, "--help") == 0 || strcmp(first, "-h") == 0 || strcmp(first, "help") == 0) {
        const ui_cmd *about = argc > 2 ? ui_cmd_find(argv[2]) : NULL;
        if (argc > 2 && !about)
            return nb_fail(err, NB_USAGE, "no command \"%s\" (nibble --help lists them)", argv[2]);
        nb_str text = {0};
        ui_help_print(about, &text);
        fputs(nb_str_c(&text), stdout);
        nb_str_free(&text);
        return NB_OK;
    }
    const ui_cmd *cmd = ui_cmd_find(first);
    if (cmd)
        return run_row(cmd, argc - 2, argv + 2, argv[0], remedy, err);
    return run_row(&ui_cmd_ui, argc - 1, argv + 1, argv[0], remedy, err);
}

/* Large blocks are mapped for themselves and go back when freed. Left alone, glibc raises that
 * limit to the largest block it ever freed (mallopt(3), M_MMAP_THRESHOLD); caches and buffers of
 * model after model then lie in the heaps of the threads that opened them, and keep them large. */
static void keep_heaps_small(void)
{
#ifdef M_MMAP_THRESHOLD
    mallopt(M_MMAP_THRESHOLD, 256 << 10);
#endif
}

int ui_main(int argc, char **argv)
{
    keep_heaps_small();
    setlocale(LC_ALL, "");
    setlocale(LC_NUMERIC, "C"); /* numbers read the same everywhere */
    catch_signals();
    nb_map_guard_install();
    nb_err err = {0};
    const char *remedy = NULL;
    nb_status st = dispatch(argc, argv, &remedy, &err);
    if (st == NB_OK)
        st = flush_stdout(&err);
    if (st != NB_OK)
        print_error(&err, st, remedy);
    return nb_exit_code(st);
}
