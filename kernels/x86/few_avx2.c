#include "kernels/x86/few_avx2.h"
#include "kernels/x86/x86.h"

void nk_x86_few_avx2(nk_ops *ops)
{
    set_few(ops);
}
