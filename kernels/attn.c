#include "kernels/attn.h"
#include "kernels/ops.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "kernels/scale.h"

/* The greatest magnitude becomes NK_ATTN_CODE. As bits, magnitudes compare like whole numbers, and
 * what is no number is the greatest: no code then, but a step that says so. */
static nk_attn_code code_of(const float x[NK_ATTN_BLOCK])
{
    nk_attn_code c;
    int32_t most = 0;
    for (int i = 0; i < NK_ATTN_BLOCK; i++) {
        int32_t size = (int32_t)(nk_f32_bits(x[i]) & 0x7fffffffu);
        most = size > most ? size : most;
    }
    c.step = nk_bits_f32((uint32_t)most) / NK_ATTN_CODE;
    float inverse = c.step >= FLT_MIN ? 1 / c.step : 0;
    for (int i = 0; i < NK_ATTN_BLOCK; i += 4) {
        c.code[i] = (int16_t)nk_nearest(x[i] * inverse);
        c.code[i + 1] = (int16_t)nk_nearest(x[i + 2] * inverse);
        c.code[i + 2] = (int16_t)nk_nearest(x[i + 1] * inverse);
        c.code[i + 3] = (int16_t)nk_nearest(x[i + 3] * inverse);
    }
    return c;
}

void nk_attn_encode(float *q, size_t n, size_t head_dim)
{
    for (size_t at = 0; at < n; at += head_dim) {
        unsigned char *to = (unsigned char *)(q + at);
        for (size_t i = 0; i < head_dim; i += NK_ATTN_BLOCK) {
            nk_attn_code c = code_of(q + at + i); /* before its place is written to */
            memcpy(to, &c, sizeof c);
            to += sizeof c;
        }
    }
}

void nk_attn_spans(const nk_attn *a, size_t *from, size_t *to)
{
    size_t end = a->pos + 1, first = a->window && end > a->window ? end - a->window : 0;
    *from = first / NK_ATTN_SPAN;
    *to = (a->pos + a->n_query + NK_ATTN_SPAN - 1) / NK_ATTN_SPAN;
}

static size_t lanes(size_t n)
{
    return (n + NK_ATTN_LANES - 1) / NK_ATTN_LANES * NK_ATTN_LANES;
}

/* max and sum, then mix */
size_t nk_attn_state_floats(size_t head_dim, size_t rows)
{
    return 2 * lanes(rows) + rows * nk_attn_padded(head_dim);
}

/* Keys and values of a span and NK_ATTN_LANES positions on their way, then the scores and partial
 * results of as many rows at most. */
static size_t span_floats(size_t head_dim)
{
    return 2 * (NK_ATTN_SPAN + NK_ATTN_LANES) * nk_attn_padded(head_dim) +
           NK_ATTN_LANES * (NK_ATTN_SPAN + 2);
}

size_t nk_attn_scratch(size_t head_dim, size_t rows)
{
    return span_floats(head_dim) + nk_attn_state_floats(head_dim, rows);
}

static nk_attn_state state_at(float *at, size_t head_dim, size_t rows)
{
    return (nk_attn_state){.max = at,
                           .sum = at + lanes(rows),
                           .mix = at + 2 * lanes(rows),
                           .stride = nk_attn_padded(head_dim)};
}

static void forget(nk_attn_state *s, size_t rows)
{
    for (size_t r = 0; r < rows; r++) {
        s->max[r] = -INFINITY;
        s->sum[r] = 0;
    }
}

/* out = mix / sum, the sink counted in. */
static void finish_rows(const nk_attn *a, const nk_attn_state *s)
{
    for (size_t r = 0; r < a->n_query * a->group; r++) {
        size_t g = r % a->group;
        double sum = (double)s->sum[r], weight = 1;
        if (a->sink) {
            double max = (double)s->max[r], sink = (double)a->sink[g];
            double top = max > sink ? max : sink;
            weight = exp(max - top);
            sum = sum * weight + exp(sink - top);
        }
        float scale = (float)(weight / sum);
        float *out = a->out + r / a->group * a->out_stride + g * a->head_dim;
        for (size_t i = 0; i < a->head_dim; i++)
            out[i] = s->mix[r * s->stride + i] * scale;
    }
}

void nk_attn_run(const nk_ops *ops, const nk_attn *a, float *scratch)
{
    size_t rows = a->n_query * a->group, from, to;
    nk_attn_state s = state_at(scratch, a->head_dim, rows);
    forget(&s, rows);
    nk_attn_spans(a, &from, &to);
    for (; from < to; from++)
        ops->attn_span(ops, a, from, &s, scratch + nk_attn_state_floats(a->head_dim, rows));
    finish_rows(a, &s);
}

void nk_attn_part(const nk_ops *ops, const nk_attn *a, size_t span, float *parts, float *scratch)
{
    size_t rows = a->n_query * a->group;
    nk_attn_state s =
        state_at(parts + span * nk_attn_state_floats(a->head_dim, rows), a->head_dim, rows);
    forget(&s, rows);
    ops->attn_span(ops, a, span, &s, scratch);
}

void nk_attn_finish(const nk_ops *ops, const nk_attn *a, float *parts, float *scratch)
{
    size_t rows = a->n_query * a->group, size = nk_attn_state_floats(a->head_dim, rows), from, to;
    nk_attn_state s = state_at(scratch, a->head_dim, rows);
    forget(&s, rows);
    nk_attn_spans(a, &from, &to);
    for (; from < to; from++) {
        nk_attn_state part = state_at(parts + from * size, a->head_dim, rows);
        ops->attn_join(&s, &part, rows, a->head_dim);
    }
    finish_rows(a, &s);
}

/* --- C reference ------------------------------------------------------------------------------
 */

void nk_attn_join_c(nk_attn_state *into, const nk_attn_state *from, size_t n, size_t dim)
{
    for (size_t r = 0; r < n; r++) {
        float *mine = into->mix + r * into->stride;
        const float *more = from->mix + r * from->stride;
        if (from->sum[r] <= 0) /* it saw nothing */
            continue;
        if (into->sum[r] <= 0) {
            memcpy(mine, more, dim * sizeof *mine);
            into->max[r] = from->max[r];
            into->sum[r] = from->sum[r];
            continue;
        }
        float top = into->max[r] > from->max[r] ? into->max[r] : from->max[r];
        float old = expf(into->max[r] - top), new = expf(from->max[r] - top);
        for (size_t i = 0; i < dim; i++)
            mine[i] = mine[i] * old + more[i] * new;
        into->sum[r] = into->sum[r] * old + from->sum[r] * new;
        into->max[r] = top;
    }
}

/* A query that nk_attn_encode has been at, as floats. */
static const float *plain_query(const float *q, float *to, size_t dim)
{
    for (size_t i = 0; i < dim; i += NK_ATTN_BLOCK) {
        nk_attn_code c;
        memcpy(&c, (const unsigned char *)q + i / NK_ATTN_BLOCK * sizeof c, sizeof c);
        for (size_t j = 0; j < NK_ATTN_BLOCK; j++)
            to[i + j] = c.step * (float)c.code[j % 4 % 3 ? j ^ 3 : j];
    }
    return to;
}

/* Scores of one row against positions [from, to) of a span become their exponentials. */
static void weigh(const nk_attn *a, const float *q, const float *k, size_t from, size_t to,
                  float *weight, float *max, float *sum)
{
    size_t dim = a->head_dim;
    double total = 0;
    *max = -INFINITY;
    for (size_t p = from; p < to; p++) {
        double dot = 0;
        for (size_t i = 0; i < dim; i++)
            dot += (double)q[i] * (double)k[p * dim + i];
        float s = (float)dot * a->scale;
        weight[p] = a->cap > 0 ? a->cap * tanhf(s / a->cap) : s;
        *max = weight[p] > *max ? weight[p] : *max;
    }
    for (size_t p = from; p < to; p++) {
        weight[p] = expf(weight[p] - *max);
        total += (double)weight[p];
    }
    *sum = (float)total;
}

void nk_attn_span_c(const nk_ops *ops, const nk_attn *a, size_t span, nk_attn_state *into,
                    float *scratch)
{
    size_t dim = a->head_dim, first = span * NK_ATTN_SPAN, end = a->pos + a->n_query;
    size_t n = end - first < NK_ATTN_SPAN ? end - first : NK_ATTN_SPAN, from, to;
    float *k = scratch, *v = k + NK_ATTN_SPAN * dim, *mix = v + NK_ATTN_SPAN * dim;
    float *weight = mix + dim, *plain = weight + NK_ATTN_SPAN, max, sum;
    for (size_t p = 0; p < n; p++) {
        ops->decode[a->k_type]((const char *)a->k + (first + p) * a->k_stride, k + p * dim, dim);
        ops->decode[a->v_type]((const char *)a->v + (first + p) * a->v_stride, v + p * dim, dim);
    }
    for (size_t r = 0; r < a->n_query * a->group; r++) {
        if (!nk_attn_sees(a, r, span, &from, &to))
            continue;
        const float *q = a->q + r / a->group * a->q_stride + r % a->group * dim;
        q = a->k_type == NK_Q8_0 ? plain_query(q, plain, dim) : q;
        weigh(a, q, k, from, to, weight, &max, &sum);
        for (size_t i = 0; i < dim; i++) {
            double total = 0;
            for (size_t p = from; p < to; p++)
                total += (double)weight[p] * (double)v[p * dim + i];
            mix[i] = (float)total;
        }
        nk_attn_state one = {.max = &max, .sum = &sum, .mix = mix, .stride = dim};
        nk_attn_state row = {.max = into->max + r,
                             .sum = into->sum + r,
                             .mix = into->mix + r * into->stride,
                             .stride = into->stride};
        ops->attn_join(&row, &one, 1, dim);
    }
}
