/* How codes are chosen, as rows: the form, --method and the help come from the table. A method
 * writes the types it knows; every other tensor of the plan gets the reference's codes. */
#ifndef NIBBLE_METHOD_H
#define NIBBLE_METHOD_H

#include "kernels/ops.h"

/* What may be chosen of a method, if its row has the knob. */
enum { NB_KNOB_SCHEME = 1 << 0, NB_KNOB_GROUP = 1 << 1, NB_KNOB_CLIP = 1 << 2 };

/* Weights that share a scale: so many beside each other in a row, a whole row, or all. */
enum { NB_GROUP_CHANNEL = -1, NB_GROUP_TENSOR = -2 };

typedef struct nb_knobs {
    bool asymmetric; /* the grid has a zero point; else it lies even about 0 */
    bool mse;        /* the range is shrunk to least squared error; else it holds every weight */
    int group;       /* 32, 64, 128 or one of the above */
} nb_knobs;

/* The range a scale is made from: of all weights that share it. */
typedef struct nb_range {
    float lo, hi; /* lo <= 0 <= hi */
} nb_range;

enum { NB_CLIP_STEPS = 80 }; /* shares of the range that are tried: 1 - i / 100 */

/* What an encoder is told. */
typedef struct nb_encode_job {
    const nk_ops *ops;
    const nk_type *type;
    const nb_knobs *knobs;
    const float *importance; /* [cols]; NULL = all alike */
    const nb_range *tensor;  /* NB_GROUP_TENSOR: found by the survey; NULL otherwise */
    double gain[2];          /* out: weighted squared error of the reference's codes and of these,
                                for methods that measure both; added to */
} nb_encode_job;

typedef struct nb_method {
    const char *name; /* "reference" */
    const char *help;
    bool needs_calibration;
    unsigned knobs; /* NB_KNOB_ bits */
    int group;      /* unless chosen */
    /* The preset it is made for; NULL = any, and -t must be given. */
    const char *(*preset)(const nb_knobs *knobs);
    bool (*writes)(const nk_type *type, const nb_knobs *knobs); /* NULL = every type */
    /* rows of one tensor -> blocks. */
    void (*encode)(nb_encode_job *job, const float *src, void *dst, size_t rows, size_t cols);
    /* NB_GROUP_TENSOR takes a look at the whole tensor first: adds the squared error that n weights
     * of it have, for each share of its range, to error. */
    void (*survey)(const nb_encode_job *job, const nb_range *range, const float *src, size_t n,
                   double error[NB_CLIP_STEPS]);
} nb_method;

const nb_method *const *nb_methods(size_t *count); /* first = default */
const nb_method *nb_method_find(const char *name); /* case ignored; NULL if unknown */
/* Its usual knobs. */
nb_knobs nb_method_knobs(const nb_method *m);
/* "sym" or "asym", "tensor", "channel", "32" ..., "minmax" or "mse": NB_USAGE when it is none of
 * them or the method has no such knob. text NULL = leave it. */
nb_status nb_knobs_read(nb_knobs *out, const nb_method *m, const char *scheme, const char *group,
                        const char *clip, nb_err *err);
/* "int4 asym 32 mse": a method and, in any order, words of its knobs; what is not said is usual. */
nb_status nb_method_read(const nb_method **m, nb_knobs *k, const char *text, nb_err *err);
/* The same words, all of them. */
void nb_method_text(const nb_method *m, const nb_knobs *k, char *out, size_t cap);

#endif
