/* The float types: f32, f16, bf16, and f64, which some files hold and nothing here writes. Dot
 * products are summed in double: the reference others are measured against. */
#include "kernels/fp.h"
#include "kernels/type.h"

/* Element k of an array at any address. */
static uint16_t load16(const void *src, size_t k)
{
    uint16_t v;
    memcpy(&v, (const char *)src + k * sizeof v, sizeof v);
    return v;
}

static float load32(const void *src, size_t k)
{
    float v;
    memcpy(&v, (const char *)src + k * sizeof v, sizeof v);
    return v;
}

static void store16(void *dst, size_t k, uint16_t v)
{
    memcpy((char *)dst + k * sizeof v, &v, sizeof v);
}

static void decode_f32(const void *src, float *dst, size_t n)
{
    memcpy(dst, src, n * sizeof *dst);
}

static void encode_f32(const float *src, void *dst, size_t nrows, size_t ncols,
                       const float *importance)
{
    (void)importance;
    memcpy(dst, src, nrows * ncols * sizeof *src);
}

static float dot_f32(size_t n, const void *w, const void *x)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)load32(w, i) * (double)load32(x, i);
    return (float)sum;
}

static void decode_f16(const void *src, float *dst, size_t n)
{
    for (size_t i = 0; i < n; i++)
        dst[i] = nk_f16_to_f32(load16(src, i));
}

static void encode_f16(const float *src, void *dst, size_t nrows, size_t ncols,
                       const float *importance)
{
    (void)importance;
    for (size_t i = 0; i < nrows * ncols; i++)
        store16(dst, i, nk_f32_to_f16(src[i]));
}

static float dot_f16(size_t n, const void *w, const void *x)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)nk_f16_to_f32(load16(w, i)) * (double)load32(x, i);
    return (float)sum;
}

static void decode_bf16(const void *src, float *dst, size_t n)
{
    for (size_t i = 0; i < n; i++)
        dst[i] = nk_bf16_to_f32(load16(src, i));
}

static void encode_bf16(const float *src, void *dst, size_t nrows, size_t ncols,
                        const float *importance)
{
    (void)importance;
    for (size_t i = 0; i < nrows * ncols; i++)
        store16(dst, i, nk_f32_to_bf16(src[i]));
}

static float dot_bf16(size_t n, const void *w, const void *x)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)nk_bf16_to_f32(load16(w, i)) * (double)load32(x, i);
    return (float)sum;
}

static void decode_f64(const void *src, float *dst, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        double v;
        memcpy(&v, (const char *)src + i * sizeof v, sizeof v);
        dst[i] = (float)v;
    }
}

const nk_type nk_type_f32 = {
    .name = "f32",
    .id = NK_F32,
    .block_len = 1,
    .block_size = 4,
    .decode = decode_f32,
    .encode = encode_f32,
    .dot = dot_f32,
    .dot_with = NK_F32,
    .max_rmse = 0,
    .max_dot_err = 2e-6f,
    .is_float = true,
};

const nk_type nk_type_f16 = {
    .name = "f16",
    .id = NK_F16,
    .block_len = 1,
    .block_size = 2,
    .decode = decode_f16,
    .encode = encode_f16,
    .dot = dot_f16,
    .dot_with = NK_F32,
    .max_rmse = 0.000257f,
    .max_dot_err = 6.4e-05f,
    .is_float = true,
};

const nk_type nk_type_bf16 = {
    .name = "bf16",
    .id = NK_BF16,
    .block_len = 1,
    .block_size = 2,
    .decode = decode_bf16,
    .encode = encode_bf16,
    .dot = dot_bf16,
    .dot_with = NK_F32,
    .max_rmse = 0.00208f,
    .max_dot_err = 0.00046f,
    .is_float = true,
};

const nk_type nk_type_f64 = {
    .name = "f64",
    .id = NK_F64,
    .block_len = 1,
    .block_size = 8,
    .decode = decode_f64,
    .dot_with = NK_F32,
    .is_float = true,
};
