/* Encoders that search for scales, eight groups at a time. */
#include "kernels/x86/lanes_avx2.h"

#include "kernels/x86/enc_blocks_lanes.h"

void nk_x86_enc_k_avx2(nk_ops *ops)
{
    set_encoders(ops);
}
