#include "tests/check.h"

#include "kernels/nb.h"

#include <errno.h>
#include <string.h>

CHECK_TEST(nb, cursor_stops_at_the_end)
{
    const uint8_t bytes[] = {1, 2, 3, 4, 5};
    nb_cursor c = nb_cursor_make(bytes, sizeof bytes);
    uint32_t v;
    uint64_t w;
    check(nb_read_u32(&c, &v) && v == 0x04030201, "u32 %x", v);
    check(!nb_read_u64(&c, &w), "read past the end");
    check(nb_cursor_left(&c) == 1 && nb_cursor_pos(&c) == 4, "cursor moved");
    const uint8_t *p;
    check(!nb_read_bytes(&c, UINT64_MAX, &p), "huge read accepted");
}

CHECK_TEST(nb, arithmetic_refuses_overflow)
{
    uint64_t v = 7;
    check(!nb_mul(1ull << 32, 1ull << 32, &v) && v == 7, "mul");
    check(!nb_add(UINT64_MAX, 1, &v) && v == 7, "add");
    check(!nb_align_up(UINT64_MAX - 3, 32, &v) && v == 7, "align");
    check(nb_align_up(33, 32, &v) && v == 64, "align %llu", (unsigned long long)v);
}

CHECK_TEST(nb, errors_carry_status_and_text)
{
    nb_err e;
    check(nb_fail(&e, NB_FORMAT, "tensor \"%s\"", "x") == NB_FORMAT, "status");
    check(strcmp(e.msg, "tensor \"x\"") == 0 && nb_exit_code(e.status) == 3, "%s", e.msg);
    check(nb_fail_errno(&e, ENOSPC, "write", "/x") == NB_NOSPACE, "enospc");
    check(nb_exit_code(NB_CANCELED) == 130 && nb_exit_code(NB_REFUSED) == 10, "codes");
}
