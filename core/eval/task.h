/* Tasks with a right answer, from local files: multiple choice scored by the mean log-probability
 * of each continuation (HellaSwag, Winogrande, llama.cpp's multiple-choice files), and questions
 * answered freely and compared word for word (qa files: the demo ships 71 facts).
 *
 * Protocols and picks: hellaswag_score, winogrande_score, multiple_choice_score of
 * tools/perplexity/perplexity.cpp, llama.cpp @ 050ee92 (MIT), retold in quant.md 4.3. One known
 * difference: where Winogrande's two tails are too short to leave the choice out, llama.cpp reads
 * the second one's first logits from the wrong place (its own note there); here they are its own.
 */
#ifndef NIBBLE_TASK_H
#define NIBBLE_TASK_H

#include "core/model/chat.h"

typedef enum nb_task_kind {
    NB_TASK_HELLASWAG,
    NB_TASK_WINOGRANDE,
    NB_TASK_CHOICE,
    NB_TASK_QA,
    NB_TASK_KINDS
} nb_task_kind;

const char *nb_task_name(nb_task_kind k);    /* "hellaswag", "winogrande", "choice", "qa" */
nb_task_kind nb_task_find(const char *name); /* NB_TASK_KINDS: no such task */

typedef struct nb_task_score {
    uint64_t in_file, asked, right;
    double score, lo, hi; /* shares; Wilson's 95 % interval */
    double chance;        /* share that guessing gets; 0 for free answers */
    double seconds;
} nb_task_score;

/* One task of a file; spans lie in the file's bytes. */
typedef struct nb_task_text {
    const char *at; /* borrowed: the file's bytes */
    size_t len;
} nb_task_text;
typedef struct nb_task_option {
    nb_task_text part[3]; /* the whole text, one behind another, is what is evaluated */
    bool right;
} nb_task_option;
typedef struct nb_task_item {
    uint32_t first, n; /* options */
} nb_task_item;

typedef struct nb_tasks nb_tasks;
/* bytes[n] stay borrowed. most 0 = all, else that many picked as llama-perplexity picks them
 * (mt19937 with seed 1). what: name of the file in messages. NB_FORMAT names line or task. For
 * NB_TASK_QA a JSON list of {questions: [text], answer: text}: each is one task. */
nb_status nb_tasks_open(nb_tasks **out, nb_task_kind kind, const void *bytes, size_t n,
                        uint32_t most, const char *what, nb_err *err);
void nb_tasks_close(nb_tasks **t);
nb_task_kind nb_tasks_kind(const nb_tasks *t);
size_t nb_tasks_count(const nb_tasks *t);
size_t nb_tasks_in_file(const nb_tasks *t);
const nb_task_item *nb_tasks_at(const nb_tasks *t, size_t i);
/* Of an item. For NB_TASK_QA an option is a question, part[0], with the answer in part[1]. */
const nb_task_option *nb_tasks_option(const nb_tasks *t, size_t i);

/* Context that the longest task needs; chat is for NB_TASK_QA only, else NULL. */
nb_status nb_tasks_context(uint32_t *out, const nb_tasks *t, const nb_tok *tok, const nb_chat *chat,
                           nb_err *err);

/* fn per task (may be NULL): the score so far. A qa task is right when the model answers its first
 * question exactly, greedily, spaces around aside. NB_REFUSED names a task that is longer than the
 * session's context. */
typedef void nb_task_fn(void *arg, size_t task, bool right, const nb_task_score *so_far);
nb_status nb_tasks_run(nb_task_score *out, const nb_tasks *t, nb_session *s, const nb_tok *tok,
                       const nb_chat *chat, nb_task_fn *fn, void *arg, const nb_hooks *hooks,
                       nb_err *err);

#endif
