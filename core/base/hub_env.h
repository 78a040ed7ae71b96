/* What the environment and the user's files say about the Hugging Face Hub: endpoint, folders,
 * token, offline, proxies, certificates. Read once by core/base/config's rules (only this file and
 * config.c read the environment below tui/), then passed on by value. Names, defaults and order as
 * in huggingface_hub @ ee0a4510f, constants.py, _auth.py and httpx (hub.md 1.1, 2). */
#ifndef NIBBLE_HUB_ENV_H
#define NIBBLE_HUB_ENV_H

#include "kernels/nb.h"

enum { NB_TOKEN_MAX = 4096 };

typedef struct nb_hub_env {
    char endpoint[512]; /* "https://huggingface.co"; no slash at its end, may have a path prefix */
    char home[1024];    /* $HF_HOME or its default; "" = no home folder */
    char hub[1024];     /* the cache: as nb_config.hf_hub */
    char token[NB_TOKEN_MAX]; /* secret; "" = none. Never printed, logged or put into a URL */
    char token_from[1024];    /* "HF_TOKEN", or the file's path; "" = none */
    bool offline;             /* HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE: no request at all */
    bool no_symlinks;         /* HF_HUB_DISABLE_SYMLINKS */
    int etag_timeout;         /* s without a byte for metadata, 1..3600; default 10 */
    int download_timeout;     /* s without a byte for data, 1..3600; default 10 */
    char agent_origin[128];   /* HF_HUB_USER_AGENT_ORIGIN, "" = none */
    char ca_file[1024], ca_dir[1024];         /* SSL_CERT_FILE, SSL_CERT_DIR; "" = system's */
    char proxy_http[1024], proxy_https[1024]; /* {HTTP,HTTPS,ALL}_PROXY, either case; may hold
                                                 a password: never printed */
    char no_proxy[1024];                      /* NO_PROXY */
} nb_hub_env;

/* Keeps this process's memory out of core dumps and from other programs of the user, once a token
 * is in it: before anything else where the environment has one (what it starts inherits neither
 * over exec), later by nb_hub_env_load and nb_hub_env_save_token. */
void nb_hub_env_guard(void);
/* Never fails hard: what is unusable is left at its default and *err (may be NULL) tells the first
 * problem (a token file others may read, an endpoint that is no URL), with its status. */
nb_status nb_hub_env_load(nb_hub_env *out, nb_err *err);
/* Writes the token file ($HF_TOKEN_PATH or $HF_HOME/token), mode 0600 in a folder of mode 0700, and
 * sets out->token; token "" removes the file. Refuses control bytes and spaces. */
nb_status nb_hub_env_save_token(nb_hub_env *env, const char *token, nb_err *err);
/* Overwrites the secret in memory. */
void nb_hub_env_wipe(nb_hub_env *env);

#endif
