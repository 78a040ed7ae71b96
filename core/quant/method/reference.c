/* The default method: the type's own encoder, whose bytes equal llama-quantize's. */
#include "core/quant/method.h"

static void encode(const nk_ops *ops, const nk_type *type, const float *src, void *dst, size_t rows,
                   size_t cols, const float *importance)
{
    nk_encode_fn *fn = ops->encode[type->id] ? ops->encode[type->id] : type->encode;
    fn(src, dst, rows, cols, importance);
}

extern const nb_method nb_method_reference;
const nb_method nb_method_reference = {
    .name = "reference",
    .help = "ggml's own search, byte for byte what llama-quantize writes",
    .needs_calibration = false,
    .encode = encode,
};
