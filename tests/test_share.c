#include "tests/check.h"

#include "downloads/share.h"

CHECK_TEST(share, connections_are_divided_fairly)
{
    dl_share s;
    dl_share_open(&s, 4);
    int a = dl_share_join(&s);
    for (int i = 0; i < 4; i++)
        check(dl_share_take(&s, a), "alone it gets %d of 4", i);
    check(!dl_share_take(&s, a) && dl_share_over(&s, a) == 0, "a fifth");
    int b = dl_share_join(&s);
    check(!dl_share_take(&s, b), "none is free");
    check(dl_share_over(&s, a) == 2, "it owes %d", dl_share_over(&s, a));
    dl_share_give(&s, a);
    check(!dl_share_take(&s, a), "it takes back what another waits for");
    check(dl_share_take(&s, b), "what was given does not arrive");
    dl_share_content(&s, b);
    check(dl_share_over(&s, a) == 0, "owes though nobody waits");
    dl_share_leave(&s, b);
    check(dl_share_take(&s, a), "what the other left");
    dl_share_leave(&s, a);
    dl_share_close(&s);
}
