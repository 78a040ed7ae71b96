#include "downloads/take.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

void dl_rest(nb_jpull *p, nb_jtoken t)
{
    int depth = p->depth - (t == NB_JT_OBJECT || t == NB_JT_ARRAY);
    while (t != NB_JT_ERROR && t != NB_JT_END && p->depth > depth)
        t = nb_jpull_next(p);
}

void dl_keep_text(const nb_jpull *p, char *out, size_t cap)
{
    size_t n = p->text.len < cap ? p->text.len : nb_utf8_whole(p->text.at, cap - 1);
    memcpy(out, nb_str_c(&p->text), n);
    out[n] = '\0';
}

void dl_take_text(nb_jpull *p, char *out, size_t cap)
{
    nb_jtoken t = nb_jpull_next(p);
    if (t == NB_JT_STRING)
        dl_keep_text(p, out, cap);
    dl_rest(p, t);
}

void dl_take_bool(nb_jpull *p, bool *out)
{
    nb_jtoken t = nb_jpull_next(p);
    if (t == NB_JT_TRUE || t == NB_JT_FALSE)
        *out = t == NB_JT_TRUE;
    dl_rest(p, t);
}

bool dl_take_count(nb_jpull *p, uint64_t *out)
{
    uint64_t v;
    nb_jtoken t = nb_jpull_next(p);
    bool ok = t == NB_JT_NUMBER && nb_jpull_u64(p, &v) && v < UINT64_C(1) << 53;
    if (ok)
        *out = v;
    dl_rest(p, t);
    return ok;
}

void dl_take_signed(nb_jpull *p, int64_t *out)
{
    uint64_t v;
    if (dl_take_count(p, &v))
        *out = (int64_t)v;
}

void dl_take_time(nb_jpull *p, int64_t *out)
{
    char text[40] = "";
    dl_take_text(p, text, sizeof text);
    if (text[0])
        *out = dl_unix_time(text);
}

bool dl_open_object(nb_jpull *p)
{
    nb_jtoken t = nb_jpull_next(p);
    if (t != NB_JT_OBJECT)
        dl_rest(p, t);
    return t == NB_JT_OBJECT;
}

bool dl_next_member(nb_jpull *p, char key[64])
{
    if (nb_jpull_next(p) != NB_JT_KEY)
        return false;
    snprintf(key, 64, "%s", nb_str_c(&p->text));
    return true;
}

/* Exactly n digits at *s as a number in lo..hi, then the byte `after`; *s moves behind it. */
static bool digits(const char **s, int n, int lo, int hi, char after, int *out)
{
    int v = 0;
    for (; n > 0; n--, (*s)++) {
        if (**s < '0' || **s > '9')
            return false;
        v = v * 10 + (**s - '0');
    }
    if (after && *(*s)++ != after)
        return false;
    *out = v;
    return v >= lo && v <= hi;
}

int64_t dl_unix_time(const char *iso)
{
    struct tm tm = {0};
    if (!digits(&iso, 4, 1970, 9999, '-', &tm.tm_year) ||
        !digits(&iso, 2, 1, 12, '-', &tm.tm_mon) || !digits(&iso, 2, 1, 31, 'T', &tm.tm_mday) ||
        !digits(&iso, 2, 0, 23, ':', &tm.tm_hour) || !digits(&iso, 2, 0, 59, ':', &tm.tm_min) ||
        !digits(&iso, 2, 0, 60, '\0', &tm.tm_sec))
        return 0;
    tm.tm_year -= 1900;
    tm.tm_mon--;
    return (int64_t)timegm(&tm);
}

nb_status dl_expect(nb_jpull *p, nb_jtoken got, nb_jtoken want, const char *name, nb_err *err)
{
    if (got == want)
        return NB_OK;
    if (got == NB_JT_ERROR)
        return p->status;
    return nb_fail(err, NB_NETWORK, "%s: the answer is no %s", p->what, name);
}
