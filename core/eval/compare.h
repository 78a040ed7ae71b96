/* Files of one model side by side: size against what it costs. Figures come from stored runs whose
 * keys are equal in all but the model, or are measured anew (judge.h) and put in; those of another
 * reference, text, context or protocol never stand in one ranking. The command prints it, the
 * Compare screen draws it. */
#ifndef NIBBLE_COMPARE_H
#define NIBBLE_COMPARE_H

#include "core/eval/runs.h"

enum { NB_COMPARE_CTX = 4096 };

/* The first thing in which two runs' keys differ, so that their figures are not comparable. */
typedef enum nb_unlike {
    NB_LIKE,
    NB_UNLIKE_REFERENCE,
    NB_UNLIKE_TEXT,
    NB_UNLIKE_PROTOCOL,
    NB_UNLIKE_CTX,
    NB_UNLIKE_CHUNKS
} nb_unlike;

typedef struct nb_compare_row {
    char path[1024];
    char name[128];     /* file name; sanitise before printing */
    char type_name[24]; /* dominant type or preset; "" unknown */
    uint64_t model;     /* fingerprint */
    uint64_t bytes;     /* of the tensors */
    uint64_t params;
    double bpw;
    uint64_t ram;     /* weights, KV cache of F16 and buffers at context ram_ctx; 0 unknown */
    uint32_t ram_ctx; /* NB_COMPARE_CTX, or the model's most */
    bool is_reference;
    bool has_ppl, has_kld, has_facts, has_speed; /* which of the next hold */
    double ppl, ppl_err;
    nb_kld kld;
    nb_task_score facts;
    double pp_tok_s, tg_tok_s; /* on this machine; pp 0: unknown */
    nb_unlike unlike;          /* no divergence here, but a run that differs in this; see other */
    nb_run_key other;          /* that run's */
    bool front;                /* no other is better in one and as good in the other */
    char advice[240];          /* which to keep and why, one sentence */
} nb_compare_row;

typedef enum nb_compare_axis {
    NB_AXIS_BYTES,
    NB_AXIS_BPW,
    NB_AXIS_RAM,
    NB_AXIS_KLD,
    NB_AXIS_PPL,
    NB_AXIS_TOP1,  /* share of positions whose likeliest token differs */
    NB_AXIS_FACTS, /* share of facts lost */
    NB_AXIS_SPEED, /* seconds per token */
    NB_AXIS_COUNT
} nb_compare_axis;

typedef struct nb_compare {
    nb_run_key key;    /* of perplexity and divergence; model 0 */
    nb_run_key qa_key; /* of facts; text "": none are compared */
    nb_compare_row *row;
    size_t n;
} nb_compare;

/* Opens each path's header: names, sizes, fingerprints. reference: a path, or NULL for the file
 * with most bits per weight. It need not be among the paths. NB_USAGE for no path. */
nb_status nb_compare_open(nb_compare *out, const char *const *paths, size_t n,
                          const char *reference, nb_err *err);
void nb_compare_close(nb_compare *c);
/* Path of the reference's row; the reference is a row of its own, the first. */
const char *nb_compare_reference(const nb_compare *c);
/* Facts are compared: answers to all questions of this qa file (json[n], sha256 in hex). */
nb_status nb_compare_ask(nb_compare *c, const char *json, size_t n, const char *sha256,
                         nb_err *err);
/* Takes what is stored under the two keys, and speeds. */
void nb_compare_look(nb_compare *c, const nb_runs *runs);
/* Keys under which most of the files have a divergence from the reference; false: none has. chunks
 * and text come from there. */
bool nb_compare_guess(nb_compare *c, const nb_runs *runs);
/* Runs that may be ranked together. */
typedef struct nb_run_group {
    nb_run_key key;  /* model 0; reference: the table's where there are only perplexities */
    size_t kld, ppl; /* files of the table with a divergence, with a perplexity under it */
} nb_run_group;
enum { NB_RUN_GROUPS = 32 };
/* The groups among the stored runs of the table's files, those of most files first, of equal ones
 * the latest; at most NB_RUN_GROUPS. Returns their number. */
size_t nb_compare_groups(const nb_compare *c, const nb_runs *runs, nb_run_group out[NB_RUN_GROUPS]);
/* Forgets all figures and takes those of this group; the reference may be no file of the table. */
void nb_compare_use(nb_compare *c, const nb_run_key *key, const nb_runs *runs);
nb_unlike nb_run_key_unlike(const nb_run_key *a, const nb_run_key *b);
/* "measured at context 256, not 512": why a run with the key `have` is not joined with `want`. */
void nb_unlike_text(char *out, size_t cap, const nb_run_key *have, const nb_run_key *want);
/* Puts a measured result in. */
void nb_compare_put_kld(nb_compare *c, size_t i, const nb_kld *k);
void nb_compare_put_facts(nb_compare *c, size_t i, const nb_task_score *s);

const char *nb_axis_name(nb_compare_axis a); /* "size", "KL divergence" ... */
/* Smaller is better on every axis. False: not known of this file; the reference has no divergence
 * of its own, so it takes no part in a front of divergences. */
bool nb_compare_value(const nb_compare_row *r, nb_compare_axis a, double *value, double *err);
/* Whether file a makes b superfluous: as good on both axes, better on one. */
bool nb_compare_beats(const nb_compare_row *a, const nb_compare_row *b, nb_compare_axis x,
                      nb_compare_axis y);
/* Marks the front of two axes among the files that have both values. */
void nb_compare_front(nb_compare *c, nb_compare_axis x, nb_compare_axis y);
/* The front of size and divergence (perplexity where nothing has a divergence), and a sentence for
 * each file. */
void nb_compare_advise(nb_compare *c);
/* The file to keep, one of those that nb_compare_advise judged, and a sentence why; SIZE_MAX: none
 * is measured, or little is left in any, and the sentence says so. Among the files of the front
 * that are worth their loss it is the knee of log size and log divergence; of files that cannot be
 * told apart the smallest. */
size_t nb_compare_pick(const nb_compare *c, char *why, size_t cap);

#endif
