/* What is restored at start, and who may write it (tui.md 4.13, tui 13). */
#include "tests/check.h"
#include "tests/util.h"
#include "tui/workspace.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const char *folder(const char *name)
{
    return test_path(test_tmpdir(), name);
}

CHECK_TEST(workspace, brings_back_texts_and_lists)
{
    const char *dir = folder("back");
    ui_workspace *w = NULL;
    nb_err err = {0};
    check(ui_workspace_open(&w, dir, &err) == NB_OK && !ui_workspace_foreign(w), "%s", err.msg);
    check(!ui_workspace_get(w, "screen"), "fresh");
    ui_workspace_set(w, "screen", "chat");
    ui_workspace_set(w, "draft", "two\nlines \"quoted\" \xe2\x82\xac");
    ui_workspace_add(w, "marks", "/a");
    ui_workspace_add(w, "marks", "/b");
    ui_workspace_close(&w);
    check(w == NULL, "closed");
    check(ui_workspace_open(&w, dir, &err) == NB_OK, "%s", err.msg);
    check(strcmp(ui_workspace_get(w, "screen"), "chat") == 0, "screen");
    check(strcmp(ui_workspace_get(w, "draft"), "two\nlines \"quoted\" \xe2\x82\xac") == 0, "draft");
    check(ui_workspace_count(w, "marks") == 2, "marks %zu", ui_workspace_count(w, "marks"));
    check(strcmp(ui_workspace_item(w, "marks", 1), "/b") == 0, "second mark");
    check(!ui_workspace_item(w, "marks", 2) && !ui_workspace_get(w, "marks"), "a list is no text");
    ui_workspace_clear(w, "marks");
    ui_workspace_close(&w);
    check(ui_workspace_open(&w, dir, &err) == NB_OK && ui_workspace_count(w, "marks") == 0,
          "marks are gone");
    ui_workspace_close(&w);
}

CHECK_TEST(workspace, second_workbench_keeps_its_own_in_memory)
{
    const char *dir = folder("two");
    ui_workspace *first = NULL, *second = NULL;
    nb_err err = {0};
    check(ui_workspace_open(&first, dir, &err) == NB_OK, "%s", err.msg);
    ui_workspace_set(first, "theme", "dark");
    check(ui_workspace_save(first, &err) == NB_OK, "%s", err.msg);
    check(ui_workspace_open(&second, dir, &err) == NB_OK, "open");
    check(ui_workspace_foreign(second), "the first holds it");
    check(err.status == NB_REFUSED && strstr(err.msg, "another workbench"), "says so: %s", err.msg);
    check(strcmp(ui_workspace_get(second, "theme"), "dark") == 0, "it may read");
    ui_workspace_set(second, "theme", "light");
    check(strcmp(ui_workspace_get(second, "theme"), "light") == 0, "its own is in memory");
    ui_workspace_close(&second);
    ui_workspace_close(&first);
    check(ui_workspace_open(&first, dir, NULL) == NB_OK && !ui_workspace_foreign(first), "free");
    check(strcmp(ui_workspace_get(first, "theme"), "dark") == 0, "the first's was kept");
    ui_workspace_close(&first);
}

CHECK_TEST(workspace, broken_file_is_set_aside_and_start_is_fresh)
{
    static const char *const broken[] = {"", "{", "[1", "{\"a\":\"b\"", "\xff\xfe", "{\"a\":1}x"};
    const char *dir = folder("broken");
    ui_workspace *w = NULL;
    check(ui_workspace_open(&w, dir, NULL) == NB_OK, "makes the folder");
    ui_workspace_close(&w);
    const char *file = test_path(dir, "workspace.json");
    for (size_t i = 0; i < countof(broken); i++) {
        nb_err err = {0};
        test_spit(file, broken[i], strlen(broken[i]));
        check(ui_workspace_open(&w, dir, &err) == NB_OK, "row %zu", i);
        check(err.status != NB_OK && strstr(err.msg, "workspace.bad"), "row %zu: %s", i, err.msg);
        size_t n = 0;
        char *aside = test_slurp(test_path(dir, "workspace.bad"), &n);
        check(aside && n == strlen(broken[i]), "row %zu: kept aside", i);
        free(aside);
        ui_workspace_set(w, "screen", "models");
        ui_workspace_close(&w);
        check(ui_workspace_open(&w, dir, &err) == NB_OK && ui_workspace_get(w, "screen"),
              "row %zu: works again", i);
        ui_workspace_close(&w);
    }
}

CHECK_TEST(workspace, wrong_kinds_in_the_file_are_left_out)
{
    static const char text[] =
        "{\"screen\":7,\"marks\":[\"/a\",3,null],\"theme\":\"dark\",\"x\":{}}";
    const char *dir = folder("kinds");
    ui_workspace *w = NULL;
    nb_err err = {0};
    check(ui_workspace_open(&w, dir, NULL) == NB_OK, "folder");
    ui_workspace_close(&w);
    test_spit(test_path(dir, "workspace.json"), text, strlen(text));
    check(ui_workspace_open(&w, dir, &err) == NB_OK && err.status == NB_OK, "%s", err.msg);
    check(!ui_workspace_get(w, "screen") && ui_workspace_count(w, "marks") == 1, "wrong kinds");
    check(strcmp(ui_workspace_get(w, "theme"), "dark") == 0, "right one");
    ui_workspace_close(&w);
}

CHECK_TEST(workspace, nowhere_to_write_means_memory_only)
{
    ui_workspace *w = NULL;
    check(ui_workspace_open(&w, NULL, NULL) == NB_OK && ui_workspace_foreign(w), "no folder");
    ui_workspace_set(w, "screen", "chat");
    check(strcmp(ui_workspace_get(w, "screen"), "chat") == 0, "in memory");
    check(ui_workspace_save(w, NULL) == NB_OK, "nothing to do");
    ui_workspace_close(&w);
    const char *file = folder("a-file");
    nb_err err = {0};
    test_spit(file, "x", 1);
    check(ui_workspace_open(&w, test_path(file, "sub"), &err) == NB_OK && ui_workspace_foreign(w),
          "a file in the way");
    check(err.status != NB_OK, "says so");
    ui_workspace_close(&w);
    ui_workspace_close(&w);
}
