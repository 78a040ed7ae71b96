#include "core/eval/runs.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/digest.h"
#include "core/base/file.h"
#include "core/eval/runs_line.h"
#include "kernels/cpu.h"

enum { MAX_FILE = 64 * 1024 * 1024, MAX_LINE = 64 * 1024 };

struct nb_runs {
    char *path; /* owned; "" = nothing is remembered beyond this process */
    nb_run *row;
    size_t n, cap, skipped;
    bool torn; /* the file does not end in a newline */
    char cpu[96];
};

/* --- the store ---------------------------------------------------------------------------------
 */

/* Of a model's answers on one CPU the last one's speed is what is told: it takes the place of the
 * one before, or every answer ever given would lie in memory. */
static void forget_answer(nb_runs *runs, const nb_run *r)
{
    for (size_t i = 0; r->kind == NB_RUN_CHAT && i < runs->n; i++) {
        const nb_run *was = &runs->row[i];
        if (was->kind == NB_RUN_CHAT && was->key.model == r->key.model &&
            strcmp(was->of.bench.cpu, r->of.bench.cpu) == 0) {
            memmove(&runs->row[i], &runs->row[i + 1], (--runs->n - i) * sizeof *runs->row);
            return;
        }
    }
}

static nb_status keep(nb_runs *runs, const nb_run *r, nb_err *err)
{
    forget_answer(runs, r);
    if (runs->n == runs->cap) {
        size_t cap = runs->cap ? 2 * runs->cap : 64;
        nb_run *grown = realloc(runs->row, cap * sizeof *grown);
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
    nb_run r;
    nb_err why;
    if (n == 0)
        return NB_OK;
    nb_status st = nb_json_parse(&doc, line, n, MAX_LINE, "runs.jsonl", &why);
    bool good = st == NB_OK && nb_run_read(&r, nb_json_root(doc));
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

static nb_status add(nb_runs *runs, nb_run *r, nb_err *err)
{
    nb_str line = {0};
    if (runs->torn)
        nb_str_add(&line, "\n");
    nb_run_settle(r);
    nb_run_write(&line, r);
    nb_status st = append(runs, &line, err);
    nb_str_free(&line);
    return st == NB_OK ? keep(runs, r, err) : st;
}

nb_status nb_runs_add(nb_runs *runs, nb_run_kind kind, const nb_run_key *key, const void *record,
                      nb_err *err)
{
    nb_run r = {.kind = kind, .key = *key};
    memcpy(&r.of, record, nb_run_size(kind));
    return add(runs, &r, err);
}

static nb_run_key text_key(uint64_t fingerprint, const char *text_sha256)
{
    nb_run_key key = {.model = fingerprint};
    snprintf(key.text, sizeof key.text, "%s", text_sha256);
    snprintf(key.protocol, sizeof key.protocol, "%s", nb_protocol_name(NB_PROTOCOL_LLAMA));
    return key;
}

nb_status nb_runs_add_ppl(nb_runs *runs, uint64_t fingerprint, const char *text_sha256,
                          const nb_ppl *p, nb_err *err)
{
    nb_run_key key = text_key(fingerprint, text_sha256);
    return nb_runs_add(runs, NB_RUN_PPL, &key, p, err);
}

nb_status nb_runs_add_bench(nb_runs *runs, uint64_t fingerprint, const nb_bench *b, nb_err *err)
{
    return nb_runs_add(runs, NB_RUN_BENCH, &(nb_run_key){.model = fingerprint}, b, err);
}

/* Of a file answering day after day only changes are worth a line. */
static const double SAME_SPEED = 0.05;

nb_status nb_runs_add_chat(nb_runs *runs, uint64_t fingerprint, uint32_t tokens, uint32_t threads,
                           double tok_per_s, bool *added, nb_err *err)
{
    double pp, had;
    nb_run r = {.kind = NB_RUN_CHAT, .key.model = fingerprint};
    bool known = nb_runs_speed(runs, fingerprint, &pp, &had);
    *added = tokens >= NB_RUNS_TOKENS && tok_per_s > 0 &&
             !(known && fabs(tok_per_s - had) < SAME_SPEED * had);
    if (!*added)
        return NB_OK;
    r.of.bench = (nb_bench){.n_gen = tokens, .threads = threads, .tg_tok_s = tok_per_s};
    memcpy(r.of.bench.cpu, runs->cpu, sizeof r.of.bench.cpu);
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

bool nb_run_key_comparable(const nb_run_key *a, const nb_run_key *b)
{
    return a->reference == b->reference && a->n_ctx == b->n_ctx && a->chunks == b->chunks &&
           strcmp(a->text, b->text) == 0 && strcmp(a->protocol, b->protocol) == 0 &&
           strcmp(a->tensor, b->tensor) == 0 && strcmp(a->type, b->type) == 0;
}

bool nb_runs_find(const nb_runs *runs, nb_run_kind kind, const nb_run_key *key, void *record)
{
    for (size_t i = runs->n; i > 0; i--) {
        const nb_run *r = &runs->row[i - 1];
        nb_run_key want = *key;
        want.chunks = want.chunks ? want.chunks : r->key.chunks;
        if (r->kind != kind || r->key.model != want.model || !nb_run_key_comparable(&r->key, &want))
            continue;
        memcpy(record, &r->of, nb_run_size(kind));
        return true;
    }
    return false;
}

nb_run_kind nb_runs_at(const nb_runs *runs, size_t i, const nb_run_key **key, const void **record)
{
    *key = &runs->row[i].key;
    *record = &runs->row[i].of;
    return runs->row[i].kind;
}

nb_status nb_far_print(const char *remote, uint64_t *out, nb_err *err)
{
    char hex[65];
    NB_TRY(nb_sha256_of(remote, strlen(remote), hex, err));
    hex[16] = '\0';
    *out = strtoull(hex, NULL, 16);
    return NB_OK;
}

bool nb_runs_ppl(const nb_runs *runs, uint64_t fingerprint, const char *text_sha256, uint32_t n_ctx,
                 nb_ppl *out)
{
    nb_run_key key = text_key(fingerprint, text_sha256);
    key.n_ctx = n_ctx;
    return nb_runs_find(runs, NB_RUN_PPL, &key, out);
}

bool nb_runs_speed(const nb_runs *runs, uint64_t fingerprint, double *pp, double *tg)
{
    for (size_t i = runs->n; i > 0; i--) {
        const nb_run *r = &runs->row[i - 1];
        if ((r->kind == NB_RUN_BENCH || r->kind == NB_RUN_CHAT) && r->key.model == fingerprint &&
            strcmp(r->of.bench.cpu, runs->cpu) == 0) {
            *pp = r->of.bench.pp_tok_s;
            *tg = r->of.bench.tg_tok_s;
            return true;
        }
    }
    return false;
}

double nb_runs_bandwidth(const nb_runs *runs)
{
    double best = 0;
    for (size_t i = 0; i < runs->n; i++) {
        const nb_bench *b = &runs->row[i].of.bench;
        if (runs->row[i].kind == NB_RUN_BENCH && strcmp(b->cpu, runs->cpu) == 0 &&
            b->bandwidth * b->fraction > best)
            best = b->bandwidth * b->fraction;
    }
    return best;
}
