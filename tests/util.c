#include "tests/util.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

test_rng test_rng_make(uint64_t seed)
{
    const char *env = getenv("NB_TEST_SEED");
    if (env)
        seed = strtoull(env, NULL, 0);
    return (test_rng){{seed * 0x9e3779b97f4a7c15u + 1, seed ^ 0xd1b54a32d192ed03u}};
}

uint64_t test_u64(test_rng *r) /* xorshift128+ */
{
    uint64_t a = r->s[0], b = r->s[1];
    r->s[0] = b;
    a ^= a << 23;
    r->s[1] = a ^ b ^ (a >> 17) ^ (b >> 26);
    return r->s[1] + b;
}

uint32_t test_below(test_rng *r, uint32_t n)
{
    return (uint32_t)((test_u64(r) >> 32) * n >> 32);
}

float test_uniform(test_rng *r)
{
    return (float)(test_u64(r) >> 40) * 0x1p-24f;
}

float test_normal(test_rng *r)
{
    float u = test_uniform(r) + 0x1p-25f, v = test_uniform(r);
    return sqrtf(-2.0f * logf(u)) * cosf(6.2831853f * v);
}

static char tmpdir[512];

static void remove_tree(const char *path)
{
    DIR *d = opendir(path);
    if (d) {
        struct dirent *e;
        while ((e = readdir(d))) {
            char sub[4096];
            if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
                continue;
            snprintf(sub, sizeof sub, "%s/%s", path, e->d_name);
            struct stat st;
            if (lstat(sub, &st) == 0 && S_ISDIR(st.st_mode))
                remove_tree(sub);
            else
                unlink(sub);
        }
        closedir(d);
    }
    rmdir(path);
}

static pid_t tmpdir_owner;

static void remove_tmpdir(void)
{
    if (tmpdir[0] && getpid() == tmpdir_owner)
        remove_tree(tmpdir);
}

const char *test_tmpdir(void)
{
    if (!tmpdir[0]) {
        const char *base = getenv("TMPDIR");
        snprintf(tmpdir, sizeof tmpdir, "%s/nibble-test-XXXXXX", base ? base : "/tmp");
        if (!mkdtemp(tmpdir)) {
            perror(tmpdir);
            exit(1);
        }
        tmpdir_owner = getpid();
        atexit(remove_tmpdir);
    }
    return tmpdir;
}

static const char *join(const char *dir, const char *name)
{
    static char ring[16][1024];
    static unsigned next;
    char *s = ring[next++ % 16];
    snprintf(s, sizeof ring[0], "%s/%s", dir, name);
    return s;
}

const char *test_path(const char *dir, const char *name)
{
    return join(dir, name);
}

char *test_slurp(const char *path, size_t *n)
{
    FILE *f = fopen(path, "rb");
    if (!f)
        return NULL;
    size_t cap = 1 << 16, len = 0, got;
    char *buf = malloc(cap + 1);
    while (buf && (got = fread(buf + len, 1, cap - len, f)) > 0) {
        len += got;
        if (len == cap)
            buf = realloc(buf, (cap *= 2) + 1);
    }
    fclose(f);
    if (buf)
        buf[len] = '\0';
    if (n)
        *n = len;
    return buf;
}

void test_spit(const char *path, const void *bytes, size_t n)
{
    FILE *f = fopen(path, "wb");
    if (!f || fwrite(bytes, 1, n, f) != n || fclose(f) != 0) {
        perror(path);
        exit(1);
    }
}

const char *test_data(const char *name)
{
    return join(NB_TEST_ROOT "/tests/data", name);
}

const char *test_shared(const char *name)
{
    const char *env = getenv("NB_SHARED");
    const char *path = join(env ? env : NB_TEST_ROOT "/../shared", name);
    return access(path, R_OK) == 0 ? path : NULL;
}

typedef struct guard {
    char *map;
    size_t map_len;
    void *user;
} guard;
static guard guards[64];

void *test_guard(size_t n, int at_end)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t body = (n + page - 1) / page * page;
    if (body == 0)
        body = page;
    char *map = mmap(NULL, body + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED || mprotect(map + page, body, PROT_READ | PROT_WRITE) != 0) {
        perror("guard");
        exit(1);
    }
    char *user = at_end ? map + page + body - n : map + page;
    for (size_t i = 0; i < 64; i++)
        if (!guards[i].map) {
            guards[i] = (guard){map, body + 2 * page, user};
            return user;
        }
    fprintf(stderr, "guard: more than 64 at once\n");
    exit(1);
}

void test_guard_free(void *p)
{
    for (size_t i = 0; i < 64; i++)
        if (guards[i].map && guards[i].user == p) {
            munmap(guards[i].map, guards[i].map_len);
            guards[i] = (guard){0};
            return;
        }
}

int test_rounds(int usual, int full)
{
    if (getenv("NB_TEST_LONG"))
        return full;
    return usual < TEST_THIN ? 1 : usual / TEST_THIN;
}

double test_within(double seconds)
{
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
    seconds *= 6;
#endif
    return getenv("NB_TEST_STRICT") ? seconds : 5 * seconds;
}

uint64_t test_rss_peak(int reset)
{
    char line[256];
    unsigned long kb = 0;
    FILE *f = fopen(reset ? "/proc/self/clear_refs" : "/proc/self/status", reset ? "w" : "r");
    if (f && reset)
        fputs("5", f);
    while (f && !reset && fgets(line, sizeof line, f))
        if (sscanf(line, "VmHWM: %lu", &kb) == 1)
            break;
    if (f)
        fclose(f);
    return kb * 1024ull;
}
