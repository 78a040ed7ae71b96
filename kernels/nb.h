/* The floor every folder stands on: status codes, error text, checked arithmetic, a bounded
 * little-endian reader, progress and cancel hooks. No quantization or model knowledge here.
 *
 * Conventions of the whole program:
 *   fallible   = returns nb_status, takes `nb_err *err` last (may be NULL), writes outputs on
 *                success only;
 *   infallible = returns the value.
 * An error is filled once, at the failing line, and passed up untouched. */
#ifndef NIBBLE_NB_H
#define NIBBLE_NB_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* X(name, exit code of the process, text). Exit codes: the man page's table comes from here. */
#define NB_STATUS_LIST(X)                                                                          \
    X(OK, 0, "success")                                                                            \
    X(ERROR, 1, "other failure")                                                                   \
    X(USAGE, 2, "bad command line, or no terminal")                                                \
    X(FORMAT, 3, "bad file")                                                                       \
    X(UNSUPPORTED, 3, "unsupported file")                                                          \
    X(MORE, 3, "more of the file is needed")                                                       \
    X(NOTFOUND, 4, "not found")                                                                    \
    X(IO, 5, "input or output failed")                                                             \
    X(NOSPACE, 5, "disk full")                                                                     \
    X(NOMEM, 6, "not enough memory")                                                               \
    X(NETWORK, 7, "network failure")                                                               \
    X(DENIED, 8, "login, licence or permission needed")                                            \
    X(HASH, 9, "hash mismatch")                                                                    \
    X(REFUSED, 10, "refused, to protect data")                                                     \
    X(CANCELED, 130, "cancelled")

typedef enum nb_status {
#define NB_STATUS_ENUM(name, code, text) NB_##name,
    NB_STATUS_LIST(NB_STATUS_ENUM)
#undef NB_STATUS_ENUM
        NB_STATUS_COUNT
} nb_status;

typedef struct nb_err {
    nb_status status;
    char msg[240]; /* one sentence, lower case, no full stop: thing, field, numbers */
} nb_err;

/* Fills err (NULL is fine) and returns status. A message longer than the buffer ends in an
 * ellipsis; foreign strings in it need no care here: every sink passes messages through
 * nb_safe_text. */
nb_status nb_fail(nb_err *err, nb_status status, const char *fmt, ...)
    __attribute__((format(printf, 3, 4), cold));
#ifdef __clang_analyzer__ /* it cannot see across files that the status comes back */
#define nb_fail(err, status, ...) ((void)(nb_fail)((err), (status), __VA_ARGS__), (status))
#endif
/* As nb_fail with "<what> <path>: <strerror(errnum)>"; ENOSPC and EDQUOT become NB_NOSPACE,
 * ENOENT NB_NOTFOUND, ENOMEM NB_NOMEM, everything else NB_IO. */
nb_status nb_fail_errno(nb_err *err, int errnum, const char *what, const char *path)
    __attribute__((cold));
/* Ends buf[cap] in an ellipsis, between UTF-8 characters, when the n bytes that snprintf wanted to
 * write did not fit; cap >= 4. */
void nb_elide(char *buf, size_t cap, int n);
int nb_exit_code(nb_status status);
const char *nb_status_text(nb_status status);

/* Forwards a failure where nothing is owned yet. */
#define NB_TRY(call)                                                                               \
    do {                                                                                           \
        nb_status nb_try_status_ = (call);                                                         \
        if (nb_try_status_ != NB_OK)                                                               \
            return nb_try_status_;                                                                 \
    } while (0)

#define countof(a) (sizeof(a) / sizeof((a)[0]))

/* Checked unsigned arithmetic for every number that comes from a file: false on overflow, and
 * then *out is untouched. */
static inline bool nb_mul(uint64_t a, uint64_t b, uint64_t *out)
{
    uint64_t r;
    if (__builtin_mul_overflow(a, b, &r))
        return false;
    *out = r;
    return true;
}

static inline bool nb_add(uint64_t a, uint64_t b, uint64_t *out)
{
    uint64_t r;
    if (__builtin_add_overflow(a, b, &r))
        return false;
    *out = r;
    return true;
}

/* Rounds up to a multiple of align, a power of two. */
static inline bool nb_align_up(uint64_t v, uint64_t align, uint64_t *out)
{
    uint64_t r;
    if (!nb_add(v, align - 1, &r))
        return false;
    *out = r & ~(align - 1);
    return true;
}

/* Bounded little-endian reader. A failed read returns false and leaves the cursor where it was;
 * the caller names the field. Never reads past end, whatever it is asked for. */
typedef struct nb_cursor {
    const uint8_t *at; /* borrowed */
    const uint8_t *end;
    const uint8_t *start;
} nb_cursor;

static inline nb_cursor nb_cursor_make(const void *bytes, size_t n)
{
    const uint8_t *p = bytes; /* may be NULL when n is 0 */
    return (nb_cursor){.at = p, .end = n ? p + n : p, .start = p};
}
static inline size_t nb_cursor_left(const nb_cursor *c)
{
    return (size_t)(c->end - c->at);
}
static inline size_t nb_cursor_pos(const nb_cursor *c)
{
    return (size_t)(c->at - c->start);
}
bool nb_read_u8(nb_cursor *c, uint8_t *out);
bool nb_read_u16(nb_cursor *c, uint16_t *out);
bool nb_read_u32(nb_cursor *c, uint32_t *out);
bool nb_read_u64(nb_cursor *c, uint64_t *out);
bool nb_read_f32(nb_cursor *c, float *out);
bool nb_read_f64(nb_cursor *c, double *out);
/* n bytes, borrowed from the cursor's buffer. */
bool nb_read_bytes(nb_cursor *c, uint64_t n, const uint8_t **out);

/* What a long call says of itself. Calls poll `canceled` at least every 100 ms of work (a tile,
 * a token, a segment) and then return NB_CANCELED; both functions may be called from any worker
 * thread of the call, never concurrently with themselves. */
typedef struct nb_progress {
    const char *what;     /* current object, borrowed for the call */
    uint64_t done, total; /* same unit, total 0 = unknown; never decreases */
    uint64_t bytes_in, bytes_out;
    const void *detail; /* call-specific snapshot, documented there; NULL = none */
} nb_progress;

typedef struct nb_hooks {
    void (*progress)(void *ud, const nb_progress *p); /* NULL = not wanted */
    bool (*canceled)(void *ud);                       /* NULL = never */
    void *ud;
} nb_hooks;

/* hooks may be NULL. */
bool nb_canceled(const nb_hooks *hooks);
void nb_report(const nb_hooks *hooks, const nb_progress *p);
/* The same without progress, for a step of work whose own progress is told: it would mistake the
 * step's for its own. */
nb_hooks nb_quiet(const nb_hooks *hooks);

#endif
