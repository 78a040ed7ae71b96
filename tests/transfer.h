/* A workplace for download tests: a fake Hub with one repository, an empty cache, the network of
 * one process, and dl_fetch with eyes on its progress. */
#ifndef NIBBLE_TEST_TRANSFER_H
#define NIBBLE_TEST_TRANSFER_H

#include <stdatomic.h>

#include "downloads/queue.h"
#include "tests/hub/fake_hub.h"

/* Instrumented builds are several times slower: what is about speed allows for it. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { RIG_SLOW = 6 };
#else
enum { RIG_SLOW = 1 };
#endif
enum {
    RIG_SEGMENT = 2 << 20,
    /* Bytes sent and not used: one segment; more where a connection can look slow enough to have
     * its rest given to another while its bytes lie in the sockets. */
    RIG_EXTRA = RIG_SLOW > 1 ? 32 << 20 : RIG_SEGMENT
};

typedef struct rig {
    fake_hub *hub;
    fake_repo *repo; /* "ns/repo" */
    dl_net *net;
    nb_hub_env env;
    dl_cache cache;
    dl_options opt; /* of net, set before rig_net */
    /* How the next fetches go. */
    int patience;           /* s; 0 = 5 */
    const char *revision;   /* NULL = none */
    uint64_t queued_bytes;  /* see dl_fetch_request */
    bool ignore_space, ask; /* ask: size and oid are not told */
    uint64_t cancel_at;     /* once `have` reaches this: cancel; 0 = never */
    atomic_bool cancel;
    void (*watch)(struct rig *r, const dl_fetch_view *v); /* NULL; every report */
    void *ud;
    struct dl_share *share;
    /* How the last one went. */
    nb_status status;
    dl_fetched got;
    dl_trouble trouble;
    nb_err err;
    dl_fetch_view view; /* the last seen */
    double seconds;
    double canceled_at; /* nb_now when cancel was asked */
    unsigned reports;
    bool backwards; /* `have` decreased */
} rig;

/* Starts the hub; timeout: HF_HUB_DOWNLOAD_TIMEOUT in seconds, from 5 on times RIG_SLOW. The net is
 * opened by the first fetch, so that opt and env can still be changed. */
void rig_open(rig *r, int timeout);
void rig_net(rig *r);
void rig_close_net(rig *r);
void rig_close(rig *r);
/* Fetches a file of the repository at its newest commit, as the tree lists it. */
nb_status rig_fetch(rig *r, const char *path);
/* The same for any thread: the net is open, nothing is checked. */
nb_status rig_try(rig *r, const char *path);
/* The file where the last fetch says: whole, byte for byte what the hub serves. */
void rig_expect_landed(rig *r, const char *path);
/* Nothing of this path under a final name, and no blob of its content. */
void rig_expect_nothing(rig *r, const char *path);
/* Adds a rule for the fake Hub, or fails the test. */
void rig_fault(rig *r, const char *line);
/* models--ns--repo/ + rest in the cache; static ring. */
const char *rig_path(rig *r, const char *rest);
/* Files in blobs/ whose names end so. */
size_t rig_count_blobs(rig *r, const char *suffix);
/* Full name of the first such, or "". */
const char *rig_find_blob(rig *r, const char *suffix);
/* Bytes of body the CDN (or the Hub itself) sent of a path. */
uint64_t rig_served(rig *r, const char *path);

/* Requests for this file's bytes: to the CDN and to the Hub's own store. */
size_t rig_body_requests(rig *r, const char *path);

#endif
