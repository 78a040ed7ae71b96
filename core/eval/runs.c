#include "core/eval/runs.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/file.h"
#include "core/base/json.h"
#include "kernels/cpu.h"

enum { MAX_FILE = 64 * 1024 * 1024, MAX_LINE = 64 * 1024 };

typedef enum run_kind { RUN_PPL, RUN_BENCH, RUN_CHAT, RUN_KINDS } run_kind;
static const char *const kind_name[RUN_KINDS] = {"perplexity", "bench", "chat"};

typedef struct run_row {
    run_kind kind;
    uint64_t fingerprint;
    char text[65]; /* SHA-256 of the evaluated text */
    nb_ppl ppl;
    nb_bench bench;
} run_row;

struct nb_runs {
    char *path; /* owned; "" = nothing is remembered beyond this process */
    run_row *row;
    size_t n, cap, skipped;
    bool torn; /* the file does not end in a newline */
    char cpu[96];
};

/* --- one line ----------------------------------------------------------------------------------
 */

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
#undef FIELD

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

static bool copy_text(const nb_jval *obj, const char *key, char *out, size_t cap)
{
    const char *s;
    if (!nb_jstr(nb_jget(obj, key), &s) || strlen(s) >= cap)
        return false;
    memcpy(out, s, strlen(s) + 1);
    return true;
}

static bool read_row(const nb_jval *obj, run_row *r)
{
    const char *kind, *print;
    char *end;
    memset(r, 0, sizeof *r);
    if (!nb_jstr(nb_jget(obj, "run"), &kind) || !nb_jstr(nb_jget(obj, "model"), &print) ||
        strlen(print) != 16 || strspn(print, "0123456789abcdef") != 16)
        return false;
    r->fingerprint = strtoull(print, &end, 16);
    while (r->kind < RUN_KINDS && strcmp(kind, kind_name[r->kind]) != 0)
        r->kind++;
    if (r->kind == RUN_PPL)
        return copy_text(obj, "text", r->text, sizeof r->text) &&
               read_fields(obj, ppl_fields, countof(ppl_fields), &r->ppl);
    if (r->kind == RUN_KINDS || !copy_text(obj, "cpu", r->bench.cpu, sizeof r->bench.cpu))
        return false;
    if (r->kind == RUN_CHAT)
        return read_fields(obj, chat_fields, countof(chat_fields), &r->bench);
    return copy_text(obj, "level", r->bench.level, sizeof r->bench.level) &&
           read_fields(obj, bench_fields, countof(bench_fields), &r->bench);
}

/* --- the store ---------------------------------------------------------------------------------
 */

static nb_status keep(nb_runs *runs, const run_row *r, nb_err *err)
{
    if (runs->n == runs->cap) {
        size_t cap = runs->cap ? 2 * runs->cap : 64;
        run_row *grown = realloc(runs->row, cap * sizeof *grown);
        if (!grown)
            return nb_fail(err, NB_NOMEM, "stored runs: no memory for %zu", cap);
        runs->row = grown;
        runs->cap = cap;
    }
    runs->row[runs->n++] = *r;
    return NB_OK;
}

static nb_status take_line(nb_runs *runs, const char *line, size_t n, nb_err *err)
{
    nb_json *doc = NULL;
    run_row r;
    nb_err why;
    if (n == 0)
        return NB_OK;
    nb_status st = nb_json_parse(&doc, line, n, MAX_LINE, "runs.jsonl", &why);
    bool good = st == NB_OK && read_row(nb_json_root(doc), &r);
    nb_json_close(&doc);
    if (st == NB_NOMEM) /* says nothing about the line */
        return nb_fail(err, NB_NOMEM, "%s", why.msg);
    runs->skipped += !good;
    return good ? keep(runs, &r, err) : NB_OK;
}

static nb_status load(nb_runs *runs, nb_err *err)
{
    char *text;
    size_t len;
    if (!runs->path[0] || !nb_exists(runs->path))
        return NB_OK;
    NB_TRY(nb_file_read(&text, &len, runs->path, MAX_FILE, err));
    nb_status st = NB_OK;
    for (size_t at = 0; at < len && st == NB_OK;) {
        const char *nl = memchr(text + at, '\n', len - at);
        size_t n = nl ? (size_t)(nl - text) - at : len - at;
        st = take_line(runs, text + at, n, err);
        at += n + 1;
        runs->torn = !nl;
    }
    free(text);
    return st;
}

nb_status nb_runs_open(nb_runs **out, const nb_config *cfg, nb_err *err)
{
    char path[1100] = "";
    nb_runs *runs = nb_alloc(1, sizeof *runs, "stored runs", err);
    if (!runs)
        return NB_NOMEM;
    if (cfg->writable && !nb_path_join(path, sizeof path, cfg->state_dir, "runs.jsonl"))
        path[0] = '\0';
    nk_cpu_model(runs->cpu, sizeof runs->cpu);
    runs->path = nb_strdup(path, err);
    nb_status st = runs->path ? load(runs, err) : NB_NOMEM;
    if (st != NB_OK)
        nb_runs_close(&runs);
    else
        *out = runs;
    return st;
}

void nb_runs_close(nb_runs **runs)
{
    if (!*runs)
        return;
    free((*runs)->path);
    free((*runs)->row);
    free(*runs);
    *runs = NULL;
}

/* A torn last line is closed first, so that it costs itself only. */
static nb_status append(nb_runs *runs, const nb_str *line, nb_err *err)
{
    char dir[1100];
    if (!runs->path[0])
        return NB_OK;
    snprintf(dir, sizeof dir, "%.*s", (int)(nb_path_base(runs->path) - runs->path), runs->path);
    NB_TRY(nb_mkdirs(dir, err));
    if (line->failed)
        return nb_fail(err, NB_NOMEM, "stored runs: no memory for a line");
    NB_TRY(nb_append_file(runs->path, line->at, line->len, err));
    runs->torn = false;
    return NB_OK;
}

static nb_status add(nb_runs *runs, const run_row *r, nb_err *err)
{
    nb_str line = {0};
    char print[17];
    snprintf(print, sizeof print, "%016" PRIx64, r->fingerprint);
    if (runs->torn)
        nb_str_add(&line, "\n");
    nb_jout w = nb_jout_make(&line);
    nb_jout_object(&w);
    nb_jout_key(&w, "run");
    nb_jout_str(&w, kind_name[r->kind]);
    nb_jout_key(&w, "model");
    nb_jout_str(&w, print);
    if (r->kind == RUN_PPL) {
        nb_jout_key(&w, "text");
        nb_jout_str(&w, r->text);
        write_fields(&w, ppl_fields, countof(ppl_fields), &r->ppl);
    } else if (r->kind == RUN_CHAT) {
        nb_jout_key(&w, "cpu");
        nb_jout_str(&w, r->bench.cpu);
        write_fields(&w, chat_fields, countof(chat_fields), &r->bench);
    } else {
        nb_jout_key(&w, "cpu");
        nb_jout_str(&w, r->bench.cpu);
        nb_jout_key(&w, "level");
        nb_jout_str(&w, r->bench.level);
        write_fields(&w, bench_fields, countof(bench_fields), &r->bench);
    }
    nb_jout_object_end(&w);
    nb_str_add(&line, "\n");
    nb_status st = append(runs, &line, err);
    nb_str_free(&line);
    return st == NB_OK ? keep(runs, r, err) : st;
}

nb_status nb_runs_add_ppl(nb_runs *runs, uint64_t fingerprint, const char *text_sha256,
                          const nb_ppl *p, nb_err *err)
{
    run_row r = {.kind = RUN_PPL, .fingerprint = fingerprint, .ppl = *p};
    snprintf(r.text, sizeof r.text, "%s", text_sha256);
    return add(runs, &r, err);
}

nb_status nb_runs_add_bench(nb_runs *runs, uint64_t fingerprint, const nb_bench *b, nb_err *err)
{
    run_row r = {.kind = RUN_BENCH, .fingerprint = fingerprint, .bench = *b};
    return add(runs, &r, err);
}

/* Of a file answering day after day only changes are worth a line. */
static const double SAME_SPEED = 0.05;

nb_status nb_runs_add_chat(nb_runs *runs, uint64_t fingerprint, uint32_t tokens, uint32_t threads,
                           double tok_per_s, bool *added, nb_err *err)
{
    double pp, had;
    run_row r = {.kind = RUN_CHAT, .fingerprint = fingerprint};
    bool known = nb_runs_speed(runs, fingerprint, &pp, &had);
    *added = tokens >= NB_RUNS_TOKENS && tok_per_s > 0 &&
             !(known && fabs(tok_per_s - had) < SAME_SPEED * had);
    if (!*added)
        return NB_OK;
    r.bench = (nb_bench){.n_gen = tokens, .threads = threads, .tg_tok_s = tok_per_s};
    memcpy(r.bench.cpu, runs->cpu, sizeof r.bench.cpu);
    return add(runs, &r, err);
}

/* --- questions ---------------------------------------------------------------------------------
 */

size_t nb_runs_count(const nb_runs *runs)
{
    return runs->n;
}

size_t nb_runs_skipped(const nb_runs *runs)
{
    return runs->skipped;
}

bool nb_runs_ppl(const nb_runs *runs, uint64_t fingerprint, const char *text_sha256, uint32_t n_ctx,
                 nb_ppl *out)
{
    for (size_t i = runs->n; i > 0; i--) {
        const run_row *r = &runs->row[i - 1];
        if (r->kind == RUN_PPL && r->fingerprint == fingerprint && r->ppl.n_ctx == n_ctx &&
            strcmp(r->text, text_sha256) == 0) {
            *out = r->ppl;
            return true;
        }
    }
    return false;
}

bool nb_runs_speed(const nb_runs *runs, uint64_t fingerprint, double *pp, double *tg)
{
    for (size_t i = runs->n; i > 0; i--) {
        const run_row *r = &runs->row[i - 1];
        if (r->kind != RUN_PPL && r->fingerprint == fingerprint &&
            strcmp(r->bench.cpu, runs->cpu) == 0) {
            *pp = r->bench.pp_tok_s;
            *tg = r->bench.tg_tok_s;
            return true;
        }
    }
    return false;
}

double nb_runs_bandwidth(const nb_runs *runs)
{
    double best = 0;
    for (size_t i = 0; i < runs->n; i++) {
        const nb_bench *b = &runs->row[i].bench;
        if (runs->row[i].kind == RUN_BENCH && strcmp(b->cpu, runs->cpu) == 0 &&
            b->bandwidth * b->fraction > best)
            best = b->bandwidth * b->fraction;
    }
    return best;
}
