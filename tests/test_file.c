#include "tests/check.h"

#include "core/base/file.h"
#include "tests/util.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

CHECK_TEST(file, maps_and_reads_whole_files)
{
    const char *path = test_path(test_tmpdir(), "whole");
    nb_err err = {0};
    nb_map m;
    char *text;
    size_t n;
    test_spit(path, "hello", 5);
    check(nb_map_open(&m, path, &err) == NB_OK, "%s", err.msg);
    check(m.len == 5 && memcmp(m.at, "hello", 5) == 0, "mapped bytes");
    unlink(path);
    check(m.at[4] == 'o' && !nb_map_lost(&m), "the mapping outlives the name");
    nb_map_close(&m);
    check(!m.at && m.len == 0, "closed");
    test_spit(path, "hello", 5);
    check(nb_file_read(&text, &n, path, 5, &err) == NB_OK && n == 5 && strcmp(text, "hello") == 0,
          "%s", err.msg);
    free(text);
    check(nb_file_read(&text, &n, path, 4, &err) == NB_FORMAT && strstr(err.msg, "5 bytes") &&
              strstr(err.msg, "limit is 4"),
          "%s", err.msg);
    test_spit(path, "", 0);
    check(nb_file_read(&text, &n, path, 0, &err) == NB_OK && n == 0 && text[0] == '\0', "empty");
    free(text);
    check(nb_map_open(&m, path, &err) == NB_OK && m.at == NULL && m.len == 0, "empty map");
    nb_map_close(&m);
}

CHECK_TEST(file, replaces_whole_or_not_at_all)
{
    const char *path = test_path(test_tmpdir(), "target");
    nb_err err = {0};
    size_t n;
    struct stat st;
    check(nb_replace_file(path, "one", 3, 0600, &err) == NB_OK, "%s", err.msg);
    check(nb_replace_file(path, "two!", 4, 0, &err) == NB_OK, "%s", err.msg);
    char *text = test_slurp(path, &n);
    check(n == 4 && memcmp(text, "two!", 4) == 0, "content %s", text);
    free(text);
    check(stat(path, &st) == 0 && (st.st_mode & 0777) == 0600, "mode %o", st.st_mode & 0777);
}
