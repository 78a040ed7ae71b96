/* A subcommand is one const row at the foot of its cmd_*.c: options as a table, so --help,
 * completion, the man page and the parser agree by construction. stdout carries data, stderr
 * progress; with --json one JSON document with stable keys. */
#ifndef NIBBLE_CMD_H
#define NIBBLE_CMD_H

#include "core/base/config.h"
#include "core/base/json.h"
#include "core/model/sched.h"
#include "kernels/ops.h"

typedef enum ui_opt_kind {
    UI_OPT_FLAG,
    UI_OPT_INT,
    UI_OPT_NUM,
    UI_OPT_TEXT,
    UI_OPT_TYPE,
    UI_OPT_FILE,
    UI_OPT_MODEL,
    UI_OPT_TEXTS
} ui_opt_kind;

typedef struct ui_opt {
    const char *name; /* "type", used as --type */
    char letter;      /* 't' for -t, 0 = none */
    ui_opt_kind kind;
    const char *value;    /* metavariable: "TYPE"; NULL for a flag */
    const char *fallback; /* shown default; NULL = none */
    double min, max;      /* INT, NUM; equal = unchecked */
    const char *help;
} ui_opt;

/* Parsed arguments: by option index (countof of the row's table). */
typedef struct ui_arg {
    bool set, flag;
    int64_t i;
    double num;
    const char *text;         /* last value, borrowed: argv */
    const char *const *texts; /* TEXTS: all values */
    size_t n_texts;
} ui_arg;

typedef struct ui_line { /* the progress line on stderr */
    double start, last;  /* seconds */
    bool shown;
} ui_line;

typedef struct ui_ctx {
    nb_config cfg;
    nk_ops ops; /* after NIBBLE_CPU / --cpu */
    int threads;
    bool json, yes, force, dry_run, quiet;
    const ui_arg *opt;       /* [countof(row->opt)] */
    const char *const *args; /* positional */
    size_t n_args;
    bool err_tty; /* progress may be drawn on stderr */
    ui_line line;
    const nb_hooks *hooks; /* who follows and cancels; NULL = a line on stderr, SIGINT */
    const char *remedy; /* borrowed, constant: what to do about the failure; NULL = nothing known */
} ui_ctx;

typedef struct ui_cmd {
    const char *name, *alias;
    const char *args;    /* "MODEL -t TYPE -o OUT" */
    const char *summary; /* one line */
    const char *details; /* paragraphs for --help and the man page; JSON keys documented here */
    const ui_opt *opt;
    size_t n_opt;
    int min_args, max_args; /* max < 0 = any */
    bool writes;            /* has --dry-run --yes --force */
    const char *force;      /* what --force does here; NULL = replaces the output */
    nb_status (*run)(ui_ctx *ctx, nb_err *err);
} ui_cmd;

#define UI_CMD(sym) extern const ui_cmd ui_cmd_##sym;
#include "tui/commands/cmds.def"
#undef UI_CMD
const ui_cmd *const *ui_cmds(size_t *count);
const ui_cmd *ui_cmd_find(const char *name); /* name or alias */

/* The whole program: argv -> row -> exit code. Prints the one error sentence itself. */
int ui_main(int argc, char **argv);

/* Common pieces for rows: */
nb_hooks ui_ctx_hooks(ui_ctx *ctx); /* progress line on stderr (rate, ETA), SIGINT cancels */
void ui_ctx_done(ui_ctx *ctx);      /* ends the progress line */
/* Foreign text to stdout: sanitised when stdout is a terminal, verbatim otherwise only if raw. */
void ui_print_safe(const char *text, size_t n);
/* One line of it, whatever line ends it holds, and an end of line. */
void ui_print_line(const char *text);
/* Generated texts. */
void ui_help_print(const ui_cmd *cmd, nb_str *out);                   /* NULL = the program's */
nb_status ui_completion(const char *shell, nb_str *out, nb_err *err); /* bash zsh fish */
void ui_manpage(nb_str *out);

#endif
