/* From logits to a token: repeat penalty, temperature, top-k, top-p, min-p, seeded draw. Order as
 * in llama.cpp's default chain (penalties, top-k, top-p, min-p, temperature). temp <= 0 is greedy;
 * ties go to the lowest id. Same seed and inputs give the same token on every machine. */
#ifndef NIBBLE_SAMPLE_H
#define NIBBLE_SAMPLE_H

#include "kernels/nb.h"

typedef struct nb_sampling {
    float temp;           /* 0 = greedy */
    int top_k;            /* 0 = all */
    float top_p;          /* 1 = off */
    float min_p;          /* 0 = off */
    float repeat_penalty; /* 1 = off */
    int repeat_last;      /* tokens looked back, default 64 */
    uint64_t seed;
} nb_sampling;

nb_sampling nb_sampling_default(void); /* temp 0.8, top_k 40, top_p 0.95, min_p 0.05, penalty 1 */
nb_sampling nb_sampling_greedy(void);
/* Clamps what is out of range; false if a value had to change (NaN, negative). */
bool nb_sampling_fix(nb_sampling *s);

enum { NB_TOP = 8 };
typedef struct nb_choice {
    int32_t id;
    float logprob; /* natural log of the model's own probability (before penalties, temp) */
    float entropy; /* nats, of the model's own distribution */
    int32_t top_id[NB_TOP]; /* most likely first */
    float top_logprob[NB_TOP];
} nb_choice;

typedef struct nb_sampler nb_sampler;
nb_status nb_sampler_open(nb_sampler **out, const nb_sampling *set, uint32_t n_vocab, nb_err *err);
/* New settings, fresh seed. */
void nb_sampler_reset(nb_sampler *s, const nb_sampling *set);
/* Will choose as `other` does from here on: its settings, its random numbers. */
void nb_sampler_follow(nb_sampler *s, const nb_sampler *other);
/* recent: last tokens for the repeat penalty. NB_FORMAT when no logit is finite (A25). */
nb_status nb_sampler_pick(nb_sampler *s, const float *logits, const int32_t *recent,
                          size_t n_recent, nb_choice *out, nb_err *err);
void nb_sampler_close(nb_sampler **s);

#endif
