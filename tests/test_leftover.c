/* What killed quantize runs leave is found, told and removed; nothing of a run that goes on, and
 * nothing of anybody else (ls, gc, Downloads). */
#include "tests/check.h"
#include "tests/run_child.h"
#include "tests/stage.h"
#include "tests/tree.h"
#include "tests/util.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/base/file.h"
#include "core/quant/journal.h"
#include "core/quant/leftover.h"

enum { DAY = 86400, PART = 70000 };

static void leave_journal(const char *path)
{
    static const char id[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    nb_str text = {0};
    nb_journal_begin(&text, id);
    test_spit(path, text.at, text.len);
    nb_str_free(&text);
}

static void make_old(const char *path, double age)
{
    struct timespec t[2];
    clock_gettime(CLOCK_REALTIME, &t[1]);
    t[1].tv_sec -= (time_t)age;
    t[0] = t[1];
    check(utimensat(AT_FDCWD, path, t, 0) == 0, "%s", path);
}

/* DIR/NAME.part and its journal, as a run killed `age` seconds ago leaves them. */
static void leave(const char *dir, const char *name, double age)
{
    char path[700];
    static char bytes[PART];
    memset(bytes, 7, sizeof bytes);
    snprintf(path, sizeof path, "%s/%s.part", dir, name);
    test_spit(path, bytes, sizeof bytes);
    make_old(path, age);
    snprintf(path, sizeof path, "%s/%s.part.journal", dir, name);
    leave_journal(path);
    make_old(path, age);
}

static const char *folder(const char *name)
{
    const char *dir = test_path(test_tmpdir(), name);
    check(mkdir(dir, 0700) == 0, "mkdir %s", dir);
    return dir;
}

static nb_leftovers find(const char *dir)
{
    nb_leftovers l;
    nb_err err = {0};
    nb_config cfg = {.writable = true};
    snprintf(cfg.data_dir, sizeof cfg.data_dir, "%s", dir); /* DIR/models is looked at twice */
    const char *const paths[] = {dir, dir};
    check(nb_leftovers_find(&l, &cfg, paths, countof(paths), NULL, &err) == NB_OK, "%s", err.msg);
    return l;
}

static size_t remove_from(const char *dir, double age, bool dry_run)
{
    nb_leftovers l = find(dir);
    nb_err err = {0};
    uint64_t bytes = 0;
    size_t n = 0;
    check(nb_leftovers_remove(&l, age, dry_run, &bytes, &n, NULL, &err) == NB_OK, "%s", err.msg);
    check((bytes > 0) == (n > 0), "%zu removed, %llu bytes", n, (unsigned long long)bytes);
    nb_leftovers_free(&l);
    return n;
}

CHECK_TEST(leftover, each_is_found_once_with_size_age_and_output)
{
    const char *dir = folder("found"), *models = test_path(dir, "models");
    check(mkdir(models, 0700) == 0, "mkdir");
    leave(dir, "a.gguf", 2 * DAY);
    leave(models, "b.gguf", 10);
    nb_leftovers l = find(dir);
    check(l.n == 2, "%zu found", l.n);
    check(nb_has_suffix(l.at[0].output, "found/a.gguf") && nb_has_suffix(l.at[0].part, ".part"),
          "%s", l.at[0].output);
    check(l.at[0].size == PART && l.at[0].bytes >= PART && !l.at[0].live, "%llu of %llu",
          (unsigned long long)l.at[0].bytes, (unsigned long long)l.at[0].size);
    check(l.at[0].age > 2 * DAY - 1 && l.at[0].age < 2 * DAY + 600, "%.0f s", l.at[0].age);
    check(nb_has_suffix(l.at[1].output, "models/b.gguf"), "%s", l.at[1].output);
    nb_leftovers_free(&l);
}

CHECK_TEST(leftover, only_what_is_old_enough_goes)
{
    const char *dir = folder("old");
    leave(dir, "a.gguf", 2 * DAY);
    leave(dir, "b.gguf", 60);
    leave(dir, "c.gguf", 2 * DAY); /* its part was written to just now */
    make_old(test_path(dir, "c.gguf.part"), 0);
    check(remove_from(dir, DAY, true) == 1 && nb_exists(test_path(dir, "a.gguf.part")), "dry run");
    check(remove_from(dir, DAY, false) == 1, "not one");
    check(!nb_exists(test_path(dir, "a.gguf.part")) &&
              !nb_exists(test_path(dir, "a.gguf.part.journal")),
          "it is there");
    check(nb_exists(test_path(dir, "b.gguf.part")) && nb_exists(test_path(dir, "c.gguf.part")),
          "a young one went");
    check(remove_from(dir, 0, false) == 2, "not two");
}

static int lock(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    check(fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0, "%s", path);
    return fd;
}

/* A set that gives its names has the lock on OUT while the journal is still there. */
CHECK_TEST(leftover, what_a_process_holds_is_never_touched)
{
    const char *dir = folder("held");
    leave(dir, "a.gguf", 2 * DAY);
    leave(dir, "b.gguf", 2 * DAY);
    check(rename(test_path(dir, "b.gguf.part"), test_path(dir, "b.gguf")) == 0, "rename");
    int a = lock(test_path(dir, "a.gguf.part")), b = lock(test_path(dir, "b.gguf"));
    nb_leftovers l = find(dir);
    check(l.n == 2 && l.at[0].live && l.at[1].live, "%zu, not live", l.n);
    nb_leftovers_free(&l);
    check(remove_from(dir, 0, false) == 0 && nb_exists(test_path(dir, "a.gguf.part.journal")) &&
              nb_exists(test_path(dir, "b.gguf.part.journal")),
          "a held one went");
    close(a);
    close(b);
    check(remove_from(dir, 0, false) == 2 && nb_exists(test_path(dir, "b.gguf")),
          "named ones stay");
}

CHECK_TEST(leftover, what_others_left_is_left)
{
    const char *dir = folder("others"), *victim = test_path(dir, "victim.part.journal");
    leave_journal(victim);
    check(symlink("victim.part.journal", test_path(dir, "a.gguf.part.journal")) == 0 &&
              link(victim, test_path(dir, "b.gguf.part.journal")) == 0,
          "links");
    test_spit(test_path(dir, "film.part"), "not ours", 8);
    test_spit(test_path(dir, "c.gguf.part.journal"), "not ours", 8);
    test_spit(test_path(dir, "c.gguf.part"), "not ours", 8);
    leave(dir, "d.gguf", 0);
    test_spit(test_path(dir, "d.gguf.part.journal"), "NBQUANT2", 8);
    check(mkfifo(test_path(dir, "e.gguf.part.journal"), 0600) == 0, "fifo");
    char *before = tree_text(dir);
    check(remove_from(dir, 0, false) == 0, "something went");
    char *after = tree_text(dir);
    check(strcmp(before, after) == 0, "%s", after);
    free(before);
    free(after);
}

/* --- the commands ---------------------------------------------------------------------------- */

static child run(const char *dir, const char *const *args)
{
    child_how how = {.env = {"HF_HOME=hf", "OLLAMA_MODELS=none"}, .dir = dir};
    for (int i = 0; i < CHILD_ARGS && args[i]; i++)
        how.args[i] = args[i];
    return child_run(&how);
}
#define RUN(dir, ...) run(dir, (const char *const[]){__VA_ARGS__, NULL})

CHECK_TEST(leftover, ls_tells_them_and_gc_removes_them)
{
    const char *dir = folder("cmd"), *far = folder("far");
    leave(dir, "mine.gguf", 2 * DAY);
    leave(far, "far\033[31m.gguf", 60);
    child c = RUN(dir, "ls"), j = RUN(dir, "ls", far, "--json");
    check(c.code == 0 && strstr(c.out, "2d  kept     ./mine.gguf.part"), "%s%s", c.out, c.err);
    nb_json *doc = child_json(&j);
    const nb_jval *list = nb_jget(nb_json_root(doc), "unfinished"), *one = nb_jfirst(list);
    const char *output = "";
    check(nb_jlen(list) == 2 && nb_jstr(nb_jget(nb_jnext(one), "output"), &output), "%s", j.out);
    nb_json_close(&doc);
    child_free(&c);
    child_free(&j);
    c = RUN(dir, "gc", "--dry-run");
    check(c.code == 0 && strstr(c.out, "goes") && strstr(c.out, "would remove 1,"), "%s", c.out);
    child_free(&c);
    c = RUN(dir, "gc");
    check(c.code == 10 && strstr(c.err, "--yes") && nb_exists(test_path(dir, "mine.gguf.part")),
          "%s", c.err);
    child_free(&c);
    c = RUN(dir, "gc", "--yes");
    check(c.code == 0 && strstr(c.out, "removed 1,") &&
              !nb_exists(test_path(dir, "mine.gguf.part")),
          "%s", c.out);
    child_free(&c);
    int fd = lock(test_path(far, "far\033[31m.gguf.part"));
    c = RUN(dir, "gc", "--force", "--yes", far);
    check(c.code == 0 && strstr(c.out, "running") && strstr(c.out, "nothing to remove"), "%s",
          c.out);
    check(!strchr(c.out, '\033'), "a name reached the terminal as it is");
    child_free(&c);
    close(fd);
    c = RUN(dir, "gc", "--older", "30s", "--yes", far, "--json");
    check(c.code == 0 && strstr(c.out, "\"removed\":1"), "%s", c.out);
    child_free(&c);
}

/* --- the screen ------------------------------------------------------------------------------ */

CHECK_TEST(leftover, downloads_tells_what_quantize_left)
{
    stage s;
    size_t n;
    stage_begin(&s, "left", NULL);
    leave(".", "mine.gguf", 2 * DAY);
    stage_play(&s, "size 120x40\nkeys 2\nwait\nsave-screen left\n");
    char *text = test_slurp("left", &n);
    stage_leave();
    check(text && strstr(text, "left by earlier quantize runs") && strstr(text, "./mine.gguf"),
          "%s", text ? text : "no screen");
    free(text);
}
