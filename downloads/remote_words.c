/* The texts an endpoint used for its tokens, numbered in order of appearance: what lets a remote
 * token be looked at and compared as a local one is. Texts are foreign; the hash decides only where
 * a number lies, and the table's bounds what a server can make it cost. */
#include <stdlib.h>
#include <string.h>

#include "core/base/digest.h"
#include "downloads/remote_own.h"

void dl_words_open(dl_words *w)
{
    *w = (dl_words){0};
    pthread_mutex_init(&w->lock, NULL);
}

void dl_words_close(dl_words *w)
{
    pthread_mutex_destroy(&w->lock);
    nb_str_free(&w->text);
    free(w->start);
    free(w->slot);
    *w = (dl_words){0};
}

static bool is_word(const dl_words *w, size_t i, const char *text, size_t n)
{
    return w->start[i + 1] - w->start[i] == n && memcmp(w->text.at + w->start[i], text, n) == 0;
}

enum { PROBES = 256 }; /* a server that makes its texts collide gets no more numbers */

/* Where the text is, or would be; SIZE_MAX = nowhere near. */
static size_t slot_of(const dl_words *w, const char *text, size_t n)
{
    size_t at = (size_t)nb_fingerprint(text, n) & (w->cap - 1);
    for (int i = 0; i < PROBES; i++, at = (at + 1) & (w->cap - 1))
        if (!w->slot[at] || is_word(w, w->slot[at] - 1, text, n))
            return at;
    return SIZE_MAX;
}

/* Twice as many slots, and starts to go with them. */
static bool grow(dl_words *w)
{
    size_t cap = w->cap ? 2 * w->cap : 1024;
    uint32_t *slot = nb_alloc(cap, sizeof *slot, "texts of tokens", NULL);
    uint32_t *start = realloc(w->start, (cap / 2 + 1) * sizeof *start);
    if (start)
        w->start = start;
    if (!slot || !start) {
        free(slot);
        return false;
    }
    free(w->slot);
    w->slot = slot;
    w->cap = cap;
    w->start[0] = 0;
    for (size_t i = 0; i < w->n; i++) {
        size_t at = slot_of(w, w->text.at + w->start[i], w->start[i + 1] - w->start[i]);
        if (at != SIZE_MAX)
            w->slot[at] = (uint32_t)i + 1;
    }
    return true;
}

int32_t dl_words_id(dl_words *w, const char *text, size_t n)
{
    int32_t id = -1;
    pthread_mutex_lock(&w->lock);
    if (w->cap == 0 && !grow(w))
        goto out;
    size_t at = slot_of(w, text, n);
    if (at != SIZE_MAX && w->slot[at]) {
        id = (int32_t)w->slot[at] - 1;
        goto out;
    }
    if (w->n >= DL_WORDS_MAX || n > DL_WORD_MAX - w->text.len)
        goto out;
    if (w->n == w->cap / 2) {
        if (!grow(w))
            goto out;
        at = slot_of(w, text, n);
    }
    if (at == SIZE_MAX)
        goto out;
    nb_str_addn(&w->text, text, n);
    if (w->text.failed)
        goto out;
    w->start[++w->n] = (uint32_t)w->text.len;
    w->slot[at] = (uint32_t)w->n;
    id = (int32_t)w->n - 1;
out:
    pthread_mutex_unlock(&w->lock);
    return id;
}

size_t dl_words_text(dl_words *w, int32_t id, char *out, size_t cap)
{
    size_t n = 0;
    pthread_mutex_lock(&w->lock);
    if (id >= 0 && (size_t)id < w->n) {
        n = w->start[id + 1] - w->start[id];
        memcpy(out, nb_str_c(&w->text) + w->start[id], n < cap ? n : cap);
    }
    pthread_mutex_unlock(&w->lock);
    return n;
}
