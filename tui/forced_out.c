#include "tui/forced_out.h"

#include <math.h>

const char *ui_forced_piece(const ui_message *m, size_t i, size_t *n)
{
    *n = m->token[i].len;
    return nb_str_c(&m->text) + m->token[i].start;
}

static void token_json(nb_jout *w, const ui_message *m, size_t i, const nb_kld_point *p)
{
    size_t n;
    const char *text = ui_forced_piece(m, i, &n);
    nb_jout_object(w);
    nb_jout_key(w, "id"), nb_jout_i64(w, m->token[i].id);
    nb_jout_key(w, "text"), nb_jout_strn(w, text, n);
    nb_jout_key(w, "kl"), nb_jout_double(w, p->kld);
    nb_jout_key(w, "p"), nb_jout_double(w, exp(-p->nll));
    nb_jout_key(w, "p_reference"), nb_jout_double(w, exp(-p->base_nll));
    nb_jout_key(w, "same_top"), nb_jout_bool(w, p->same_top);
    nb_jout_object_end(w);
}

void ui_forced_json(nb_jout *w, const ui_message *m, const nb_kld_point *point)
{
    nb_forced_sum s = nb_forced_sum_of(point, m->n_token);
    nb_jout_key(w, "scored"), nb_jout_u64(w, s.n);
    nb_jout_key(w, "kld");
    nb_jout_object(w);
    nb_jout_key(w, "mean"), nb_jout_double(w, s.kld);
    nb_jout_key(w, "stderr"), nb_jout_double(w, s.kld_err);
    nb_jout_key(w, "max"), nb_jout_double(w, s.kld_max);
    nb_jout_key(w, "max_token"), nb_jout_u64(w, s.max_at);
    nb_jout_object_end(w);
    nb_jout_key(w, "same_top");
    nb_jout_object(w);
    nb_jout_key(w, "value"), nb_jout_double(w, s.same);
    nb_jout_key(w, "lo"), nb_jout_double(w, s.same_lo);
    nb_jout_key(w, "hi"), nb_jout_double(w, s.same_hi);
    nb_jout_object_end(w);
    nb_jout_key(w, "tokens");
    nb_jout_array(w);
    for (size_t i = 0; i < m->n_token; i++)
        token_json(w, m, i, &point[i]);
    nb_jout_array_end(w);
}
