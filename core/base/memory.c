/* How much memory a model may take. /proc/meminfo speaks for the machine; a container or a systemd
 * slice may allow less, which only its control group tells: version 2 (kernel
 * Documentation/admin-guide/cgroup-v2.rst: memory.max, memory.current, memory.stat) or version 1
 * (cgroup-v1/memory.rst: memory.limit_in_bytes, memory.usage_in_bytes). A limit anywhere on the way
 * up to the root binds. */
#include "core/base/memory.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "core/base/config.h"
#include "core/base/file.h"
#include "core/base/str.h"

enum { PROC_FILE_MAX = 1 << 16 }; /* bytes; /proc/self/cgroup and memory.stat stay far below */

/* root/dir/name as text, or NULL. */
static char *slurp(const char *root, const char *dir, const char *name)
{
    char path[PATH_MAX];
    char *text;
    size_t n;
    int len = snprintf(path, sizeof path, "%s%s/%s", root, dir, name);
    if (len < 0 || (size_t)len >= sizeof path ||
        nb_file_read(&text, &n, path, PROC_FILE_MAX, NULL) != NB_OK)
        return NULL;
    return text;
}

/* The decimal number at text, blanks before it allowed; false for "max" and the like. */
static bool number_at(const char *text, uint64_t *out)
{
    uint64_t v = 0;
    text += strspn(text, " \t:");
    if (*text < '0' || *text > '9')
        return false;
    for (; *text >= '0' && *text <= '9'; text++)
        if (!nb_mul(v, 10, &v) || !nb_add(v, (uint64_t)(*text - '0'), &v))
            return false;
    *out = v;
    return true;
}

/* The number behind `key` at the start of a line. */
static bool field(const char *text, const char *key, uint64_t *out)
{
    size_t n = strlen(key);
    for (const char *line = text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, key, n) == 0 && strchr(" \t:", line[n]) && line[n])
            return number_at(line + n, out);
    }
    return false;
}

static bool file_number(const char *root, const char *dir, const char *name, uint64_t *out)
{
    char *text = slurp(root, dir, name);
    bool ok = text && number_at(text, out);
    free(text);
    return ok;
}

/* Names of one control group version. */
typedef struct group_names {
    const char *mount, *limit, *used, *inactive, *active;
} group_names;
static const group_names v1 = {"/sys/fs/cgroup/memory", "memory.limit_in_bytes",
                               "memory.usage_in_bytes", "total_inactive_file", "total_active_file"};
static const group_names v2 = {"/sys/fs/cgroup", "memory.max", "memory.current", "inactive_file",
                               "active_file"};

/* Lowers *room to what the group in dir still allows. Page cache counts as used there, but the
 * kernel drops it before it kills. */
static void group_room(const char *root, const group_names *g, const char *dir, uint64_t *room)
{
    uint64_t limit, used, inactive = 0, active = 0;
    if (!file_number(root, dir, g->limit, &limit) || !file_number(root, dir, g->used, &used))
        return;
    char *stat = slurp(root, dir, "memory.stat");
    if (stat) {
        if (!field(stat, g->inactive, &inactive))
            inactive = 0;
        if (!field(stat, g->active, &active))
            active = 0;
    }
    free(stat);
    uint64_t cache = inactive + active;
    used = used > cache ? used - cache : 0;
    uint64_t left = limit > used ? limit - used : 0;
    if (left < *room)
        *room = left;
}

/* The group at mount + path and all above it. Inside a container the path may name a folder only
 * the host sees; the groups that can be read still count. */
static void group_walk(const char *root, const group_names *g, const char *path, uint64_t *room)
{
    char dir[PATH_MAX];
    size_t mount = strlen(g->mount);
    if (!nb_path_join(dir, sizeof dir, g->mount, path + (*path == '/')))
        return;
    for (;;) {
        group_room(root, g, dir, room);
        char *slash = strrchr(dir, '/');
        if (!slash || (size_t)(slash - dir) < mount)
            return;
        *slash = '\0';
    }
}

/* /proc/self/cgroup: lines "id:controllers:path"; id 0 with no controllers is version 2. */
static void groups(const char *root, uint64_t *room)
{
    char *text = slurp(root, "/proc/self", "cgroup"), *save = NULL;
    if (!text)
        return;
    for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        char *controllers = strchr(line, ':');
        char *path = controllers ? strchr(controllers + 1, ':') : NULL;
        if (!path)
            continue;
        *controllers++ = '\0';
        *path++ = '\0';
        if (strcmp(line, "0") == 0 && !*controllers)
            group_walk(root, &v2, path, room);
        for (char *one = controllers, *end; *one; one = *end ? end + 1 : end) {
            end = one + strcspn(one, ",");
            if ((size_t)(end - one) == strlen("memory") && strncmp(one, "memory", 6) == 0)
                group_walk(root, &v1, path, room);
        }
    }
    free(text);
}

void nb_memory_under(const char *root, uint64_t *available, uint64_t *total)
{
    uint64_t all = 0, room = 0;
    char *info = slurp(root, "/proc", "meminfo");
    bool known = info && field(info, "MemTotal", &all) && nb_mul(all, 1024, &all) &&
                 field(info, "MemAvailable", &room) && nb_mul(room, 1024, &room);
    free(info);
    if (!known) { /* no /proc: the physical pages, half of them taken as in use */
        long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);
        if (pages < 0 || size < 0 || !nb_mul((uint64_t)pages, (uint64_t)size, &all))
            all = 0;
        room = all / 2;
    }
    groups(root, &room);
    *available = room;
    *total = all;
}

void nb_memory(uint64_t *available, uint64_t *total)
{
    nb_memory_under("", available, total);
}

uint64_t nb_rss(void)
{
    long page = sysconf(_SC_PAGESIZE);
    uint64_t pages, bytes;
    char *text = slurp("", "/proc/self", "statm"); /* size resident ..., in pages */
    bool ok = text && number_at(text + strcspn(text, " "), &pages) && page > 0 &&
              nb_mul(pages, (uint64_t)page, &bytes);
    free(text);
    if (ok)
        return bytes;
    struct rusage use; /* no /proc: the largest it ever was, in KiB */
    return getrusage(RUSAGE_SELF, &use) == 0 ? (uint64_t)use.ru_maxrss * 1024 : 0;
}
