/* A reply on the wire: head, body, and everything a fault does to the body and its pace. */
#include <string.h>

#include "tests/hub/hub.h"
#include "tests/hub/mem.h"

enum { STEP = 256 << 10, GZIP_BLOCK = 65535, FILLER = 'X' };

typedef struct sender {
    exchange *x;
    uint64_t cut_at; /* bytes of body after which it stops; UINT64_MAX = never */
    double since;    /* of the body, for its rate */
    bool chunked;
    uint8_t *buffer; /* [STEP] */
} sender;

/* --- pace ------------------------------------------------------------------------------------ */
/* Sent bytes count before they are sent: who has received them may already ask the log. */
static bool send_counted(exchange *x, const char *bytes, size_t n)
{
    pthread_mutex_lock(&x->hub->lock);
    x->entry->body += n;
    pthread_mutex_unlock(&x->hub->lock);
    size_t sent = conn_send(x->conn, bytes, n);
    pthread_mutex_lock(&x->hub->lock);
    x->entry->body -= n - sent;
    pthread_mutex_unlock(&x->hub->lock);
    return sent == n;
}

/* Bytes of n that may go now; waits until it is at least one. 0 = the client has gone. */
static size_t allowed(sender *s, size_t n)
{
    const exchange *x = s->x;
    uint64_t sent = x->entry->body; /* only this thread writes it */
    if (!x->fault.has[FAULT_RATE])
        return n;
    double rate = (double)x->fault.num[FAULT_RATE];
    size_t burst = rate < 50 ? 1 : (size_t)(rate / 50);
    burst = burst < n ? burst : n;
    for (;;) {
        double may = rate * (hub_now(x->hub) - s->since) - (double)sent;
        if (may >= (double)burst)
            return may < (double)n ? (size_t)may : n;
        if (!conn_pause(x->conn, rate > 0 ? ((double)burst - may) / rate : -1))
            return 0;
    }
}

/* The end that a fault asks for once cut_at is reached. Always false. */
static bool cut(sender *s)
{
    const fault *f = &s->x->fault;
    bool stall =
        f->has[FAULT_STALL_AFTER] &&
        (!f->has[FAULT_DROP_AFTER] || f->num[FAULT_STALL_AFTER] < f->num[FAULT_DROP_AFTER]);
    if (stall)
        conn_pause(s->x->conn, -1);
    else if (f->has[FAULT_RST])
        conn_reset(s->x->conn);
    return false;
}

/* Bytes of body; false = the connection is over. */
static bool put(sender *s, const void *bytes, size_t n)
{
    exchange *x = s->x;
    const char *at = bytes;
    char frame[32];
    if (n == 0)
        return x->entry->body < s->cut_at || cut(s);
    snprintf(frame, sizeof frame, "%zx\r\n", n);
    if (s->chunked && conn_send(x->conn, frame, strlen(frame)) < strlen(frame))
        return false;
    while (n) {
        uint64_t left = s->cut_at - x->entry->body;
        size_t step = left < n ? (size_t)left : n;
        if (step == 0)
            return cut(s);
        step = allowed(s, step);
        if (step == 0 || !send_counted(x, at, step))
            return false;
        at += step;
        n -= step;
    }
    return !s->chunked || conn_send(x->conn, "\r\n", 2) == 2;
}

/* --- bodies ---------------------------------------------------------------------------------- */
/* [offset, offset + n) of what is asked for; behind its end filler. */
static bool fetch(sender *s, uint64_t offset, size_t n)
{
    exchange *x = s->x;
    const fault *f = &x->fault;
    uint64_t size = x->file ? x->file->size : x->text.len;
    size_t real = offset >= size ? 0 : size - offset < n ? (size_t)(size - offset) : n;
    memset(s->buffer + real, FILLER, n - real);
    if (real && !x->file)
        memcpy(s->buffer, x->text.at + offset, real);
    else if (real && !content_read(x->file, offset, s->buffer, real))
        return false;
    uint64_t flip = (uint64_t)f->num[FAULT_FLIP_BYTE];
    if (f->has[FAULT_FLIP_BYTE] && flip >= offset && flip - offset < n)
        s->buffer[flip - offset] ^= 0xff;
    return true;
}

static bool put_range(sender *s, uint64_t from, uint64_t n)
{
    exchange *x = s->x;
    bool plain = !x->fault.has[FAULT_FLIP_BYTE] && !x->fault.has[FAULT_EXTRA] && x->file;
    const uint8_t *whole = plain ? content_cache(x->file, &x->hub->cache_left) : NULL;
    for (uint64_t done = 0; done < n;) {
        size_t step = n - done < STEP ? (size_t)(n - done) : STEP;
        if (!whole && !fetch(s, from + done, step))
            return false;
        if (!put(s, whole ? whole + from + done : s->buffer, step))
            return false;
        done += step;
    }
    return put(s, NULL, 0);
}

/* --- gzip: stored blocks, RFC 1951 3.2.4 ------------------------------------------------------ */
uint64_t send_gzip_length(uint64_t n)
{
    uint64_t blocks = n ? (n + GZIP_BLOCK - 1) / GZIP_BLOCK : 1;
    return 10 + 5 * blocks + n + 8;
}

static uint32_t crc32_more(uint32_t crc, const uint8_t *bytes, size_t n) /* RFC 1952 8 */
{
    crc = ~crc;
    for (size_t i = 0; i < n; i++) {
        crc ^= bytes[i];
        for (int k = 0; k < 8; k++)
            crc = (crc >> 1) ^ (0xedb88320u & (0u - (crc & 1)));
    }
    return ~crc;
}

static void put_le(uint8_t *out, uint64_t v, int n)
{
    for (int i = 0; i < n; i++)
        out[i] = (uint8_t)(v >> 8 * i);
}

static bool put_gzip(sender *s, uint64_t n)
{
    static const uint8_t head[10] = {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255};
    uint8_t block[5], tail[8];
    uint32_t crc = 0;
    uint64_t done = 0;
    if (!put(s, head, sizeof head))
        return false;
    do {
        size_t step = n - done < GZIP_BLOCK ? (size_t)(n - done) : GZIP_BLOCK;
        block[0] = done + step == n;
        put_le(block + 1, step, 2);
        put_le(block + 3, ~step & 0xffff, 2);
        if (!fetch(s, done, step) || !put(s, block, sizeof block) || !put(s, s->buffer, step))
            return false;
        crc = crc32_more(crc, s->buffer, step);
        done += step;
    } while (done < n);
    put_le(tail, crc, 4);
    put_le(tail + 4, n, 4);
    return put(s, tail, sizeof tail) && put(s, NULL, 0);
}

/* --- the whole ------------------------------------------------------------------------------- */
static bool put_head(sender *s)
{
    const exchange *x = s->x;
    nb_str head = {0};
    reply_head(&x->reply, &head);
    head.len -= 2; /* the empty line comes last */
    for (int64_t left = x->fault.has[FAULT_BIG_HEADERS] ? x->fault.num[FAULT_BIG_HEADERS] : 0;
         left > 0; left -= 4096) {
        char line[4096];
        memset(line, 'a', sizeof line);
        memcpy(line, "X-Filler: ", 10);
        memcpy(line + sizeof line - 2, "\r\n", 2);
        nb_str_addn(&head, line, sizeof line);
    }
    nb_str_add(&head, "\r\n");
    bool ok = conn_send(x->conn, head.at, head.len) == head.len;
    nb_str_free(&head);
    return ok;
}

static bool put_endless(sender *s)
{
    memset(s->buffer, ' ', STEP);
    while (put(s, s->buffer, STEP))
        ;
    return false;
}

static bool put_body(sender *s)
{
    exchange *x = s->x;
    const fault *f = &x->fault;
    uint64_t n = x->n + (f->has[FAULT_EXTRA] ? (uint64_t)f->num[FAULT_EXTRA] : 0);
    bool ok = f->has[FAULT_GZIP] ? put_gzip(s, x->n) : put_range(s, x->from, n);
    if (ok && f->has[FAULT_ENDLESS_BODY])
        return put_endless(s);
    return ok && (!s->chunked || conn_send(x->conn, "0\r\n\r\n", 5) == 5);
}

bool send_reply(exchange *x)
{
    const fault *f = &x->fault;
    sender s = {.x = x, .cut_at = UINT64_MAX, .since = hub_now(x->hub)};
    if (f->has[FAULT_DROP_AFTER])
        s.cut_at = (uint64_t)f->num[FAULT_DROP_AFTER];
    if (f->has[FAULT_STALL_AFTER] && (uint64_t)f->num[FAULT_STALL_AFTER] < s.cut_at)
        s.cut_at = (uint64_t)f->num[FAULT_STALL_AFTER];
    s.chunked = reply_get(&x->reply, "Transfer-Encoding") != NULL;
    pthread_mutex_lock(&x->hub->lock);
    x->entry->status = x->reply.status;
    x->entry->offset = x->file ? x->from : 0;
    pthread_mutex_unlock(&x->hub->lock);
    if (!put_head(&s))
        return false;
    s.buffer = x->head ? NULL : hub_alloc(STEP);
    if (x->head)
        x->whole = s.cut_at == UINT64_MAX || cut(&s);
    else
        x->whole = put_body(&s);
    free(s.buffer);
    return x->whole && !x->close;
}
