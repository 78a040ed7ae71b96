/* Stored results, by the fingerprint of the file they were measured on: one JSON line per run in
 * the state folder. The Models screen shows them as measured (check mark) instead of estimates,
 * compare joins them, sensitivity goes on from them. Runs whose keys differ in anything but the
 * model are never compared. Lines are appended whole and synced; one thread at a time. */
#ifndef NIBBLE_RUNS_H
#define NIBBLE_RUNS_H

#include "core/base/config.h"
#include "core/eval/bench.h"
#include "core/eval/eval.h"
#include "core/eval/kld.h"
#include "core/eval/task.h"
#include "core/files/tensor.h"

/* What quantizing one tensor alone does. */
typedef struct nb_damage {
    uint32_t n_ctx, chunks;
    uint64_t scored;
    double kld, kld_err; /* nats, one standard error */
    double same_top;     /* share */
    double ln_ratio;     /* of perplexities */
    double rmse;         /* weight error: rms(error) / rms(weight) */
    uint64_t bytes;      /* of the tensor in that type */
} nb_damage;

/* What an endpoint tells of a text, in tokens of its own. The key's reference is the endpoint's
 * print, its model the file that was held against it; without a file the endpoint's is the model,
 * and all but ppl is 0. Figures under equal keys alone may be ranked, as ever: none of a file's own
 * runs has such a key. */
typedef struct nb_far {
    char remote[800]; /* the endpoint's address with #name; sanitise before printing */
    uint32_t n_ctx, chunks;
    uint64_t scored;
    double ppl, ppl_err; /* of the key's model */
    double far_ppl;      /* of the endpoint on the same tokens */
    double kld, kld_err; /* nats; a lower bound: the endpoint tells its likeliest tokens only */
    double same_top;     /* share */
} nb_far;

typedef enum nb_run_kind {
    NB_RUN_PPL,    /* nb_ppl */
    NB_RUN_KLD,    /* nb_kld */
    NB_RUN_TASK,   /* nb_task_score */
    NB_RUN_FACTS,  /* nb_task_score of a qa file */
    NB_RUN_DAMAGE, /* nb_damage */
    NB_RUN_BENCH,  /* nb_bench */
    NB_RUN_CHAT,   /* nb_bench, of which only the decode rate */
    NB_RUN_FAR,    /* nb_far */
    NB_RUN_KINDS
} nb_run_kind;

/* What a result was measured on and by. Zeros and "" where a kind knows no such thing. */
typedef struct nb_run_key {
    uint64_t model, reference;    /* fingerprints */
    char text[65];                /* SHA-256 of the corpus or task file */
    char protocol[24];            /* nb_protocol_name, nb_task_name, or another's */
    uint32_t n_ctx, chunks;       /* tasks: 0, how many were asked */
    char tensor[NB_MAX_NAME + 1]; /* NB_RUN_DAMAGE, with the type it got */
    char type[16];
} nb_run_key;

typedef struct nb_runs nb_runs;
/* A missing file is an empty store; torn or foreign lines are skipped and counted. */
nb_status nb_runs_open(nb_runs **out, const nb_config *cfg, nb_err *err);
void nb_runs_close(nb_runs **runs);
/* record: the kind's struct, copied. What it holds of the key itself (n_ctx, chunks, asked) is
 * taken from there. */
nb_status nb_runs_add(nb_runs *runs, nb_run_kind kind, const nb_run_key *key, const void *record,
                      nb_err *err);
/* Latest run with this key into *record; chunks 0 takes any number. False = none. */
bool nb_runs_find(const nb_runs *runs, nb_run_kind kind, const nb_run_key *key, void *record);
/* The runs, oldest first: record is the kind's struct, both borrowed until the next add. */
nb_run_kind nb_runs_at(const nb_runs *runs, size_t i, const nb_run_key **key, const void **record);
/* Whether figures under these keys may stand in one ranking: all but the model is equal. */
bool nb_run_key_comparable(const nb_run_key *a, const nb_run_key *b);

/* The print of an endpoint, from its address with #name: never that of a file but by chance. */
nb_status nb_far_print(const char *remote, uint64_t *out, nb_err *err);

/* Short forms. Perplexity by llama-perplexity's protocol: */
nb_status nb_runs_add_ppl(nb_runs *runs, uint64_t fingerprint, const char *text_sha256,
                          const nb_ppl *p, nb_err *err);
nb_status nb_runs_add_bench(nb_runs *runs, uint64_t fingerprint, const nb_bench *b, nb_err *err);
/* The decode rate of an answer given alone, as a measured speed of its file on this machine; left
 * out (*added false) when it is too short to tell or what is known already. Of a file's answers on
 * one CPU the store keeps the last in memory. */
enum { NB_RUNS_TOKENS = 16 };
nb_status nb_runs_add_chat(nb_runs *runs, uint64_t fingerprint, uint32_t tokens, uint32_t threads,
                           double tok_per_s, bool *added, nb_err *err);
size_t nb_runs_count(const nb_runs *runs);
size_t nb_runs_skipped(const nb_runs *runs); /* lines that were not understood */
/* Latest perplexity of this file on this text and context; false = none. */
bool nb_runs_ppl(const nb_runs *runs, uint64_t fingerprint, const char *text_sha256, uint32_t n_ctx,
                 nb_ppl *out);
/* Latest measured speed of this file on this CPU, pp 0 when a chat measured it; false = none. */
bool nb_runs_speed(const nb_runs *runs, uint64_t fingerprint, double *pp, double *tg);
/* Estimate from this machine's best measured bandwidth fraction: bytes/s usable; 0 = nothing known.
 */
double nb_runs_bandwidth(const nb_runs *runs);

#endif
