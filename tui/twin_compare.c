/* Files of one model side by side, as `nibble compare --json` and the Compare screen tell them. */
#include "core/eval/compare.h"
#include "tui/twin.h"

static void value(nb_jout *w, const char *key, bool known, double v)
{
    nb_jout_key(w, key);
    if (known)
        nb_jout_double(w, v);
    else
        nb_jout_null(w);
}

static void row(nb_jout *w, const nb_compare_row *r)
{
    nb_jout_object(w);
    nb_jout_key(w, "file"), nb_jout_str(w, r->path);
    nb_jout_key(w, "type"), nb_jout_str(w, r->type_name);
    nb_jout_key(w, "reference"), nb_jout_bool(w, r->is_reference);
    nb_jout_key(w, "bytes"), nb_jout_u64(w, r->bytes);
    nb_jout_key(w, "params"), nb_jout_u64(w, r->params);
    nb_jout_key(w, "bpw"), nb_jout_double(w, r->bpw);
    value(w, "ram", r->ram > 0, (double)r->ram);
    value(w, "ram_ctx", r->ram > 0, r->ram_ctx);
    value(w, "ppl", r->has_ppl, r->ppl);
    value(w, "ppl_stderr", r->has_ppl, r->ppl_err);
    value(w, "kld", r->has_kld, r->kld.kld.mean);
    value(w, "kld_stderr", r->has_kld, r->kld.kld.err);
    value(w, "kld_p99", r->has_kld, r->kld.kld.p99);
    value(w, "same_top", r->has_kld, r->kld.same_top);
    value(w, "same_top_lo", r->has_kld, r->kld.same_top_lo);
    value(w, "same_top_hi", r->has_kld, r->kld.same_top_hi);
    value(w, "facts_kept", r->has_facts, (double)r->facts.right);
    value(w, "facts", r->has_facts, (double)r->facts.asked);
    value(w, "facts_lo", r->has_facts, r->facts.lo);
    value(w, "facts_hi", r->has_facts, r->facts.hi);
    value(w, "tok_per_s", r->has_speed, r->tg_tok_s);
    value(w, "prompt_tok_per_s", r->has_speed && r->pp_tok_s > 0, r->pp_tok_s);
    nb_jout_key(w, "pareto"), nb_jout_bool(w, r->front);
    nb_jout_key(w, "advice"), nb_jout_str(w, r->advice);
    nb_jout_object_end(w);
}

void ui_twin_compare(nb_jout *w, const nb_compare *c, size_t pick, const char *why)
{
    nb_jout_key(w, "reference"), nb_jout_str(w, nb_compare_reference(c));
    nb_jout_key(w, "text_sha256"), nb_jout_str(w, c->key.text);
    nb_jout_key(w, "protocol"), nb_jout_str(w, c->key.protocol);
    nb_jout_key(w, "ctx"), nb_jout_u64(w, c->key.n_ctx);
    nb_jout_key(w, "chunks"), nb_jout_u64(w, c->key.chunks);
    nb_jout_key(w, "keep");
    if (pick < c->n)
        nb_jout_str(w, c->row[pick].path);
    else
        nb_jout_null(w);
    nb_jout_key(w, "why"), nb_jout_str(w, why);
    nb_jout_key(w, "files"), nb_jout_array(w);
    for (size_t i = 0; i < c->n; i++)
        row(w, &c->row[i]);
    nb_jout_array_end(w);
}
