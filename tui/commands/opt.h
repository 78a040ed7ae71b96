/* Command-line parsing against a row's option table. Common options (--json, --threads, ...) follow
 * the row's own in the result, so a row indexes its options by its table's order. */
#ifndef NIBBLE_OPT_H
#define NIBBLE_OPT_H

#include "tui/commands/cmd.h"

enum {
    UI_COMMON_JSON,
    UI_COMMON_THREADS,
    UI_COMMON_QUIET,
    UI_COMMON_HELP,
    UI_COMMON_DRY,
    UI_COMMON_YES,
    UI_COMMON_FORCE,
    UI_COMMON_COUNT
};
extern const ui_opt ui_common[UI_COMMON_COUNT];
/* Common options this row has: the last three are for writers only. */
size_t ui_common_count(const ui_cmd *cmd);

typedef struct ui_parsed {
    ui_arg *opt;       /* [cmd->n_opt + UI_COMMON_COUNT] owned */
    const char **args; /* owned array, borrowed strings */
    size_t n_args;
    const char **texts; /* owned: values of TEXTS options */
} ui_parsed;

/* argv[0..argc) are the words after the command. NB_USAGE names option and value. --help stops the
 * parse with opt[n_opt + UI_COMMON_HELP].set. */
nb_status ui_parse(ui_parsed *out, const ui_cmd *cmd, int argc, char **argv, nb_err *err);
void ui_parsed_free(ui_parsed *p);
/* The option's row by index over own and common ones. */
const ui_opt *ui_opt_at(const ui_cmd *cmd, size_t i);
/* Its help: the row's, but --force means something else to each command. */
const char *ui_opt_help(const ui_cmd *cmd, size_t i);

#endif
