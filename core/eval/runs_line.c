#include "core/eval/runs_line.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Every number of a record: one row both ways. Integers stay below 2^53 by nature. */
typedef struct field {
    const char *key;
    size_t at;
    enum { F_U32, F_U64, F_DOUBLE } kind;
} field;

#define FIELD(type, member, kind)                                                                  \
    {                                                                                              \
#member, offsetof(type, member), kind                                                      \
    }
static const field ppl_fields[] = {
    FIELD(nb_ppl, n_ctx, F_U32),        FIELD(nb_ppl, chunks, F_U32),
    FIELD(nb_ppl, tokens, F_U64),       FIELD(nb_ppl, scored, F_U64),
    FIELD(nb_ppl, nll, F_DOUBLE),       FIELD(nb_ppl, perplexity, F_DOUBLE),
    FIELD(nb_ppl, stderr_, F_DOUBLE),   FIELD(nb_ppl, seconds, F_DOUBLE),
    FIELD(nb_ppl, tok_per_s, F_DOUBLE),
};
static const field kld_fields[] = {
    FIELD(nb_kld, n_ctx, F_U32),           FIELD(nb_kld, chunks, F_U32),
    FIELD(nb_kld, scored, F_U64),          FIELD(nb_kld, ppl, F_DOUBLE),
    FIELD(nb_kld, ppl_err, F_DOUBLE),      FIELD(nb_kld, base_ppl, F_DOUBLE),
    FIELD(nb_kld, base_ppl_err, F_DOUBLE), FIELD(nb_kld, cor, F_DOUBLE),
    FIELD(nb_kld, ln_ratio, F_DOUBLE),     FIELD(nb_kld, ln_ratio_err, F_DOUBLE),
    FIELD(nb_kld, ratio, F_DOUBLE),        FIELD(nb_kld, ratio_err, F_DOUBLE),
    FIELD(nb_kld, diff, F_DOUBLE),         FIELD(nb_kld, diff_err, F_DOUBLE),
    FIELD(nb_kld, rms_dp, F_DOUBLE),       FIELD(nb_kld, rms_dp_err, F_DOUBLE),
    FIELD(nb_kld, n_same_top, F_U64),      FIELD(nb_kld, same_top, F_DOUBLE),
    FIELD(nb_kld, same_top_err, F_DOUBLE), FIELD(nb_kld, same_top_lo, F_DOUBLE),
    FIELD(nb_kld, same_top_hi, F_DOUBLE),  FIELD(nb_kld, seconds, F_DOUBLE),
    FIELD(nb_kld, tok_per_s, F_DOUBLE),
};
static const field spread_fields[] = {
    FIELD(nb_spread, mean, F_DOUBLE),   FIELD(nb_spread, err, F_DOUBLE),
    FIELD(nb_spread, max, F_DOUBLE),    FIELD(nb_spread, p999, F_DOUBLE),
    FIELD(nb_spread, p99, F_DOUBLE),    FIELD(nb_spread, p95, F_DOUBLE),
    FIELD(nb_spread, p90, F_DOUBLE),    FIELD(nb_spread, p75, F_DOUBLE),
    FIELD(nb_spread, median, F_DOUBLE), FIELD(nb_spread, p25, F_DOUBLE),
    FIELD(nb_spread, p10, F_DOUBLE),    FIELD(nb_spread, p5, F_DOUBLE),
    FIELD(nb_spread, p1, F_DOUBLE),     FIELD(nb_spread, p01, F_DOUBLE),
    FIELD(nb_spread, min, F_DOUBLE),
};
static const field task_fields[] = {
    FIELD(nb_task_score, in_file, F_U64),   FIELD(nb_task_score, asked, F_U64),
    FIELD(nb_task_score, right, F_U64),     FIELD(nb_task_score, score, F_DOUBLE),
    FIELD(nb_task_score, lo, F_DOUBLE),     FIELD(nb_task_score, hi, F_DOUBLE),
    FIELD(nb_task_score, chance, F_DOUBLE), FIELD(nb_task_score, seconds, F_DOUBLE),
};
static const field damage_fields[] = {
    FIELD(nb_damage, n_ctx, F_U32),       FIELD(nb_damage, chunks, F_U32),
    FIELD(nb_damage, scored, F_U64),      FIELD(nb_damage, kld, F_DOUBLE),
    FIELD(nb_damage, kld_err, F_DOUBLE),  FIELD(nb_damage, same_top, F_DOUBLE),
    FIELD(nb_damage, ln_ratio, F_DOUBLE), FIELD(nb_damage, rmse, F_DOUBLE),
    FIELD(nb_damage, bytes, F_U64),
};
static const field bench_fields[] = {
    FIELD(nb_bench, n_prompt, F_U32),       FIELD(nb_bench, n_gen, F_U32),
    FIELD(nb_bench, threads, F_U32),        FIELD(nb_bench, pp_tok_s, F_DOUBLE),
    FIELD(nb_bench, pp_err, F_DOUBLE),      FIELD(nb_bench, tg_tok_s, F_DOUBLE),
    FIELD(nb_bench, tg_err, F_DOUBLE),      FIELD(nb_bench, bandwidth, F_DOUBLE),
    FIELD(nb_bench, limit_tok_s, F_DOUBLE), FIELD(nb_bench, fraction, F_DOUBLE),
    FIELD(nb_bench, load_ms, F_DOUBLE),     FIELD(nb_bench, ttft_ms, F_DOUBLE),
    FIELD(nb_bench, weight_bytes, F_U64),   FIELD(nb_bench, rss, F_U64),
};
static const field chat_fields[] = {
    FIELD(nb_bench, n_gen, F_U32),
    FIELD(nb_bench, threads, F_U32),
    FIELD(nb_bench, tg_tok_s, F_DOUBLE),
};
static const field far_fields[] = {
    FIELD(nb_far, n_ctx, F_U32),       FIELD(nb_far, chunks, F_U32),
    FIELD(nb_far, scored, F_U64),      FIELD(nb_far, ppl, F_DOUBLE),
    FIELD(nb_far, ppl_err, F_DOUBLE),  FIELD(nb_far, far_ppl, F_DOUBLE),
    FIELD(nb_far, kld, F_DOUBLE),      FIELD(nb_far, kld_err, F_DOUBLE),
    FIELD(nb_far, same_top, F_DOUBLE),
};
#undef FIELD

/* Objects within a divergence, each of spread_fields. */
static const struct {
    const char *key;
    size_t at;
} spreads[] = {{"kld", offsetof(nb_kld, kld)}, {"dp", offsetof(nb_kld, dp)}};

/* Texts of a run: those of a key, then those of a bench. */
typedef struct text_field {
    const char *key;
    size_t at, cap;
    unsigned kinds, needed; /* bits of nb_run_kind: may have it, and must */
} text_field;

#define TEXT(key, member, kinds, needed)                                                           \
    {                                                                                              \
        key, offsetof(nb_run, member), sizeof(((nb_run *)0)->member), kinds, needed                \
    }
enum {
    EVALS = 1 << NB_RUN_PPL | 1 << NB_RUN_KLD | 1 << NB_RUN_TASK | 1 << NB_RUN_FACTS |
            1 << NB_RUN_DAMAGE | 1 << NB_RUN_FAR,
    SPEEDS = 1 << NB_RUN_BENCH | 1 << NB_RUN_CHAT
};
static const text_field text_fields[] = {
    TEXT("text", key.text, EVALS, EVALS),
    TEXT("protocol", key.protocol, EVALS, EVALS & ~(1 << NB_RUN_PPL)), /* early lines have none */
    TEXT("tensor", key.tensor, 1 << NB_RUN_DAMAGE, 1 << NB_RUN_DAMAGE),
    TEXT("type", key.type, 1 << NB_RUN_DAMAGE, 1 << NB_RUN_DAMAGE),
    TEXT("remote", of.far.remote, 1 << NB_RUN_FAR, 1 << NB_RUN_FAR),
    TEXT("cpu", of.bench.cpu, SPEEDS, SPEEDS),
    TEXT("level", of.bench.level, 1 << NB_RUN_BENCH, 1 << NB_RUN_BENCH),
};
#undef TEXT

#define ROWS(a) a, countof(a)
static const struct {
    const char *name;
    const field *fields;
    size_t n, size;
} kinds[NB_RUN_KINDS] = {
    [NB_RUN_PPL] = {"perplexity", ROWS(ppl_fields), sizeof(nb_ppl)},
    [NB_RUN_KLD] = {"kld", ROWS(kld_fields), sizeof(nb_kld)},
    [NB_RUN_TASK] = {"task", ROWS(task_fields), sizeof(nb_task_score)},
    [NB_RUN_FACTS] = {"facts", ROWS(task_fields), sizeof(nb_task_score)},
    [NB_RUN_DAMAGE] = {"sensitivity", ROWS(damage_fields), sizeof(nb_damage)},
    [NB_RUN_BENCH] = {"bench", ROWS(bench_fields), sizeof(nb_bench)},
    [NB_RUN_CHAT] = {"chat", ROWS(chat_fields), sizeof(nb_bench)},
    [NB_RUN_FAR] = {"remote", ROWS(far_fields), sizeof(nb_far)},
};
#undef ROWS

size_t nb_run_size(nb_run_kind kind)
{
    return kinds[kind].size;
}

void nb_run_settle(nb_run *r)
{
    if (r->kind == NB_RUN_PPL)
        r->key.n_ctx = r->of.ppl.n_ctx, r->key.chunks = r->of.ppl.chunks;
    else if (r->kind == NB_RUN_KLD)
        r->key.n_ctx = r->of.kld.n_ctx, r->key.chunks = r->of.kld.chunks;
    else if (r->kind == NB_RUN_DAMAGE)
        r->key.n_ctx = r->of.damage.n_ctx, r->key.chunks = r->of.damage.chunks;
    else if (r->kind == NB_RUN_FAR)
        r->key.n_ctx = r->of.far.n_ctx, r->key.chunks = r->of.far.chunks;
    else if (r->kind == NB_RUN_TASK || r->kind == NB_RUN_FACTS)
        r->key.chunks = r->of.task.asked < UINT32_MAX ? (uint32_t)r->of.task.asked : UINT32_MAX;
}

/* --- writing -----------------------------------------------------------------------------------
 */

static void write_fields(nb_jout *w, const field *f, size_t n, const void *record)
{
    for (size_t i = 0; i < n; i++) {
        const char *at = (const char *)record + f[i].at;
        uint32_t u32;
        uint64_t u64;
        double d;
        nb_jout_key(w, f[i].key);
        if (f[i].kind == F_U32) {
            memcpy(&u32, at, sizeof u32);
            nb_jout_u64(w, u32);
        } else if (f[i].kind == F_U64) {
            memcpy(&u64, at, sizeof u64);
            nb_jout_u64(w, u64);
        } else {
            memcpy(&d, at, sizeof d);
            nb_jout_double(w, d);
        }
    }
}

static void write_print(nb_jout *w, const char *key, uint64_t print)
{
    char hex[17];
    snprintf(hex, sizeof hex, "%016" PRIx64, print);
    nb_jout_key(w, key);
    nb_jout_str(w, hex);
}

void nb_run_write(nb_str *out, const nb_run *r)
{
    nb_jout w = nb_jout_make(out);
    nb_jout_object(&w);
    nb_jout_key(&w, "run");
    nb_jout_str(&w, kinds[r->kind].name);
    write_print(&w, "model", r->key.model);
    if (r->key.reference)
        write_print(&w, "reference", r->key.reference);
    for (size_t i = 0; i < countof(text_fields); i++)
        if (text_fields[i].kinds >> r->kind & 1) {
            nb_jout_key(&w, text_fields[i].key);
            nb_jout_str(&w, (const char *)r + text_fields[i].at);
        }
    write_fields(&w, kinds[r->kind].fields, kinds[r->kind].n, &r->of);
    for (size_t i = 0; i < countof(spreads) && r->kind == NB_RUN_KLD; i++) {
        nb_jout_key(&w, spreads[i].key);
        nb_jout_object(&w);
        write_fields(&w, spread_fields, countof(spread_fields),
                     (const char *)&r->of.kld + spreads[i].at);
        nb_jout_object_end(&w);
    }
    nb_jout_object_end(&w);
    nb_str_add(out, "\n");
}

/* --- reading -----------------------------------------------------------------------------------
 */

static bool read_fields(const nb_jval *obj, const field *f, size_t n, void *record)
{
    for (size_t i = 0; i < n; i++) {
        const nb_jval *v = nb_jget(obj, f[i].key);
        char *at = (char *)record + f[i].at;
        int64_t whole;
        double d;
        if (f[i].kind == F_DOUBLE) {
            if (!nb_jnum(v, &d))
                return false;
            memcpy(at, &d, sizeof d);
            continue;
        }
        if (!nb_jint(v, &whole) || whole < 0 || (f[i].kind == F_U32 && whole > UINT32_MAX))
            return false;
        uint32_t u32 = (uint32_t)whole;
        uint64_t u64 = (uint64_t)whole;
        if (f[i].kind == F_U32)
            memcpy(at, &u32, sizeof u32);
        else
            memcpy(at, &u64, sizeof u64);
    }
    return true;
}

static bool read_print(const nb_jval *v, uint64_t *out)
{
    const char *hex;
    char *end;
    if (!nb_jstr(v, &hex) || strlen(hex) != 16 || strspn(hex, "0123456789abcdef") != 16)
        return false;
    *out = strtoull(hex, &end, 16);
    return true;
}

static bool read_text(const nb_jval *v, char *out, size_t cap)
{
    const char *s;
    if (!nb_jstr(v, &s) || strlen(s) >= cap)
        return false;
    memcpy(out, s, strlen(s) + 1);
    return true;
}

static bool read_texts(const nb_jval *obj, nb_run *r)
{
    for (size_t i = 0; i < countof(text_fields); i++) {
        const text_field *f = &text_fields[i];
        const nb_jval *v = nb_jget(obj, f->key);
        if ((f->kinds >> r->kind & 1) && (v || (f->needed >> r->kind & 1)) &&
            !read_text(v, (char *)r + f->at, f->cap))
            return false;
    }
    return true;
}

bool nb_run_read(nb_run *out, const nb_jval *obj)
{
    const char *kind;
    const nb_jval *ref = nb_jget(obj, "reference");
    nb_run r = {0};
    int k = 0;
    if (!nb_jstr(nb_jget(obj, "run"), &kind) || !read_print(nb_jget(obj, "model"), &r.key.model) ||
        (ref && !read_print(ref, &r.key.reference)))
        return false;
    while (k < NB_RUN_KINDS && strcmp(kind, kinds[k].name) != 0)
        k++;
    if (k == NB_RUN_KINDS)
        return false;
    r.kind = (nb_run_kind)k;
    if (r.kind == NB_RUN_PPL)
        snprintf(r.key.protocol, sizeof r.key.protocol, "%s", nb_protocol_name(NB_PROTOCOL_LLAMA));
    if (!read_texts(obj, &r) || !read_fields(obj, kinds[k].fields, kinds[k].n, &r.of))
        return false;
    for (size_t i = 0; i < countof(spreads) && r.kind == NB_RUN_KLD; i++)
        if (!read_fields(nb_jget(obj, spreads[i].key), spread_fields, countof(spread_fields),
                         (char *)&r.of.kld + spreads[i].at))
            return false;
    nb_run_settle(&r);
    *out = r;
    return true;
}
