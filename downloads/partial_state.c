#include "downloads/partial_state.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "kernels/crc32c.h"

static const char magic[8] = {'n', 'b', 'p', 'a', 'r', 't', '1', '\n'};

/* --- format ------------------------------------------------------------------------------------
 */

static void put_u32(uint8_t *at, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        at[i] = (uint8_t)(v >> 8 * i);
}

static void put_u64(uint8_t *at, uint64_t v)
{
    put_u32(at, (uint32_t)v);
    put_u32(at + 4, (uint32_t)(v >> 32));
}

static void put_text(uint8_t *at, size_t n, const char *s)
{
    memcpy(at, s, strnlen(s, n));
}

/* n bytes of text, padded with NUL, as a string. */
static bool get_text(nb_cursor *c, size_t n, char *out)
{
    const uint8_t *at;
    if (!nb_read_bytes(c, n, &at))
        return false;
    memcpy(out, at, n);
    out[n] = '\0';
    return true;
}

uint32_t dl_state_segments(const dl_state_head *h)
{
    return (uint32_t)((h->size + h->segment - 1) / h->segment);
}

void dl_state_write(uint8_t out[DL_STATE_HEAD], const dl_state_head *h)
{
    memset(out, 0, DL_STATE_HEAD);
    memcpy(out, magic, sizeof magic);
    put_u32(out + 8, 1);
    put_u32(out + 12, h->segment);
    put_u64(out + 16, h->size);
    put_text(out + 24, 64, h->oid);
    put_text(out + 88, 40, h->commit);
    put_text(out + 128, 64, h->owner.host);
    put_text(out + 192, 36, h->owner.boot);
    put_u64(out + 232, (uint64_t)h->owner.pid);
    put_u64(out + 240, h->owner.start);
    put_u32(out + 252, nk_crc32c_c(0, out, 252));
}

/* The values that decide how much is read and where. */
static bool head_ok(const dl_state_head *h)
{
    bool power =
        h->segment >= 1u << 12 && h->segment <= 1u << 30 && (h->segment & (h->segment - 1)) == 0;
    return power && h->size <= (uint64_t)h->segment * DL_SEGMENTS_MAX && dl_oid_ok(h->oid) &&
           (h->commit[0] == '\0' || dl_commit_ok(h->commit)) && h->owner.pid >= 0 &&
           h->owner.pid <= INT32_MAX;
}

bool dl_state_read(dl_state_head *out, const uint8_t *bytes, size_t n)
{
    dl_state_head h = {0};
    nb_cursor c = nb_cursor_make(bytes, n);
    const uint8_t *mark, *pad;
    uint32_t version, crc;
    uint64_t pid;
    if (!nb_read_bytes(&c, sizeof magic, &mark) || memcmp(mark, magic, sizeof magic) != 0 ||
        !nb_read_u32(&c, &version) || version != 1 || !nb_read_u32(&c, &h.segment) ||
        !nb_read_u64(&c, &h.size) || !get_text(&c, 64, h.oid) || !get_text(&c, 40, h.commit) ||
        !get_text(&c, 64, h.owner.host) || !get_text(&c, 36, h.owner.boot) ||
        !nb_read_bytes(&c, 4, &pad) || !nb_read_u64(&c, &pid) || !nb_read_u64(&c, &h.owner.start) ||
        !nb_read_bytes(&c, 4, &pad) || !nb_read_u32(&c, &crc) || crc != nk_crc32c_c(0, bytes, 252))
        return false;
    h.owner.pid = (int64_t)pid;
    if (!head_ok(&h))
        return false;
    *out = h;
    return true;
}

static uint32_t record_check(const dl_state_head *h, uint32_t i, uint32_t crc)
{
    uint8_t about[16];
    put_u64(about, h->size);
    put_u32(about + 8, i);
    put_u32(about + 12, crc);
    return nk_crc32c_c(nk_crc32c_c(0, h->oid, strlen(h->oid)), about, sizeof about);
}

void dl_record_write(uint8_t out[DL_STATE_RECORD], const dl_state_head *h, uint32_t i, uint32_t crc)
{
    put_u32(out, crc);
    put_u32(out + 4, record_check(h, i, crc));
}

bool dl_record_read(const uint8_t in[DL_STATE_RECORD], const dl_state_head *h, uint32_t i,
                    uint32_t *crc)
{
    nb_cursor c = nb_cursor_make(in, DL_STATE_RECORD);
    uint32_t value = 0, check = 0;
    nb_read_u32(&c, &value);
    nb_read_u32(&c, &check);
    if (check != record_check(h, i, value))
        return false;
    *crc = value;
    return true;
}

/* --- owner -------------------------------------------------------------------------------------
 */

/* What the file says, terminated; nothing if it cannot be read. */
static size_t read_small(const char *path, char *out, size_t cap)
{
    FILE *f = fopen(path, "re");
    size_t n = 0;
    if (f) {
        n = fread(out, 1, cap - 1, f);
        fclose(f);
    }
    out[n] = '\0';
    return n;
}

bool dl_stat_read(char *text, uint64_t *start, bool *ended)
{
    char *at = strrchr(text, ')');
    *ended = at && at[1] && (at[2] == 'Z' || at[2] == 'X');
    for (int field = 2; at && field < 22; field++)
        at = strchr(at + 1, ' ');
    if (!at)
        return false;
    at[1 + strcspn(at + 1, " ")] = '\0';
    return nb_parse_u64(at + 1, start);
}

static bool start_of(int64_t pid, uint64_t *out, bool *ended)
{
    char path[48], text[1024];
    snprintf(path, sizeof path, "/proc/%lld/stat", (long long)pid);
    read_small(path, text, sizeof text);
    return dl_stat_read(text, out, ended);
}

void dl_owner_self(dl_owner *out)
{
    bool ended;
    *out = (dl_owner){.pid = getpid()};
    gethostname(out->host, sizeof out->host - 1); /* Linux has none longer */
    if (read_small("/proc/sys/kernel/random/boot_id", out->boot, sizeof out->boot) < 36)
        out->boot[0] = '\0';
    start_of(out->pid, &out->start, &ended);
}

/* A container shares the boot id but not the process numbers; its name tells it apart. Whether its
 * process still runs, the lock on the state file says, which is the kernel's. */
dl_owner_is dl_owner_look(const dl_owner *o)
{
    dl_owner self;
    uint64_t start = 0;
    dl_owner_self(&self);
    bool host = strcmp(o->host, self.host) == 0, boot = strcmp(o->boot, self.boot) == 0;
    if (o->pid == 0)
        return DL_OWNER_GONE;
    if (!host && !boot)
        return DL_OWNER_ELSEWHERE;
    if (!host || !boot)
        return DL_OWNER_GONE; /* that container's lock is free; or this machine was restarted */
    if (kill((pid_t)o->pid, 0) != 0 && errno == ESRCH)
        return DL_OWNER_GONE;
    bool ended = false, told = start_of(o->pid, &start, &ended);
    bool same = !o->start || !told || start == o->start;
    return same && !ended ? DL_OWNER_RUNS : DL_OWNER_GONE;
}

/* --- names -------------------------------------------------------------------------------------
 */

bool dl_partial_name(const char *name, char oid[65], char tag[9], bool *state)
{
    size_t n = strspn(name, "0123456789abcdef");
    if ((n != 40 && n != 64) || name[n] != '.' || strspn(name + n + 1, "0123456789abcdef") != 8)
        return false;
    const char *rest = name + n + 9;
    *state = strcmp(rest, ".state.incomplete") == 0;
    if (!*state && strcmp(rest, ".incomplete") != 0)
        return false;
    memcpy(oid, name, n);
    oid[n] = '\0';
    memcpy(tag, name + n + 1, 8);
    tag[8] = '\0';
    return true;
}

void dl_partial_names(char data[DL_NAME_MAX], char state[DL_NAME_MAX], const char *oid,
                      const char *tag)
{
    snprintf(data, DL_NAME_MAX, "%s.%s.incomplete", oid, tag);
    snprintf(state, DL_NAME_MAX, "%s.%s.state.incomplete", oid, tag);
}
