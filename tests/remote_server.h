/* An OpenAI-like endpoint on loopback for the tests of remote models: /v1/models,
 * /v1/chat/completions (streamed or not) and /v1/completions, with the faults that such servers
 * have. One request a connection. */
#ifndef NIBBLE_TEST_REMOTE_SERVER_H
#define NIBBLE_TEST_REMOTE_SERVER_H

#include "core/base/str.h"

typedef struct remote_server remote_server;

/* What it does from now on. Zero = a good server without logprobs. Texts are borrowed. */
typedef struct remote_how {
    const char *answer;  /* NULL = "Hello from afar." */
    const char *thought; /* said as reasoning_content before it */
    const char *models;  /* names, by commas; NULL = "far" */
    bool logprobs;       /* tells them when asked; each token's p is 0.5, another's 0.25 */
    bool bytes_only;     /* of a token only its bytes, the spelling is "?" */
    bool plain;          /* one document, whatever `stream` says */
    bool crlf, no_done, no_usage;
    const char *finish;   /* "stop"; "" = none is given */
    int status;           /* 0 = 200 */
    int times;            /* that status for so many requests, then good ones; 0 = always */
    int retry_after;      /* s, with that status; 0 = none is told */
    const char *error;    /* body of that status */
    const char *refuses;  /* 400 naming it to a request that holds it */
    bool quietly;         /* ... without naming it */
    const char *raw;      /* instead of all events */
    size_t raw_n;         /* its bytes; 0 = strlen */
    const char *location; /* with status 3xx */
    const char *key;      /* 401 to a request without it */
    int delay_ms;         /* before the head */
    int token_ms;         /* between tokens */
    int cut_after;        /* tokens, then the connection ends; 0 = not */
    bool endless;         /* never stops saying the answer */
    bool silent;          /* after the head nothing more comes */
    bool lingers;         /* the connection stays open after the end */
    size_t write_n;       /* bytes a write; 0 = an event */
    /* The whole answer to a request of /completions as JSON; NULL = it refuses echo, as llama.cpp's
     * server does. */
    void (*complete)(void *ud, const char *json, nb_str *out);
    /* The answer to a conversation; NULL = `answer`. */
    void (*chat)(void *ud, const char *json, nb_str *out);
    void *ud;
} remote_how;

remote_server *remote_server_start(const remote_how *how);
void remote_server_stop(remote_server **s);
void remote_server_set(remote_server *s, const remote_how *how);
/* "http://127.0.0.1:PORT/v1#far", valid until the stop. */
const char *remote_server_model(const remote_server *s);
const char *remote_server_base(const remote_server *s); /* without #far */
/* Requests so far, and the n-th from 0 whole, head and body; the test fails when there is none.
 * Valid until the stop. */
size_t remote_server_count(remote_server *s);
const char *remote_server_request(remote_server *s, size_t n);

#endif
