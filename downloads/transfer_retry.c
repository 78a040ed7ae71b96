/* What becomes of a stream that did not bring all of its run: another try after a rest, another way
 * of asking, or the end. Net thread and under the lock, unless said otherwise. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "downloads/transfer.h"

static const double REST_MIN = .5, REST_MAX = 8; /* s, see hub 12 */
enum {
    TIRED = 2,     /* failures in a row after which the Hub is asked anew */
    WAITS_MAX = 8, /* a connection, as a busy server asked for, that cost no patience */
};

void dl_transfer_failed(dl_transfer *t, nb_status status, dl_trouble trouble, const nb_err *err)
{
    if (t->status != NB_OK)
        return;
    t->status = status;
    t->trouble = trouble;
    t->err = *err;
    pthread_cond_signal(&t->news);
}

void dl_transfer_fail(dl_transfer *t, nb_status status, dl_trouble trouble, const nb_err *err)
{
    pthread_mutex_lock(&t->lock);
    dl_transfer_failed(t, status, trouble, err);
    pthread_mutex_unlock(&t->lock);
}

/* Uniform in [0, 1): splitmix64 (public domain). */
static double random_share(dl_transfer *t)
{
    uint64_t z = t->jitter += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return (double)((z ^ z >> 31) >> 11) * 0x1p-53;
}

static void forget_address(dl_transfer *t)
{
    explicit_bzero(t->address, sizeof t->address);
    t->address_good = false;
    t->serial++; /* whoever asks it still has an old one */
}

/* No byte for too long. Waiting as a server told us is no failure, but a busy one that never serves
 * is not waited for for ever. */
static bool given_up(dl_transfer *t, double now)
{
    bool for_ever = t->cause_trouble == DL_SERVER && t->barren > WAITS_MAX * t->n_slots;
    dl_net_view v;
    nb_err err;
    dl_net_look(t->net, &v);
    if (v.hold > 0 && !for_ever)
        t->gained = now;
    if (now - t->gained < t->patience)
        return false;
    nb_fail(&err, dl_trouble_status(t->cause_trouble), "%.170s; no new byte for %.0f s, %u tries",
            t->cause.msg, now - t->gained, t->barren);
    dl_transfer_failed(t, err.status, t->cause_trouble, &err);
    return true;
}

/* The slot rests, longer each time, and tries again; the budget is time without a byte. A silent
 * connection has taken its rest already. */
static void retry(dl_transfer *t, dl_slot *s, dl_trouble trouble, const nb_err *err)
{
    double now = dl_clock();
    unsigned before = s->failures > t->barren ? s->failures : t->barren;
    double rest = REST_MIN * pow(2, before < 5 ? before : 5) * (1 + random_share(t));
    if (trouble == DL_STALLED)
        rest = 0;
    s->failures++;
    s->rest_until = t->rest_until = now + fmin(rest, REST_MAX);
    t->retries++;
    t->barren++;
    t->retried = now;
    t->cause = *err;
    t->cause_trouble = trouble;
    if (given_up(t, now))
        return;
    if (s->failures >= TIRED && s->serial == t->serial)
        forget_address(t); /* another address may lead elsewhere */
}

void dl_slot_let_go(dl_slot *s)
{
    if (!s->stream || s->let_go)
        return;
    s->let_go = true;
    dl_stream_stop(s->t->net, s->stream);
}

void dl_transfer_let_all_go(dl_transfer *t)
{
    for (unsigned i = 0; i < t->n_slots; i++)
        dl_slot_let_go(&t->slot[i]);
}

/* From now on one stream over the whole file, as servers without ranges need it. */
static void go_through(dl_transfer *t)
{
    t->through = true;
    t->strikes = 0;
    for (unsigned i = 0; i < t->n_slots; i++) {
        dl_slot_let_go(&t->slot[i]);
        dl_runs_drop(&t->runs, i);
    }
}

/* A reply that is not what was asked. */
static void strike(dl_transfer *t, dl_slot *s, dl_trouble trouble, const nb_err *why)
{
    nb_err err;
    nb_fail(&err, dl_trouble_status(trouble), "%s: %s", t->subject, why->msg);
    bool other = trouble != DL_BAD_REPLY; /* another file, or none */
    if (other ? ++t->misfits >= 2 : ++t->strikes >= DL_STRIKES && t->through) {
        dl_transfer_failed(t, err.status, trouble, &err);
        return;
    }
    if (!other && t->strikes >= DL_STRIKES)
        go_through(t);
    if (s->serial == t->serial)
        forget_address(t);
    retry(t, s, trouble, &err);
}

/* The storage refuses an address: it has expired if it ever served, else the storage means it. */
static bool expired(dl_transfer *t, const dl_slot *s, const dl_reply *r)
{
    bool refused = r->status == 401 || r->status == 403 || r->status == 410;
    if (!refused || s->serial == 0 || (s->serial == t->serial && !t->address_good))
        return false;
    if (s->serial == t->serial)
        forget_address(t);
    return true;
}

/* A server that will be away for hours says so: then it is the user who tries again. */
static bool worth_a_retry(const dl_reply *r)
{
    const dl_trouble t = r->trouble;
    if (dl_reply_away(r))
        return false;
    return t == DL_SERVER || t == DL_UNREACHABLE || t == DL_STALLED || t == DL_RATE_LIMITED;
}

/* Why the stream did not bring all of its run. */
void dl_slot_weigh(dl_transfer *t, dl_slot *s, const dl_reply *r, nb_status status,
                   const nb_err *err)
{
    nb_err why;
    if (s->trouble != DL_OK) {
        strike(t, s, s->trouble, &s->why);
    } else if (status == NB_OK) { /* all it announced came, but that was less */
        nb_fail(&why, NB_NETWORK, "%s: %" PRIu64 " bytes came, more were asked for", t->subject,
                s->got);
        if (s->got == 0)
            retry(t, s, DL_BAD_REPLY, &why);
    } else if (expired(t, s, r)) {
        s->rest_until = 0;
    } else if (r->status == 416) {
        nb_fail(&why, NB_NETWORK, "the server says it has no such bytes (HTTP 416)");
        strike(t, s, DL_BAD_REPLY, &why);
    } else if (worth_a_retry(r)) {
        retry(t, s, r->trouble, err);
    } else if (r->trouble == DL_BAD_REPLY) {
        nb_fail(&why, NB_NETWORK, "%s", err->msg);
        strike(t, s, DL_BAD_REPLY, &why);
    } else {
        dl_transfer_failed(t, status, r->trouble != DL_OK ? r->trouble : dl_trouble_of(status),
                           err);
    }
}
