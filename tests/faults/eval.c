/* Evaluation: a base file is whole or not there, a divergence and a task run give the same figures
 * or fail with words, an exchanged tensor is put back (A11, A13). */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/base/file.h"
#include "core/eval/base_file.h"
#include "core/eval/sensitivity.h"
#include "core/eval/task.h"
#include "kernels/cpu.h"
#include "tests/faults/faults.h"
#include "tests/util.h"

enum { CTX = 16, CHUNKS = 2 };

typedef struct engine {
    nk_ops ops;
    nb_weights *w;
    nb_model *m;
    nb_tok *tok;
    nb_session *s;
    nb_reading r;
} engine;

static nb_status engine_open(engine *e, nb_err *err)
{
    static const char text[] = "Once upon a time there was a king who had three daughters, and the "
                               "youngest of them was so fair that the sun itself wondered at her.";
    nb_session_options opt = {.n_ctx = CTX};
    nb_reading_options read = {.n_ctx = CTX, .max_chunks = CHUNKS};
    nk_ops_init(&e->ops, nk_cpu_detect());
    NB_TRY(nb_weights_open(&e->w, test_data("nibble-demo"), err));
    NB_TRY(nb_model_open(&e->m, e->w, err));
    NB_TRY(nb_tok_open(&e->tok, nb_weights_kvs(e->w), err));
    NB_TRY(nb_session_open(&e->s, e->m, &e->ops, NULL, &opt, err));
    return nb_reading_open(&e->r, e->tok, e->m->hp.n_vocab, text, sizeof text - 1, &read, err);
}

static void engine_close(engine *e)
{
    nb_reading_close(&e->r);
    nb_session_close(&e->s);
    nb_tok_close(&e->tok);
    nb_model_close(&e->m);
    nb_weights_close(&e->w);
}

static const char *base_path(void)
{
    return test_path(test_tmpdir(), "fault.base");
}

static nb_status write_base(nb_err *err)
{
    engine e = {.r.ids = NULL};
    nb_ppl p;
    nb_status st = engine_open(&e, err);
    if (st == NB_OK) {
        nb_base_about about = {.kind = NB_BASE_NIBBLE,
                               .vocab = nb_vocab_print(e.tok),
                               .text = "",
                               .name = "demo",
                               .cpu_flags = e.ops.flags};
        st = nb_base_save(&p, base_path(), &about, e.s, &e.r, NULL, NULL, err);
    }
    engine_close(&e);
    return st;
}

static void remove_base(void)
{
    unlink(base_path());
}

static nb_status read_base(nb_err *err)
{
    static double first;
    engine e = {.r.ids = NULL};
    nb_base *b = NULL;
    nb_kld k;
    nb_status st = engine_open(&e, err);
    if (st == NB_OK)
        st = nb_base_open(&b, base_path(), e.tok, &e.ops, NULL, err);
    fault_check((st == NB_OK) == (b != NULL), "output without success");
    if (st == NB_OK)
        st = nb_kld_run(&k, e.s, &b->ref, NULL, &b->reading, NULL, NULL, NULL, err);
    if (st == NB_OK && first == 0) /* the first run has no fault */
        first = k.base_ppl;
    fault_check(st != NB_OK || (k.base_ppl >= first && k.base_ppl <= first), "another figure");
    nb_base_close(&b);
    engine_close(&e);
    return st;
}

static void base_whole(nb_status status)
{
    char part[600];
    nb_err err = {0};
    snprintf(part, sizeof part, "%s.part", base_path());
    fault_check(!nb_exists(part), "a part was left");
    fault_check(status != NB_OK || nb_exists(base_path()), "success without a file");
    if (status == NB_OK)
        fault_check(read_base(&err) == NB_OK, "%s", err.msg);
}
FAULT_SCENARIO(base_save, remove_base, write_base, base_whole);

static void lay_base(void)
{
    nb_err err = {0};
    fault_check(write_base(&err) == NB_OK, "%s", err.msg);
}
FAULT_SCENARIO(base_read, lay_base, read_base, NULL);

static nb_status score_tasks(nb_err *err)
{
    static const char file[] = "A: one\n1\na king.\na queen of.\nthe the.\na wolf.\n";
    engine e = {.r.ids = NULL};
    nb_tasks *t = NULL;
    nb_task_score s = {.asked = 77};
    nb_status st = engine_open(&e, err);
    if (st == NB_OK)
        st = nb_tasks_open(&t, NB_TASK_HELLASWAG, file, sizeof file - 1, 0, "file", err);
    if (st == NB_OK)
        st = nb_tasks_run(&s, t, e.s, e.tok, NULL, NULL, NULL, NULL, err);
    fault_check(s.asked == (st == NB_OK ? 1 : 77), "%llu asked", (unsigned long long)s.asked);
    nb_tasks_close(&t);
    engine_close(&e);
    return st;
}
FAULT_SCENARIO(tasks, NULL, score_tasks, NULL);

static nb_status one_damage(nb_err *err)
{
    static double first;
    engine e = {.r.ids = NULL};
    nb_sense *s = NULL;
    nb_damage d;
    nb_status st = engine_open(&e, err);
    if (st == NB_OK)
        st = nb_sense_open(&s, e.m, &e.ops, NULL, &e.r, NULL, err);
    if (st == NB_OK)
        st = nb_sense_measure(s, nb_weights_find(e.w, "blk.0.attn_q.weight"), nk_type_get(NK_Q2_K),
                              NULL, &d, NULL, err);
    if (st == NB_OK && first == 0)
        first = d.kld;
    fault_check(st != NB_OK || (d.kld >= first && d.kld <= first), "another damage");
    nb_sense_close(&s);
    engine_close(&e);
    return st;
}
FAULT_SCENARIO(damage, NULL, one_damage, NULL);
