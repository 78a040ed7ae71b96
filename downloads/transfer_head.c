#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "downloads/transfer.h"

static dl_head odd(nb_err *why, dl_head head, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
static dl_head odd(nb_err *why, dl_head head, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    why->status = head == DL_HEAD_OTHER ? NB_HASH : NB_NETWORK;
    vsnprintf(why->msg, sizeof why->msg, fmt, ap);
    va_end(ap);
    return head;
}

static dl_head other_size(nb_err *why, uint64_t has, uint64_t listed)
{
    return odd(why, DL_HEAD_OTHER, "the server has %" PRIu64 " bytes, the Hub lists %" PRIu64, has,
               listed);
}

static dl_head judge_part(const dl_reply *r, uint64_t first, uint64_t last, uint64_t size,
                          nb_err *why)
{
    if (!r->has_range)
        return odd(why, DL_HEAD_ODD, "a part without Content-Range");
    if (r->has_total && r->total != size)
        return other_size(why, r->total, size);
    if (r->first != first)
        return odd(why, DL_HEAD_ODD, "asked from byte %" PRIu64 ", sent from %" PRIu64, first,
                   r->first);
    if (r->last < first || r->last > last)
        return odd(why, DL_HEAD_ODD, "asked to byte %" PRIu64 ", sent to %" PRIu64, last, r->last);
    if (r->has_length && r->length != r->last - r->first + 1)
        return odd(why, DL_HEAD_ODD, "%" PRIu64 " bytes announced for a part of %" PRIu64,
                   r->length, r->last - r->first + 1);
    return DL_HEAD_RANGE;
}

dl_head dl_head_judge(const dl_reply *r, bool ranged, uint64_t first, uint64_t last, uint64_t size,
                      nb_err *why)
{
    if (r->linked_size && r->size != size)
        return other_size(why, r->size, size);
    if (r->status == 206 && ranged)
        return judge_part(r, first, last, size, why);
    if (r->status != 200)
        return odd(why, DL_HEAD_ODD, "HTTP %d to a request for bytes", r->status);
    if (r->has_length && r->length != size)
        return other_size(why, r->length, size);
    return DL_HEAD_WHOLE;
}

const char *dl_head_sniff(const char *bytes, size_t n)
{
    static const struct {
        const char *start, *what;
    } rows[] = {
        {"version https://git-lfs", "a git-LFS pointer"},
        {"<!doctype html", "a web page"},
        {"<html", "a web page"},
        {"<?xml", "an XML message"},
        {"{\"error\"", "an error message"},
    };
    for (size_t i = 0; i < countof(rows); i++)
        if (n >= strlen(rows[i].start) &&
            strncasecmp(bytes, rows[i].start, strlen(rows[i].start)) == 0)
            return rows[i].what;
    return NULL;
}
