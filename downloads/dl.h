/* The network of nibble: one thread with one curl multi handle, opened when first needed and closed
 * with the program. It carries requests (hub.h), transfers (queue.h) and later remote panes; it
 * only ever connects, it listens on nothing. Everything that leaves goes through one policy: token
 * to the endpoint's own origin only, redirects by hand, rate limits heeded together, offline means
 * no request at all (hub.md 1, 5). */
#ifndef NIBBLE_DL_H
#define NIBBLE_DL_H

#include "core/base/hub_env.h"

enum { DL_URL_MAX = 4096 };

typedef struct dl_net dl_net;

typedef struct dl_options {
    nb_hub_env env;  /* copied */
    bool offline;    /* in addition to env.offline */
    uint64_t limit;  /* bytes per second over all transfers, 0 = none */
    int connections; /* 1..16 over all transfers; 0 = 4 (hub.md 3: more is throttled per source) */
    double patience; /* s a call tries again without getting further; 0 = 60 */
} dl_options;

/* Starts the thread. NB_NOMEM, NB_NETWORK (libcurl cannot start). */
nb_status dl_net_open(dl_net **out, const dl_options *opt, nb_err *err);
/* Ends all requests with NB_CANCELED, joins, wipes the token. Accepts NULL. After it no callback
 * runs any more. */
void dl_net_close(dl_net **net);
const nb_hub_env *dl_net_env(const dl_net *net); /* borrowed, constant but for dl_net_token */
bool dl_net_offline(const dl_net *net);
int dl_net_connections(const dl_net *net);
/* Any thread, any time. */
void dl_net_limit(dl_net *net, uint64_t bytes_per_second);
/* Replaces the token after A (account) stored another. from: where it lies. */
void dl_net_token(dl_net *net, const char *token, const char *from);

/* What the network does now, for strips and screens. */
typedef struct dl_net_view {
    double hold;       /* s the server asked to wait yet; 0 = none. All requests wait */
    const char *held;  /* constant: "rate limited", "server busy"; of the last time */
    double rate;       /* bytes per second received, mean of the last 5 s */
    uint64_t limit;    /* 0 = none */
    uint64_t received; /* bytes of bodies since open; never decreases */
    uint64_t requests; /* sent since open */
    int active;        /* connections with a request now */
    char warning[256]; /* newest X-HF-Warning, shown once per topic; "" = none */
} dl_net_view;
void dl_net_look(dl_net *net, dl_net_view *out);

/* --- what can go wrong, one row each (troubles.def): class, sentence, remedy ---------------------
 */
typedef enum dl_trouble {
    DL_OK,
#define DL_TROUBLE(name, status, what, remedy, keys) DL_##name,
#include "downloads/troubles.def"
#undef DL_TROUBLE
    DL_TROUBLES
} dl_trouble;
/* "check the name": what to do about it; "" for DL_OK. */
const char *dl_trouble_remedy(dl_trouble t);
/* "A stores a token, r tries again": which keys do it; "" = none. */
const char *dl_trouble_keys(dl_trouble t);
/* "gated": two or three words for a row. */
const char *dl_trouble_name(dl_trouble t);
nb_status dl_trouble_status(dl_trouble t);

#endif
