/* Encoders that search for scales, sixteen groups at a time. */
#include "kernels/x86/lanes_avx512.h"

#include "kernels/x86/enc_blocks_lanes.h"

void nk_x86_enc_k_avx512(nk_ops *ops)
{
    set_encoders(ops);
}
