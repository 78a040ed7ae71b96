#include "kernels/x86/few_avx2.h"
#include "kernels/x86/panel_lanes.h"
#include "kernels/x86/x86.h"

void nk_x86_few_avxvnni(nk_ops *ops)
{
    set_few(ops);
    set_panels(ops);
}
