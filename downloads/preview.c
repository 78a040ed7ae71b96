/* The header of a model file that is still on the Hub, read by ranges (hub 25). */
#include <inttypes.h>
#include <string.h>

#include "core/base/file.h"
#include "downloads/cache.h"
#include "downloads/hub_private.h"

enum {
    FIRST = 128 << 10, /* most safetensors headers, and GGUF headers without a large vocabulary */
    SECOND = 1 << 20,  /* end of the second range: still one MiB in all */
    STEP = 4 << 20,    /* further pages */
    MOST = 64 << 20,   /* a header beyond this is refused (reliability 4 allows 512 MiB on disk) */
};

typedef struct preview {
    dl_net *net;
    const dl_file *file;
    nb_str url;
    dl_trouble *trouble;
    const nb_hooks *hooks;
    nb_err *err;
    dl_header h;
} preview;

/* The answer to a request for bytes [have, end): exactly those, of a file as long as it is listed.
 */
static nb_status judge(preview *v, const dl_reply *r, uint64_t have, uint64_t end)
{
    bool whole = r->status == 200 && have == 0 && end == v->file->size;
    bool part = r->status == 206 && r->has_range && r->first == have;
    if (part && r->has_total && r->total != v->file->size) {
        *v->trouble = DL_WRONG_SIZE;
        return nb_fail(v->err, NB_HASH,
                       "%s: listed with %" PRIu64 " bytes, the server has %" PRIu64, v->file->path,
                       v->file->size, r->total);
    }
    if ((whole || part) && r->body.len == end - have)
        return NB_OK;
    *v->trouble = DL_BAD_REPLY;
    return nb_fail(v->err, NB_NETWORK,
                   "%s: asked for bytes %" PRIu64 " to %" PRIu64
                   ", the answer is HTTP %d with %zu bytes",
                   v->file->path, have, end - 1, r->status, r->body.len);
}

/* Bytes [have, end) of the file behind those that are here. */
static nb_status bring(preview *v, uint64_t end)
{
    uint64_t have = v->h.bytes.len;
    if (end > v->file->size)
        end = v->file->size;
    dl_request rq = {.follow = DL_FOLLOW_ALL,
                     .url = v->url.at,
                     .ranged = true,
                     .first = have,
                     .last = end - 1,
                     .body_max = end - have,
                     .subject = v->file->path};
    dl_reply reply;
    nb_status st = dl_call(v->net, &rq, &reply, v->hooks, v->err);
    *v->trouble = reply.trouble;
    if (st == NB_REFUSED && reply.status == 200) { /* the whole file, refused by its head */
        *v->trouble = DL_BAD_REPLY;
        st = nb_fail(v->err, NB_NETWORK, "%s: the server sends no part of a file, only all of it",
                     v->file->path);
    }
    if (st == NB_OK)
        st = judge(v, &reply, have, end);
    if (st == NB_OK)
        nb_str_addn(&v->h.bytes, reply.body.at, reply.body.len);
    if (st == NB_OK && v->h.bytes.failed)
        st = nb_fail(v->err, NB_NOMEM, "%s: header of %llu bytes", v->file->path,
                     (unsigned long long)end);
    v->h.requests++;
    dl_reply_free(&reply);
    return st;
}

static nb_status parse(preview *v)
{
    const uint8_t *at = (const uint8_t *)v->h.bytes.at;
    size_t n = v->h.bytes.len;
    if (v->h.gguf)
        return nb_gguf_parse(&v->h.g, at, n, v->file->size, v->file->path, v->err);
    return nb_safetensors_parse(&v->h.s, at, n, v->file->size, v->file->path, v->err);
}

/* Where the next range ends: a safetensors file says how long its header is. */
static uint64_t next_end(const preview *v)
{
    uint64_t have = v->h.bytes.len, header = 0;
    nb_cursor c = nb_cursor_make(v->h.bytes.at, v->h.bytes.len);
    if (v->h.safetensors && nb_read_u64(&c, &header) && nb_add(header, 8, &header) && header > have)
        return header;
    return have < SECOND ? SECOND : have + STEP;
}

static nb_status read_header(preview *v)
{
    NB_TRY(bring(v, FIRST));
    nb_status st = parse(v);
    while (st == NB_MORE) {
        uint64_t end = next_end(v);
        if (end > MOST)
            return nb_fail(v->err, NB_UNSUPPORTED, "%s: its header exceeds %d MiB", v->file->path,
                           MOST >> 20);
        NB_TRY(bring(v, end));
        st = parse(v);
    }
    return st;
}

nb_status dl_hub_header(dl_net *net, const char *id, const char *commit, const dl_file *file,
                        dl_header *out, dl_trouble *trouble, const nb_hooks *hooks, nb_err *err)
{
    dl_trouble unused = DL_OK;
    preview v = {.net = net, .file = file, .hooks = hooks, .err = err};
    v.trouble = trouble ? trouble : &unused;
    *v.trouble = DL_OK;
    v.h.gguf = nb_has_suffix(file->path, ".gguf");
    v.h.safetensors = nb_has_suffix(file->path, ".safetensors");
    if ((!v.h.gguf && !v.h.safetensors) || file->size == 0)
        return nb_fail(err, NB_UNSUPPORTED, "%s: no GGUF or safetensors file", file->path);
    if (!dl_repo_ok(id) || !dl_commit_ok(commit))
        return nb_fail(err, NB_USAGE, "%s: not the name of a repository", id);
    nb_str_add(&v.url, "/");
    dl_url_encode(&v.url, id, true);
    nb_str_addf(&v.url, "/resolve/%s/", commit);
    dl_url_encode(&v.url, file->path, true);
    nb_status st = v.url.failed ? nb_fail(err, NB_NOMEM, "%s: no memory", id) : read_header(&v);
    nb_str_free(&v.url);
    if (st != NB_OK)
        dl_header_free(&v.h);
    else
        *out = v.h;
    return st;
}

void dl_header_free(dl_header *h)
{
    nb_gguf_free(&h->g);
    nb_safetensors_free(&h->s);
    nb_str_free(&h->bytes);
    *h = (dl_header){.gguf = false};
}
