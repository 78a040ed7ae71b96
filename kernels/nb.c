#include "kernels/nb.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

nb_status(nb_fail)(nb_err *err, nb_status status, const char *fmt, ...)
{
    if (err) {
        va_list ap;
        va_start(ap, fmt);
        err->status = status;
        nb_elide(err->msg, sizeof err->msg, vsnprintf(err->msg, sizeof err->msg, fmt, ap));
        va_end(ap);
    }
    return status;
}

void nb_elide(char *buf, size_t cap, int n)
{
    static const char mark[] = "\xe2\x80\xa6"; /* U+2026 */
    if (n < 0 || (size_t)n < cap || cap < sizeof mark)
        return;
    size_t at = cap - sizeof mark;
    while (at && ((unsigned char)buf[at] & 0xc0) == 0x80) /* within a character */
        at--;
    memcpy(buf + at, mark, sizeof mark);
}

nb_status nb_fail_errno(nb_err *err, int errnum, const char *what, const char *path)
{
    nb_status status = NB_IO;
    if (errnum == ENOSPC || errnum == EDQUOT)
        status = NB_NOSPACE;
    else if (errnum == ENOENT)
        status = NB_NOTFOUND;
    else if (errnum == ENOMEM)
        status = NB_NOMEM;
    char buf[96];
#ifdef __GLIBC__ /* with _GNU_SOURCE the text is the result, not always in buf */
    const char *reason = strerror_r(errnum, buf, sizeof buf);
#else
    const char *reason = buf;
    if (strerror_r(errnum, buf, sizeof buf) != 0)
        snprintf(buf, sizeof buf, "errno %d", errnum);
#endif
    return nb_fail(err, status, "%s %s: %s", what, path, reason);
}

int nb_exit_code(nb_status status)
{
    static const int code[] = {
#define NB_STATUS_CODE(name, exit_code, text) exit_code,
        NB_STATUS_LIST(NB_STATUS_CODE)
#undef NB_STATUS_CODE
    };
    return (unsigned)status < countof(code) ? code[status] : 1;
}

const char *nb_status_text(nb_status status)
{
    static const char *const text[] = {
#define NB_STATUS_TEXT(name, code, string) string,
        NB_STATUS_LIST(NB_STATUS_TEXT)
#undef NB_STATUS_TEXT
    };
    return (unsigned)status < countof(text) ? text[status] : "unknown status";
}

bool nb_read_bytes(nb_cursor *c, uint64_t n, const uint8_t **out)
{
    if (n > nb_cursor_left(c))
        return false;
    *out = c->at;
    c->at += (size_t)n;
    return true;
}

/* Spelled out, so that compilers make one load of it. */
static uint32_t le32(const uint8_t *p)
{
    return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

bool nb_read_u8(nb_cursor *c, uint8_t *out)
{
    const uint8_t *p;
    if (!nb_read_bytes(c, 1, &p))
        return false;
    *out = p[0];
    return true;
}

bool nb_read_u16(nb_cursor *c, uint16_t *out)
{
    const uint8_t *p;
    if (!nb_read_bytes(c, 2, &p))
        return false;
    *out = (uint16_t)(p[0] | p[1] << 8);
    return true;
}

bool nb_read_u32(nb_cursor *c, uint32_t *out)
{
    const uint8_t *p;
    if (!nb_read_bytes(c, 4, &p))
        return false;
    *out = le32(p);
    return true;
}

bool nb_read_u64(nb_cursor *c, uint64_t *out)
{
    const uint8_t *p;
    if (!nb_read_bytes(c, 8, &p))
        return false;
    *out = le32(p) | (uint64_t)le32(p + 4) << 32;
    return true;
}

bool nb_read_f32(nb_cursor *c, float *out)
{
    uint32_t v;
    if (!nb_read_u32(c, &v))
        return false;
    memcpy(out, &v, sizeof v);
    return true;
}

bool nb_read_f64(nb_cursor *c, double *out)
{
    uint64_t v;
    if (!nb_read_u64(c, &v))
        return false;
    memcpy(out, &v, sizeof v);
    return true;
}

bool nb_canceled(const nb_hooks *hooks)
{
    return hooks && hooks->canceled && hooks->canceled(hooks->ud);
}

void nb_report(const nb_hooks *hooks, const nb_progress *p)
{
    if (hooks && hooks->progress)
        hooks->progress(hooks->ud, p);
}

nb_hooks nb_quiet(const nb_hooks *hooks)
{
    nb_hooks quiet = hooks ? *hooks : (nb_hooks){0};
    quiet.progress = NULL;
    return quiet;
}
