/* The bare command: the workbench. */
#include <string.h>

#include "core/files/library.h"
#include "tui/app.h"
#include "tui/commands/cmd.h"

enum { U_SCRIPT, U_READ_ONLY, U_OFFLINE, U_COLOR, U_ASCII, U_PLAIN, U_NO_MOUSE, U_COUNT };
static const ui_opt opts[U_COUNT] = {
    {"script", 0, UI_OPT_FILE, "FILE", NULL, 0, 0, "replay keys without a terminal, save screens"},
    {"read-only", 0, UI_OPT_FLAG, NULL, NULL, 0, 0, "write nothing"},
    {"offline", 0, UI_OPT_FLAG, NULL, NULL, 0, 0, "never use the network"},
    {"color", 0, UI_OPT_TEXT, "WHEN", "auto", 0, 0, "auto or never"},
    {"ascii", 0, UI_OPT_FLAG, NULL, NULL, 0, 0, "ASCII glyphs only"},
    {"plain", 0, UI_OPT_FLAG, NULL, NULL, 0, 0,
     "lines and numbered choices, for screen readers, dumb terminals and pipes"},
    {"no-mouse", 0, UI_OPT_FLAG, NULL, NULL, 0, 0, "leave the mouse to the terminal"},
};

static nb_status run(ui_ctx *ctx, nb_err *err)
{
    const ui_arg *o = ctx->opt;
    ui_app_options opt = {
        .paths = ctx->args,
        .n_paths = ctx->n_args,
        .script = o[U_SCRIPT].text,
        .read_only = o[U_READ_ONLY].flag,
        .offline = o[U_OFFLINE].flag,
        .ascii = o[U_ASCII].flag,
        .plain = o[U_PLAIN].flag,
        .no_color = ctx->cfg.no_color,
        .no_mouse = o[U_NO_MOUSE].flag,
        .threads = ctx->threads,
    };
    if (ctx->json)
        return nb_fail(err, NB_USAGE, "--json goes with a command (nibble --help lists them)");
    if (o[U_COLOR].set && strcmp(o[U_COLOR].text, "never") == 0)
        opt.no_color = true;
    else if (o[U_COLOR].set && strcmp(o[U_COLOR].text, "auto") != 0)
        return nb_fail(err, NB_USAGE, "--color: expected auto or never, found \"%s\"",
                       o[U_COLOR].text);
    for (size_t i = 0; i < opt.n_paths; i++) {
        char path[1024];
        if (nb_is_remote(opt.paths[i]))
            return nb_fail(
                err, NB_USAGE,
                "an address names a remote model: nibble chat opens the workbench on it");
        if (nb_library_resolve(&ctx->cfg, opt.paths[i], path, sizeof path, NULL) != NB_OK)
            return nb_fail(err, NB_NOTFOUND, "no model or command \"%s\" (nibble --help)",
                           opt.paths[i]);
    }
    if (opt.n_paths == 1 && strcmp(opt.paths[0], "demo") == 0)
        opt.start = "quantize";
    return ui_app_run(&ctx->cfg, &opt, err);
}

const ui_cmd ui_cmd_ui = {
    .name = "ui",
    .args = "[PATH...]",
    .summary = "open the workbench",
    .details =
        "nibble browses the language models on this machine, quantizes them while showing what\n"
        "happens to the weights, measures the result, and chats with up to four precisions of one\n"
        "model side by side. Every screen action is also a command with --json.",
    .opt = opts,
    .n_opt = U_COUNT,
    .min_args = 0,
    .max_args = -1,
    .run = run,
};
