/* A model behind an address, as one who answers: the client of OpenAI-compatible endpoints (vLLM,
 * SGLang, llama.cpp's server, Ollama). MODEL is spelled https://host[:port][/path]#name; without a
 * path /v1 is meant, without a name the only model that the endpoint serves.
 *
 * Each endpoint has a network of its own (dl_net), so that its key, its rate limit and its origin
 * are its own: the key goes to that origin alone, redirects are followed within it alone, and what
 * it answers never holds up the Hub. Nothing is sent before the first question. */
#ifndef NIBBLE_REMOTE_H
#define NIBBLE_REMOTE_H

#include "core/model/chat.h"
#include "downloads/dl.h"

typedef struct dl_remote dl_remote;

typedef struct dl_remote_options {
    const nb_hub_env *env; /* proxies, authorities, offline; its endpoint and token are not used */
    const char *key, *key_from; /* secret, "" = none; the variable it is from. Copied, wiped at the
                                   end */
    bool offline;               /* besides env's */
    bool http;                  /* unencrypted to other machines too */
    double patience;            /* s a question is tried again before its first byte; 0 = 30 */
    int silence;                /* s without a byte; 0 = 300: a long prompt takes its time */
} dl_remote_options;

/* Takes the text apart and starts a thread; asks nobody. NB_USAGE: no such address, a user or
 * password in it (which is not repeated), http to another machine unless opt->http. */
nb_status dl_remote_open(dl_remote **out, const char *model, const dl_remote_options *opt,
                         nb_err *err);
/* What dl_remote_open says of the text alone. */
nb_status dl_remote_check(const char *model, bool http, nb_err *err);
/* Whether what is sent there goes unencrypted to another machine; host: "host:port" then. False
 * too for a text that is no remote model. */
bool dl_remote_in_clear(const char *model, char host[256]);
/* Ends what is under way, joins, wipes the key. */
void dl_remote_close(dl_remote **r);
/* Borrowed until close. Its token events carry ids that number the texts of this endpoint in order
 * of appearance (piece tells them); logprob and entropy are NAN and top_id[0] is -1 where the
 * server gives none. */
nb_responder *dl_remote_responder(dl_remote *r);
const char *dl_remote_host(const dl_remote *r); /* "host:port", for labels */
/* The model's name: the one given, or, once asked, the only one served. "" = not known yet. Copied,
 * as the asking thread sets it. */
void dl_remote_name(dl_remote *r, char out[256]);
/* What went wrong with the last question; DL_OK. */
dl_trouble dl_remote_trouble(const dl_remote *r);
/* What to do about it, in an endpoint's words rather than the Hub's. */
const char *dl_remote_remedy(dl_trouble t);

/* --- what a server says of a text that it reads --- */
enum { DL_SCORE_TOP = 20 }; /* vLLM's default limit of logprobs (--max-logprobs) */

typedef struct dl_alternative {
    size_t text, len; /* its bytes, in dl_scores.text */
    int64_t id;       /* the server's, -1 = not told */
    double logprob;
} dl_alternative;
typedef struct dl_score {
    dl_alternative token; /* that stands there; logprob NAN: not told (the first has none) */
    size_t top, n_top;    /* its alternatives, in dl_scores.top, likeliest first */
} dl_score;
typedef struct dl_scores {
    dl_score *at; /* owned; the prompt's tokens in order, as the server cuts it */
    size_t n;
    dl_alternative *top; /* owned */
    size_t n_top;
    nb_str text;
} dl_scores;
/* The log probabilities of text[n] as a prompt, with the `top` likeliest of each place (0..
 * DL_SCORE_TOP): /completions with echo, else vLLM's prompt_logprobs. NB_UNSUPPORTED: the server
 * gives none of a prompt (llama.cpp's refuses echo, Ollama's ignores it). */
nb_status dl_remote_score(dl_remote *r, const char *text, size_t n, int top, dl_scores *out,
                          const nb_hooks *hooks, nb_err *err);
void dl_scores_free(dl_scores *s);

#endif
