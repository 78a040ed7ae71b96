/* The reference's codes, and others beside them; of each block the one with the least weighted
 * squared error stays, so that no block is worse than the reference's. Others come from the same
 * encoder on the block with its outermost weights drawn in (a finer step for the rest), and every
 * candidate's scale, and minimum where there is one, is then fitted to the weights it stands for:
 * a decoded block is linear in both, so least squares has a closed form. */
#include <math.h>
#include <string.h>

#include "core/quant/method/method_private.h"
#include "kernels/blocks.h"
#include "kernels/fp.h"

/* Where a block's half-precision scales lie; -1 = it has none such. */
static const struct {
    nk_type_id id;
    int d, m;
} fields[] = {
    {NK_Q4_0, 0, -1},   {NK_Q4_1, 0, 2},     {NK_Q5_0, 0, -1},    {NK_Q5_1, 0, 2},
    {NK_Q8_0, 0, -1},   {NK_Q2_K, 80, 82},   {NK_Q3_K, 108, -1},  {NK_Q4_K, 0, 2},
    {NK_Q5_K, 0, 2},    {NK_Q6_K, 208, -1},  {NK_IQ2_XXS, 0, -1}, {NK_IQ2_XS, 0, -1},
    {NK_IQ2_S, 0, -1},  {NK_IQ3_XXS, 0, -1}, {NK_IQ3_S, 0, -1},   {NK_IQ1_S, 0, -1},
    {NK_IQ4_NL, 0, -1}, {NK_IQ4_XS, 0, -1},  {NK_TQ1_0, 52, -1},  {NK_TQ2_0, 64, -1},
};

enum { MAX_BLOCK = 256, MAX_BYTES = 256 };

/* Shares of the block's largest magnitude that weights are drawn in to. */
static const float draw_in[] = {1.0f, 0.97f, 0.94f, 0.9f, 0.86f, 0.81f, 0.75f};

typedef struct trial {
    const nk_type *type;
    nk_decode_fn *decode;
    int d, m;
    const float *w, *weight; /* [block_len]; weight NULL = 1 */
    uint8_t best[MAX_BYTES];
    double least;
} trial;

static double error_of(const trial *t, const uint8_t *block)
{
    float dec[MAX_BLOCK];
    double sum = 0;
    t->decode(block, dec, t->type->block_len);
    for (uint32_t i = 0; i < t->type->block_len; i++) {
        double e = (double)dec[i] - t->w[i];
        sum += (t->weight ? (double)t->weight[i] : 1.0) * e * e;
    }
    return sum;
}

static void offer(trial *t, const uint8_t *block)
{
    double e = error_of(t, block);
    if (e < t->least) {
        t->least = e;
        memcpy(t->best, block, t->type->block_size);
    }
}

static void set_half(uint8_t *block, int at, uint16_t v)
{
    if (at >= 0)
        memcpy(block + at, &v, sizeof v);
}

/* What the block decodes to per unit of one of its scales. */
static void slope(const trial *t, const uint8_t *block, bool of_min, float *out)
{
    static const uint16_t one = 0x3c00;
    uint8_t copy[MAX_BYTES];
    memcpy(copy, block, t->type->block_size);
    set_half(copy, t->d, of_min ? 0 : one);
    set_half(copy, t->m, of_min ? one : 0);
    t->decode(copy, out, t->type->block_len);
}

/* w = d A + m B with the least weighted squares. False: they do not determine it. */
static bool fit(const trial *t, const float *a, const float *b, double *d, double *m)
{
    double aa = 0, ab = 0, bb = 0, aw = 0, bw = 0;
    for (uint32_t i = 0; i < t->type->block_len; i++) {
        double p = t->weight ? (double)t->weight[i] : 1.0, x = a[i], y = b ? (double)b[i] : 0;
        aa += p * x * x, ab += p * x * y, bb += p * y * y;
        aw += p * x * t->w[i], bw += p * y * t->w[i];
    }
    double det = aa * bb - ab * ab;
    *m = 0;
    if (!b || !(det > 1e-12 * aa * bb)) {
        *d = aw / aa;
        return !b && aa > 0;
    }
    *d = (aw * bb - bw * ab) / det;
    *m = (bw * aa - aw * ab) / det;
    return true;
}

/* The fitted scales, and their neighbours in half precision. */
static void refit(trial *t, const uint8_t *block)
{
    float a[MAX_BLOCK], b[MAX_BLOCK] = {0};
    double d, m;
    uint8_t copy[MAX_BYTES];
    slope(t, block, false, a);
    if (t->m >= 0)
        slope(t, block, true, b);
    if (!fit(t, a, t->m >= 0 ? b : NULL, &d, &m) || fabs(d) > 65504 || fabs(m) > 65504)
        return;
    memcpy(copy, block, t->type->block_size);
    uint16_t at_d = nk_f32_to_f16((float)d), at_m = nk_f32_to_f16((float)m);
    for (int i = -1; i <= 1; i++)
        for (int k = t->m >= 0 ? -1 : 0; k <= (t->m >= 0 ? 1 : 0); k++) {
            uint16_t dd = (uint16_t)(at_d + i), mm = (uint16_t)(at_m + k);
            if ((dd & 0x7c00) == 0x7c00 || (mm & 0x7c00) == 0x7c00)
                continue;
            set_half(copy, t->d, dd);
            set_half(copy, t->m, mm);
            offer(t, copy);
        }
}

static void find_fields(trial *t)
{
    t->d = t->m = -1;
    for (size_t i = 0; i < countof(fields); i++)
        if (fields[i].id == t->type->id) {
            t->d = fields[i].d;
            t->m = fields[i].m;
        }
}

/* The row with every block's weights drawn in to a share of the largest. */
static void draw(const float *w, float share, size_t cols, size_t len, float *out)
{
    for (size_t c = 0; c < cols; c += len) {
        float most = 0;
        for (size_t i = 0; i < len; i++)
            most = fabsf(w[c + i]) > most ? fabsf(w[c + i]) : most;
        for (size_t i = 0; i < len; i++) {
            float end = most * share, v = w[c + i];
            out[c + i] = v > end ? end : v < -end ? -end : v;
        }
    }
}

enum { PIECE = 1024 }; /* weights encoded at once: whole blocks of every type */

/* A piece of a row whose reference's codes stand in dst: of each block what has the least error. */
static void improve(nb_encode_job *job, trial *t, const float *w, uint8_t *dst, size_t n)
{
    const nk_type *type = job->type;
    float drawn[PIECE];
    uint8_t bytes[PIECE * 4];
    double least[PIECE / 32];
    for (size_t c = 0; c < countof(draw_in); c++) {
        draw(w, draw_in[c], n, type->block_len, drawn);
        if (c)
            nb_encode_reference(job, drawn, bytes, 1, n);
        for (size_t b = 0; b < n / type->block_len; b++) {
            uint8_t *stands = dst + b * type->block_size;
            const uint8_t *block = c ? bytes + b * type->block_size : stands;
            uint8_t copy[MAX_BYTES];
            memcpy(copy, block, type->block_size);
            t->w = w + b * type->block_len;
            t->weight = job->importance ? job->importance + b * type->block_len : NULL;
            t->least = c ? least[b] : error_of(t, copy);
            memcpy(t->best, stands, type->block_size);
            job->gain[0] += c ? 0 : t->least;
            offer(t, copy);
            if (t->d >= 0)
                refit(t, copy);
            least[b] = t->least;
            memcpy(stands, t->best, type->block_size);
        }
    }
    for (size_t b = 0; b < n / type->block_len; b++)
        job->gain[1] += least[b];
}

static void encode(nb_encode_job *job, const float *src, void *dst, size_t rows, size_t cols)
{
    const nk_type *type = job->type;
    nk_decode_fn *fast = job->ops->decode[type->id];
    trial t = {.type = type, .decode = fast ? fast : type->decode};
    const float *importance = job->importance;
    find_fields(&t);
    nb_encode_reference(job, src, dst, rows, cols); /* whole rows: some weigh blocks by them */
    for (size_t at = 0; at < rows * cols;) {
        size_t col = at % cols, n = cols - col < PIECE ? cols - col : PIECE;
        job->importance = importance ? importance + col : NULL;
        improve(job, &t, src + at, (uint8_t *)dst + at / type->block_len * type->block_size, n);
        at += n;
    }
    job->importance = importance;
}

static bool writes(const nk_type *t, const nb_knobs *k)
{
    (void)k;
    return !t->is_float && t->block_len <= MAX_BLOCK && t->block_size <= MAX_BYTES;
}

extern const nb_method nb_method_best;
const nb_method nb_method_best = {
    .name = "best",
    .help = "searches harder: no block has more weighted error than the reference's; slower",
    .group = 32,
    .writes = writes,
    .encode = encode,
};
