/* What endpoints told of the files that compare shows: told below the table, in no ranking. */
#ifndef NIBBLE_COMPARE_FAR_H
#define NIBBLE_COMPARE_FAR_H

#include "core/base/json.h"
#include "core/eval/compare.h"

/* far[n]: addresses of endpoints whose own perplexities are asked for. runs NULL: nothing known. */
typedef struct ui_compare_far {
    const nb_compare *c;
    const nb_runs *runs;
    const char *const *far;
    size_t n;
    bool every; /* endpoints' perplexities need not be asked for */
} ui_compare_far;

/* One result a line, not sanitised; behind the last one nothing is borrowed. Returns their number.
 */
size_t ui_compare_far_lines(const ui_compare_far *f, void (*see)(void *arg, const char *line),
                            void *arg);
extern const char ui_compare_far_title[]; /* what they are, over all of them */

void ui_compare_far_print(const ui_compare_far *f);
/* "remote": [{model, reference, ...}]. */
void ui_compare_far_json(nb_jout *w, const ui_compare_far *f);

#endif
