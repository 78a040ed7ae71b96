#include "core/quant/sample.h"

#include <math.h>
#include <stdlib.h>

#include "core/base/str.h"

static nk_decode_fn *decoder(const nk_ops *ops, const nk_type *t)
{
    nk_decode_fn *fast = ops->decode[t->id];
    if (fast)
        return fast;
    return t->decode;
}

typedef struct buffers {
    float *src, *dec;
    uint8_t *row, *out;
} buffers;

static void free_buffers(buffers *b)
{
    free(b->src);
    free(b->dec);
    free(b->row);
    free(b->out);
}

static nb_status make_buffers(buffers *b, const nb_view *v, const nk_type *to, nb_err *err)
{
    uint64_t bytes, cols = nb_tensor_cols(&v->t);
    *b = (buffers){0};
    if (!nk_row_size(to, cols, &bytes))
        return nb_fail(err, NB_UNSUPPORTED, "tensor \"%s\": rows of %llu do not divide into %s",
                       v->t.name, (unsigned long long)cols, to->name);
    b->src = nb_alloc(cols + 1, sizeof *b->src, "sample", err);
    b->dec = nb_alloc(cols + 1, sizeof *b->dec, "sample", err);
    b->row = nb_alloc(nb_weights_scratch(v) + 1, 1, "sample", err);
    b->out = nb_alloc(bytes + 1, 1, "sample", err);
    return b->src && b->dec && b->row && b->out ? NB_OK : NB_NOMEM;
}

static nb_status look(nb_sample *s, const buffers *b, const nb_view *v, const nk_type *to,
                      const float *importance, const nk_ops *ops, uint64_t r, nb_err *err)
{
    size_t cols = (size_t)nb_tensor_cols(&v->t);
    nk_encode_fn *encode = ops->encode[to->id] ? ops->encode[to->id] : to->encode;
    const float *own = importance ? importance + r / v->t.shape[1] * cols : NULL;
    decoder(ops, nk_type_get(v->t.type))(nb_weights_row(v, r, b->row), b->src, cols);
    if (!ops->all_finite(b->src, cols))
        return nb_fail(err, NB_FORMAT, "tensor \"%s\": row %llu holds a weight that is not finite",
                       v->t.name, (unsigned long long)r);
    encode(b->src, b->out, 1, cols, own);
    decoder(ops, to)(b->out, b->dec, cols);
    for (size_t i = 0; i < cols; i++) {
        double p = own ? (double)own[i] : 1.0, w = b->src[i], e = (double)b->dec[i] - w;
        s->error += p * e * e;
        s->energy += p * w * w;
    }
    s->n += cols;
    return NB_OK;
}

nb_status nb_sample_type(nb_sample *out, const nb_view *v, const nk_type *to,
                         const float *importance, const nk_ops *ops, nb_err *err)
{
    buffers b;
    nb_sample s = {0};
    uint64_t rows = nb_tensor_rows(&v->t), take = NB_SAMPLE_WEIGHTS / (nb_tensor_cols(&v->t) + 1);
    take = take < 1 ? 1 : take > rows ? rows : take;
    nb_status st = make_buffers(&b, v, to, err);
    for (uint64_t i = 0; i < take && st == NB_OK; i++)
        st = look(&s, &b, v, to, importance, ops, i * rows / take + rows / take / 2, err);
    free_buffers(&b);
    if (st == NB_OK)
        *out = s;
    return st;
}

double nb_sample_share(const nb_sample *s)
{
    return s->energy > 0 ? s->error / s->energy : 0;
}

double nb_type_usual_error(const nk_type *t)
{
    static const struct {
        nk_type_id id;
        double error;
    } row[] = {
        {NK_Q8_0, .0053}, {NK_Q6_K, .0178},  {NK_Q5_K, .0361},   {NK_Q5_1, .0378},
        {NK_Q5_0, .0426}, {NK_Q4_K, .0714},  {NK_IQ4_NL, .0747}, {NK_IQ4_XS, .0753},
        {NK_Q4_1, .0785}, {NK_Q4_0, .0857},  {NK_NVFP4, .103},   {NK_MXFP4, .115},
        {NK_Q3_K, .151},  {NK_IQ3_S, .166},  {NK_IQ3_XXS, .213}, {NK_Q2_K, .297},
        {NK_IQ2_S, .264}, {NK_IQ2_XS, .299}, {NK_IQ2_XXS, .343}, {NK_IQ1_M, .582},
        {NK_IQ1_S, .486}, {NK_Q1_0, .601},   {NK_TQ1_0, .807},   {NK_TQ2_0, .807},
    };
    for (size_t i = 0; i < countof(row); i++)
        if (row[i].id == t->id)
            return row[i].error;
    return 0;
}
