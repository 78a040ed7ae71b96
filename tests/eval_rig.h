/* Shared by the tests of evaluation: an engine on a file, the demo in some precision, its text. */
#ifndef NIBBLE_TEST_EVAL_RIG_H
#define NIBBLE_TEST_EVAL_RIG_H

#include "core/model/session.h"
#include "core/model/tok.h"
#include "tests/check.h"

typedef struct eval_rig {
    nb_weights *w;
    nb_model *m;
    nb_tok *tok;
    nb_session *s;
    nk_pool *pool;
} eval_rig;

eval_rig eval_open(const char *path, uint32_t n_ctx, bool kv_f32);
eval_rig eval_open_threads(const char *path, uint32_t n_ctx, int threads);
void eval_close(eval_rig *e);
/* The demo quantized by this preset, made once; the string is test_path's. */
const char *eval_file(const char *preset);
/* tests/data/eval.txt, malloc'd. */
char *eval_slice(size_t *n);

#endif
