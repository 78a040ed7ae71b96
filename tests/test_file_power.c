/* Power cuts while a small file is replaced or grows: it is the old one or the new one, and the new
 * one once that was said (A16). */
#include "tests/check.h"

#include "core/base/file.h"
#include "tests/crash.h"
#include "tests/tree.h"
#include "tests/util.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SIZE = 30000, SEED = 16 };

typedef struct job {
    char dir[512];
    char old[SIZE], new[SIZE];
} job;

static void job_make(job *j, const char *name)
{
    snprintf(j->dir, sizeof j->dir, "%s", test_path(tree_scratch(), name));
    check(nb_mkdirs(j->dir, NULL) == NB_OK, "mkdir");
    memset(j->old, 'o', SIZE);
    memset(j->new, 'n', SIZE);
}

static void replace_twice(void *arg)
{
    job *j = arg;
    if (nb_replace_file(test_path(j->dir, "f"), j->old, SIZE, 0, NULL) != NB_OK ||
        nb_replace_file(test_path(j->dir, "f"), j->new, SIZE, 0, NULL) != NB_OK)
        _Exit(1);
}

CHECK_TEST(file, a_power_cut_leaves_the_old_content_or_the_new_A16)
{
    static job j;
    job_make(&j, "replace");
    crash_log *log = crash_record(replace_twice, &j, j.dir);
    if (!log)
        check_skip("no process may be traced here");
    test_rng rng = test_rng_make(SEED);
    size_t calls = crash_calls(log), len;
    for (int i = 0; i < test_rounds(200, 2000); i++) {
        size_t n = i % 10 ? test_below(&rng, (uint32_t)calls + 1) : calls;
        char into[600];
        snprintf(into, sizeof into, "%s", test_path(tree_scratch(), "disk"));
        crash_replay(log, n, &rng, into);
        char *text = test_slurp(test_path(into, "f"), &len);
        bool was = text && len == SIZE && memcmp(text, j.old, SIZE) == 0;
        bool is = text && len == SIZE && memcmp(text, j.new, SIZE) == 0;
        check(was || is || (!text && n < calls), "round %d: a third content after call %zu of %zu",
              i, n, calls);
        check(is || n < calls, "round %d: it was said to be written", i);
        free(text);
        tree_remove(into);
    }
    crash_free(log);
}

static void append_twice(void *arg)
{
    job *j = arg;
    if (nb_append_file(test_path(j->dir, "f"), j->old, SIZE, NULL) != NB_OK ||
        nb_append_file(test_path(j->dir, "f"), j->new, SIZE, NULL) != NB_OK)
        _Exit(1);
}

CHECK_TEST(file, what_was_appended_outlives_a_power_cut_A16)
{
    static job j;
    job_make(&j, "append");
    crash_log *log = crash_record(append_twice, &j, j.dir);
    if (!log)
        check_skip("no process may be traced here");
    test_rng rng = test_rng_make(SEED);
    size_t calls = crash_calls(log), len;
    for (int i = 0; i < test_rounds(50, 500); i++) {
        char into[600];
        snprintf(into, sizeof into, "%s", test_path(tree_scratch(), "disk"));
        crash_replay(log, calls, &rng, into);
        char *text = test_slurp(test_path(into, "f"), &len);
        check(text && len == 2 * SIZE && memcmp(text, j.old, SIZE) == 0 &&
                  memcmp(text + SIZE, j.new, SIZE) == 0,
              "round %d: not all that was said to be there", i);
        free(text);
        tree_remove(into);
    }
    crash_free(log);
}
