/* Stored results, by the fingerprint of the file they were measured on: one JSON line per run in
 * the state folder (perplexity, bench, chat). The Models screen shows them as measured (check mark)
 * instead of estimates. Runs with another text, context or machine are never compared. Lines are
 * appended whole and synced; one thread at a time. */
#ifndef NIBBLE_RUNS_H
#define NIBBLE_RUNS_H

#include "core/base/config.h"
#include "core/eval/bench.h"
#include "core/eval/eval.h"

typedef struct nb_runs nb_runs;
/* A missing file is an empty store; torn or foreign lines are skipped and counted. */
nb_status nb_runs_open(nb_runs **out, const nb_config *cfg, nb_err *err);
void nb_runs_close(nb_runs **runs);
nb_status nb_runs_add_ppl(nb_runs *runs, uint64_t fingerprint, const char *text_sha256,
                          const nb_ppl *p, nb_err *err);
nb_status nb_runs_add_bench(nb_runs *runs, uint64_t fingerprint, const nb_bench *b, nb_err *err);
/* The decode rate of an answer given alone, as a measured speed of its file on this machine; left
 * out (*added false) when it is too short to tell or what is known already. */
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
