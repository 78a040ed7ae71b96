#include "tests/check.h"

#include "tests/fuzz/fuzz.h"
#include "tests/util.h"

#include <string.h>

/* Every bug a fuzzer ever found stays in its target's corpus (reliability A35). A crash names the
 * target on the line before. */
CHECK_TEST(corpus, every_target_survives_its_files)
{
    size_t targets = 0;
    for (const fuzz_row *t = fuzz_rows; t; t = t->next, targets++) {
        char folder[256];
        snprintf(folder, sizeof folder, "%s/tests/fuzz/corpus/%s", NB_TEST_ROOT, t->name);
        size_t files = fuzz_replay(t, folder);
        check(files > 0, "%s has no corpus", t->name);
    }
    check(targets > 0, "no fuzz target is linked in");
}
