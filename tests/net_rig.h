/* What the tests of the network share: a fake Hub with a small repository and a net on it, calls of
 * one line, streams that remember what came. */
#ifndef NIBBLE_TEST_NET_RIG_H
#define NIBBLE_TEST_NET_RIG_H

#include <pthread.h>

#include "downloads/http.h"
#include "tests/hub_fixture.h"

#define RIG_TOKEN "hf_TheSecretOfTheTests"

typedef struct net_rig {
    fake_hub *hub;
    fake_repo *repo; /* ns/repo of fix_repo */
    dl_net *net;
} net_rig;

/* The environment of a client of hub: RIG_TOKEN (which the hub knows), timeouts of 10 s. */
nb_hub_env rig_env(fake_hub *hub);
/* opt may be NULL; its env is filled in. Patience 2 s unless it says otherwise. */
net_rig rig_up(const dl_options *opt, const fake_hub_options *hub_opt);
void rig_down(net_rig *rig);
/* Closes the net and opens another, on env or the rig's own (NULL). */
void rig_again(net_rig *rig, const nb_hub_env *env);

/* GET, at most 1 MiB, redirects followed within the Hub. *reply is the caller's. */
nb_status rig_get(net_rig *rig, const char *path, dl_reply *reply, nb_err *err);
/* The n-th (from 0) request of the log to that port; the test fails when there is none. Copies; the
 * texts are valid until the next call. */
fake_request rig_logged(net_rig *rig, fake_port port, size_t n);
/* No field of any request to that port mentions the text. */
bool rig_unmentioned(net_rig *rig, fake_port port, const char *text);

/* A stream that keeps what happened. */
typedef struct rig_stream {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    dl_net *net;
    dl_stream *s;
    uint64_t bytes, stop_at; /* stop_at: body says false there; 0 = never */
    bool headed, done;
    nb_str body; /* its first MiB */
    int status;  /* HTTP */
    dl_trouble trouble;
    nb_status end;
    nb_err err;
    double began, ended; /* dl_clock */
} rig_stream;
void rig_stream_start(net_rig *rig, rig_stream *s, const dl_request *rq);
void rig_stream_wait(rig_stream *s);                 /* for done; fails the test after 30 s */
void rig_stream_wait_bytes(rig_stream *s, uint64_t); /* or done */
void rig_stream_free(rig_stream *s);

/* hooks that cancel once *flag is set, and count what they are told. */
typedef struct rig_hooks {
    _Atomic bool cancel;
    char what[96]; /* the first said that begins with `want` */
    const char *want;
    unsigned told;
} rig_hooks;
nb_hooks rig_hook(rig_hooks *h);

#endif
