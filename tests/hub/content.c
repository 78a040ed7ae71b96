#include "tests/hub/content.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/digest.h"
#include "core/base/str.h"
#include "tests/hub/fake_hub.h"
#include "tests/hub/mem.h"

/* splitmix64 of a counter: word i of a seed needs no word before it. */
static uint64_t noise_word(uint64_t seed, uint64_t i)
{
    uint64_t z = seed + i * 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static size_t noise_part(uint64_t seed, uint64_t offset, uint8_t *out, size_t n)
{
    uint64_t word = noise_word(seed, offset / 8);
    size_t from = offset % 8, take = 8 - from < n ? 8 - from : n;
    for (size_t i = 0; i < take; i++)
        out[i] = (uint8_t)(word >> 8 * (from + i));
    return take;
}

void fake_noise(uint64_t seed, uint64_t offset, void *out, size_t n)
{
    uint8_t *to = out;
    size_t done = offset % 8 ? noise_part(seed, offset, to, n) : 0;
    for (; done + 8 <= n; done += 8) {
        uint64_t word = htole64(noise_word(seed, (offset + done) / 8));
        memcpy(to + done, &word, 8);
    }
    if (done < n)
        noise_part(seed, offset + done, to + done, n - done);
}

/* Neither the SHA-256 of the content nor anything a client could compute from it, as the Hub's. */
static void name_xet(content *c, const char *kind, const void *bytes, size_t n)
{
    nb_sha256 *h;
    if (nb_sha256_open(&h, NULL) != NB_OK)
        abort();
    nb_sha256_add(h, "xet ", 4);
    nb_sha256_add(h, kind, strlen(kind));
    nb_sha256_add(h, &c->size, sizeof c->size);
    nb_sha256_add(h, &c->seed, sizeof c->seed);
    nb_sha256_add(h, bytes, n);
    nb_sha256_hex(h, c->xet);
    nb_sha256_close(&h);
}

static content *make(uint64_t size, const char *sha256)
{
    content *c = hub_alloc(sizeof *c);
    c->size = size;
    c->fd = -1;
    pthread_mutex_init(&c->lock, NULL);
    if (sha256) {
        snprintf(c->sha256, sizeof c->sha256, "%s", sha256);
        c->hashed = true;
    }
    return c;
}

content *content_of_bytes(const void *bytes, size_t n, const char *sha256)
{
    content *c = make(n, sha256);
    c->head = hub_alloc(n);
    if (n)
        memcpy(c->head, bytes, n);
    c->head_n = n;
    name_xet(c, "bytes", c->head, n);
    return c;
}

content *content_of_noise(uint64_t seed, uint64_t size, const void *head, size_t head_n,
                          const char *sha256)
{
    content *c = make(size, sha256);
    c->seed = seed;
    c->head_n = head_n < size ? head_n : (size_t)size;
    c->head = hub_alloc(c->head_n);
    if (c->head_n)
        memcpy(c->head, head, c->head_n);
    name_xet(c, "noise", c->head, c->head_n);
    return c;
}

nb_status content_of_disk(content **out, const char *path, const char *sha256, nb_err *err)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return nb_fail_errno(err, errno, "open", path);
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        close(fd);
        return nb_fail(err, NB_IO, "%s: not a regular file", path);
    }
    content *c = make((uint64_t)st.st_size, sha256);
    c->fd = fd;
    c->seed = (uint64_t)st.st_mtim.tv_sec * 1000000007u + (uint64_t)st.st_mtim.tv_nsec;
    name_xet(c, "disk", path, strlen(path));
    *out = c;
    return NB_OK;
}

void content_free(content *c)
{
    if (!c)
        return;
    if (c->fd >= 0)
        close(c->fd);
    pthread_mutex_destroy(&c->lock);
    free(atomic_load(&c->cached));
    free(c->head);
    free(c);
}

static bool read_disk(int fd, uint64_t offset, uint8_t *out, size_t n)
{
    for (size_t done = 0; done < n;) {
        ssize_t k = pread(fd, out + done, n - done, (off_t)(offset + done));
        if (k < 0 && errno == EINTR)
            continue;
        if (k <= 0)
            return false;
        done += (size_t)k;
    }
    return true;
}

bool content_read(content *c, uint64_t offset, void *out, size_t n)
{
    const uint8_t *whole = atomic_load(&c->cached);
    uint8_t *to = out;
    if (whole) {
        memcpy(to, whole + offset, n);
        return true;
    }
    if (c->fd >= 0)
        return read_disk(c->fd, offset, to, n);
    size_t head = offset >= c->head_n ? 0 : c->head_n - (size_t)offset;
    head = head < n ? head : n;
    if (head)
        memcpy(to, c->head + offset, head);
    fake_noise(c->seed, offset + head, to + head, n - head);
    return true;
}

const uint8_t *content_cache(content *c, _Atomic uint64_t *budget)
{
    if (c->head_n == c->size)
        return c->head;
    pthread_mutex_lock(&c->lock);
    uint64_t left = atomic_load(budget);
    if (!c->cache_asked && c->size <= left) {
        uint8_t *whole = hub_alloc((size_t)c->size);
        if (content_read(c, 0, whole, (size_t)c->size)) {
            atomic_fetch_sub(budget, c->size);
            atomic_store(&c->cached, whole);
        } else {
            free(whole);
        }
    }
    c->cache_asked = true;
    pthread_mutex_unlock(&c->lock);
    return atomic_load(&c->cached);
}

void content_true_sha256(content *c, char out[65])
{
    enum { STEP = 1 << 20 };
    nb_sha256 *h;
    if (nb_sha256_open(&h, NULL) != NB_OK)
        abort();
    uint8_t *part = hub_alloc(STEP);
    for (uint64_t at = 0; at < c->size;) {
        size_t n = c->size - at < STEP ? (size_t)(c->size - at) : STEP;
        if (!content_read(c, at, part, n))
            break;
        nb_sha256_add(h, part, n);
        at += n;
    }
    nb_sha256_hex(h, out);
    nb_sha256_close(&h);
    free(part);
}

const char *content_sha256(content *c)
{
    bool noise = c->fd < 0 && c->size > (uint64_t)CONTENT_HASHED_GIB << 30;
    pthread_mutex_lock(&c->lock);
    if (!c->hashed && noise)
        memcpy(c->sha256, c->xet, sizeof c->sha256); /* as good as any other */
    else if (!c->hashed)
        content_true_sha256(c, c->sha256);
    c->hashed = true;
    pthread_mutex_unlock(&c->lock);
    return c->sha256;
}

const char *content_git(content *c)
{
    enum { LIMIT = 64 << 20 };
    pthread_mutex_lock(&c->lock);
    if (!c->git[0]) {
        size_t n = c->size < LIMIT ? (size_t)c->size : LIMIT;
        uint8_t *whole = hub_alloc(n);
        if (!content_read(c, 0, whole, n) || nb_git_sha1_of(whole, n, c->git, NULL) != NB_OK)
            memset(c->git, '0', 40);
        free(whole);
    }
    pthread_mutex_unlock(&c->lock);
    return c->git;
}

size_t content_pointer(content *c, char text[256], char sha1[41])
{
    int n = snprintf(text, 256,
                     "version https://git-lfs.github.com/spec/v1\noid sha256:%s\nsize %llu\n",
                     content_sha256(c), (unsigned long long)c->size);
    if (nb_git_sha1_of(text, (size_t)n, sha1, NULL) != NB_OK)
        abort();
    return (size_t)n;
}
