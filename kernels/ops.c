#include "kernels/ops.h"

#include <math.h>
#include <string.h>

/* C reference: obvious before fast. Long sums run in double, so that the reference is the more
 * exact side of every comparison. */

static void rmsnorm(float *y, const float *x, const float *w, size_t n, float eps)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)x[i] * (double)x[i];
    float scale = (float)(1.0 / sqrt(sum / (double)n + (double)eps));
    for (size_t i = 0; i < n; i++)
        y[i] = x[i] * scale * w[i];
}

static void layernorm(float *y, const float *x, const float *w, const float *b, size_t n, float eps)
{
    double sum = 0, squares = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)x[i];
    double mean = sum / (double)n;
    for (size_t i = 0; i < n; i++)
        squares += ((double)x[i] - mean) * ((double)x[i] - mean);
    double scale = 1.0 / sqrt(squares / (double)n + (double)eps);
    for (size_t i = 0; i < n; i++) {
        float v = (float)(((double)x[i] - mean) * scale) * w[i];
        y[i] = b ? v + b[i] : v;
    }
}

static void rotate(float *a, float *b, float c, float s)
{
    float x = *a, y = *b;
    *a = x * c - y * s;
    *b = x * s + y * c;
}

static void rope(float *x, size_t n_head, size_t head_dim, const float *cs, size_t n_rot,
                 nk_rope_kind kind)
{
    size_t half = n_rot / 2;
    for (size_t h = 0; h < n_head; h++, x += head_dim)
        for (size_t i = 0; i < half; i++) {
            if (kind == NK_ROPE_NORM)
                rotate(&x[2 * i], &x[2 * i + 1], cs[2 * i], cs[2 * i + 1]);
            else
                rotate(&x[i], &x[i + half], cs[2 * i], cs[2 * i + 1]);
        }
}

static void softmax(float *y, const float *x, size_t n, float scale)
{
    float max = -INFINITY;
    for (size_t i = 0; i < n; i++)
        max = x[i] * scale > max ? x[i] * scale : max;
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        y[i] = expf(x[i] * scale - max);
        sum += (double)y[i];
    }
    float inv = (float)(1.0 / sum);
    for (size_t i = 0; i < n; i++)
        y[i] *= inv;
}

static void silu(float *y, const float *gate, const float *up, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] = gate[i] / (1.0f + expf(-gate[i])) * (up ? up[i] : 1.0f);
}

static void gelu(float *y, const float *gate, const float *up, size_t n)
{
    const float root = 0.79788456080286535588f; /* sqrt(2 / pi) */
    for (size_t i = 0; i < n; i++) {
        float x = gate[i], inner = root * x * (1.0f + 0.044715f * x * x);
        y[i] = 0.5f * x * (1.0f + tanhf(inner)) * (up ? up[i] : 1.0f);
    }
}

static void gelu_erf(float *y, const float *gate, const float *up, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        float x = gate[i];
        y[i] = 0.5f * x * (1.0f + erff(x * 0.70710678118654752440f)) * (up ? up[i] : 1.0f);
    }
}

static void relu2(float *y, const float *gate, const float *up, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        float x = gate[i] < 0 ? 0.0f : gate[i]; /* NaN stays */
        y[i] = x * x * (up ? up[i] : 1.0f);
    }
}

/* ggml_swiglu_oai with alpha 1.702, limit 7 (ops.cpp of llama.cpp @ 5c880d9; the published gpt-oss
 * code clamps alike). NaN passes through. */
static void swiglu_oai(float *y, const float *gate, const float *up, size_t n)
{
    const float alpha = 1.702f, limit = 7.0f;
    for (size_t i = 0; i < n; i++) {
        float x = gate[i] > limit ? limit : gate[i], u = up ? up[i] : 0.0f;
        u = u > limit ? limit : u < -limit ? -limit : u;
        y[i] = x / (1.0f + expf(-alpha * x)) * (u + 1.0f);
    }
}

static void add(float *y, const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] += x[i];
}

#if !defined(__x86_64__)
void nk_ops_init_x86(nk_ops *ops, unsigned cpu_flags)
{
    (void)ops;
    (void)cpu_flags;
}

void nk_ops_one_part_x86(nk_ops *ops)
{
    (void)ops;
}
#endif
#if !defined(__aarch64__)
void nk_ops_init_arm(nk_ops *ops, unsigned cpu_flags)
{
    (void)ops;
    (void)cpu_flags;
}
#endif

void nk_ops_init(nk_ops *ops, unsigned cpu_flags)
{
    *ops = (nk_ops){
        .flags = cpu_flags,
        .columns_pack = nk_columns_pack,
        .rmsnorm = rmsnorm,
        .rope = rope,
        .softmax = softmax,
        .layernorm = layernorm,
        .glu = {[NK_GLU_SILU] = silu,
                [NK_GLU_GELU] = gelu,
                [NK_GLU_GELU_ERF] = gelu_erf,
                [NK_GLU_RELU2] = relu2,
                [NK_GLU_OAI] = swiglu_oai},
        .add = add,
        .attn_span = nk_attn_span_c,
        .attn_join = nk_attn_join_c,
        .measure = nk_measure_eights,
        .all_finite = nk_all_finite,
        .finite_halves = nk_finite_halves,
        .find_far = nk_find_far,
        .burst = {.int8 = nk_burst_int8, .f32 = nk_burst_f32},
    };
    size_t count;
    const nk_type *const *rows = nk_type_all(&count);
    for (size_t i = 0; i < count; i++) {
        ops->dot[rows[i]->id] = rows[i]->dot;
        ops->encode[rows[i]->id] = rows[i]->encode;
        ops->decode[rows[i]->id] = rows[i]->decode;
        const nk_type *flat = nk_flat_of(rows[i]);
        if (!flat)
            continue;
        ops->flatten[rows[i]->id] = nk_flatten_of(rows[i]);
        ops->dot[flat->id] = flat->dot;
        ops->decode[flat->id] = flat->decode;
    }
    nk_ops_init_x86(ops, cpu_flags);
    nk_ops_init_arm(ops, cpu_flags);
}

void nk_ops_one_part(nk_ops *ops)
{
    nk_ops_one_part_x86(ops);
}
