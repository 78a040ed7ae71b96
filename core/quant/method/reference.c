/* The default method: the type's own encoder, whose bytes equal llama-quantize's. */
#include "core/quant/method/method_private.h"

void nb_encode_reference(nb_encode_job *job, const float *src, void *dst, size_t rows, size_t cols)
{
    nk_encode_fn *fast = job->ops->encode[job->type->id];
    nk_encode_fn *fn = fast ? fast : job->type->encode;
    fn(src, dst, rows, cols, job->importance);
}

extern const nb_method nb_method_reference;
const nb_method nb_method_reference = {
    .name = "reference",
    .help = "ggml's own search, byte for byte what llama-quantize writes",
    .group = 32,
    .encode = nb_encode_reference,
};
