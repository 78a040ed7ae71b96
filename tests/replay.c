/* The list of fuzz targets and the loop that feeds them files, without libFuzzer. */
#include "tests/fuzz/fuzz.h"

#include <dirent.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/util.h"

fuzz_row *fuzz_rows;

static size_t replay_file(const fuzz_row *target, const char *path)
{
    size_t n;
    char *text = test_slurp(path, &n);
    uint8_t *exact = text ? malloc(n ? n : 1) : NULL;
    if (exact) {
        memcpy(exact, text, n);
        target->run(exact, n);
    }
    free(exact);
    free(text);
    return exact != NULL;
}

size_t fuzz_replay(const fuzz_row *target, const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return 0;
    if (!S_ISDIR(st.st_mode))
        return replay_file(target, path);
    DIR *d = opendir(path);
    size_t count = 0;
    for (struct dirent *e; d && (e = readdir(d));)
        if (e->d_name[0] != '.')
            count += replay_file(target, test_path(path, e->d_name));
    if (d)
        closedir(d);
    return count;
}
