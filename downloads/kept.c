/* Answers of the Hub kept on disk, one file each: written whole or not at all, the oldest make
 * room. Private to downloads/; what is read back is judged by who reads it. */
#include <dirent.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/base/file.h"
#include "downloads/hub_private.h"

enum { PATH_MAX_KEPT = 1300 };

typedef struct folder {
    size_t n;
    uint64_t bytes;
    char oldest[PATH_MAX_KEPT]; /* "" = empty */
} folder;

static folder look(const char *dir)
{
    folder f = {.n = 0};
    struct timespec least = {0};
    DIR *d = opendir(dir);
    for (struct dirent *e; d && (e = readdir(d));) {
        char path[PATH_MAX_KEPT];
        struct stat st;
        if (e->d_name[0] == '.' || !nb_path_join(path, sizeof path, dir, e->d_name) ||
            lstat(path, &st) != 0 || !S_ISREG(st.st_mode))
            continue;
        bool older = st.st_mtim.tv_sec < least.tv_sec ||
                     (st.st_mtim.tv_sec == least.tv_sec && st.st_mtim.tv_nsec < least.tv_nsec);
        f.bytes += (uint64_t)st.st_size;
        if (f.n++ == 0 || older) {
            least = st.st_mtim;
            snprintf(f.oldest, sizeof f.oldest, "%s", path);
        }
    }
    if (d)
        closedir(d);
    return f;
}

void dl_kept_write(const char *path, const nb_str *text, size_t most, uint64_t bytes)
{
    char dir[PATH_MAX_KEPT];
    const char *base = nb_path_base(path);
    if (text->failed || text->len > bytes || base == path)
        return;
    snprintf(dir, sizeof dir, "%.*s", (int)(base - path - 1), path);
    if (nb_mkdirs(dir, NULL) != NB_OK ||
        nb_replace_file(path, nb_str_c(text), text->len, 0600, NULL) != NB_OK)
        return;
    folder f = look(dir);
    while ((f.n > most || f.bytes > bytes) && unlink(f.oldest) == 0)
        f = look(dir);
}
