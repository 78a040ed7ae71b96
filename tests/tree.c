#include "tests/tree.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/util.h"

typedef struct lines {
    char **at; /* "PATH\n" + the line: sorts by path */
    size_t n, cap;
} lines;

static void add(lines *l, const char *path, const char *text)
{
    if (l->n == l->cap)
        l->at = realloc(l->at, (l->cap = l->cap ? l->cap * 2 : 64) * sizeof *l->at);
    size_t n = strlen(path) + strlen(text) + 2;
    l->at[l->n] = malloc(n);
    snprintf(l->at[l->n++], n, "%s\n%s", path, text);
}

static void describe(lines *l, const char *full, const char *path)
{
    char text[8300], target[4096];
    struct stat st;
    if (lstat(full, &st) != 0)
        return;
    unsigned mode = st.st_mode & 07777;
    ssize_t n = S_ISLNK(st.st_mode) ? readlink(full, target, sizeof target - 1) : -1;
    if (n >= 0) {
        target[n] = '\0';
        snprintf(text, sizeof text, "l %s -> %s", path, target);
    } else if (S_ISREG(st.st_mode)) {
        char hex[65];
        size_t len = 0;
        char *bytes = test_slurp(full, &len);
        test_sha256(bytes ? bytes : "", len, hex);
        free(bytes);
        snprintf(text, sizeof text, "f %04o %zu %s %s", mode, len, hex, path);
    } else {
        snprintf(text, sizeof text, "%c %04o %s", S_ISDIR(st.st_mode) ? 'd' : '?', mode, path);
    }
    add(l, path, text);
}

static void walk(lines *l, const char *full, const char *path)
{
    DIR *d = opendir(full);
    for (struct dirent *e; d && (e = readdir(d));) {
        char sub[4096], name[4096];
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        snprintf(sub, sizeof sub, "%s/%s", full, e->d_name);
        snprintf(name, sizeof name, "%s%s%s", path, *path ? "/" : "", e->d_name);
        describe(l, sub, name);
        if (e->d_type == DT_DIR)
            walk(l, sub, name);
    }
    if (d)
        closedir(d);
}

static int by_path(const void *a, const void *b)
{
    const char *x = *(char *const *)a, *y = *(char *const *)b;
    size_t n = strcspn(x, "\n"), m = strcspn(y, "\n");
    int c = memcmp(x, y, n < m ? n : m);
    return c ? c : (n > m) - (n < m);
}

char *tree_text(const char *dir)
{
    lines l = {0};
    walk(&l, dir, "");
    if (l.n)
        qsort(l.at, l.n, sizeof *l.at, by_path);
    size_t len = 0;
    char *out = calloc(1, 1);
    for (size_t i = 0; i < l.n; i++) {
        const char *text = strchr(l.at[i], '\n') + 1;
        size_t n = strlen(text);
        out = realloc(out, len + n + 2);
        memcpy(out + len, text, n);
        len += n;
        out[len++] = '\n';
        out[len] = '\0';
        free(l.at[i]);
    }
    free(l.at);
    return out;
}

void tree_remove(const char *dir)
{
    chmod(dir, 0700);
    DIR *d = opendir(dir);
    for (struct dirent *e; d && (e = readdir(d));) {
        char sub[4096];
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        snprintf(sub, sizeof sub, "%s/%s", dir, e->d_name);
        if (e->d_type == DT_DIR)
            tree_remove(sub);
        else
            unlink(sub);
    }
    if (d)
        closedir(d);
    rmdir(dir);
}

static char scratch[64];
static pid_t scratch_owner;

static void remove_scratch(void)
{
    if (getpid() == scratch_owner)
        tree_remove(scratch);
}

const char *tree_scratch(void)
{
    if (!scratch[0]) {
        snprintf(scratch, sizeof scratch, "/dev/shm/nibble-test-XXXXXX");
        if (!mkdtemp(scratch)) {
            scratch[0] = '\0';
            return test_tmpdir();
        }
        scratch_owner = getpid();
        atexit(remove_scratch);
    }
    return scratch;
}
