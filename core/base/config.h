/* Where things live and what the environment says: the only reader of environment variables below
 * tui/. XDG folders (tui.md 4.13), settings as `key = value` lines, and the Hugging Face cache
 * location (hub.md 2). */
#ifndef NIBBLE_CONFIG_H
#define NIBBLE_CONFIG_H

#include "kernels/nb.h"

typedef struct nb_config {
    char config_dir[1024]; /* $XDG_CONFIG_HOME/nibble or ~/.config/nibble */
    char data_dir[1024];   /* $XDG_DATA_HOME/nibble: models/, recipes/, chats/ */
    char state_dir[1024];  /* $XDG_STATE_HOME/nibble: workspace.json, runs, log */
    char cache_dir[1024];  /* $XDG_CACHE_HOME/nibble */
    char hf_hub[1024]; /* Hugging Face cache: $HF_HUB_CACHE > $HUGGINGFACE_HUB_CACHE > $HF_HOME/hub
                          > ... */
    char ollama[1024]; /* $OLLAMA_MODELS, ~/.ollama/models, or the Linux service's */
    char lmstudio[2][1024]; /* ~/.lmstudio/models, ~/.cache/lm-studio/models */
    char demo_dir[1024];    /* bundled demo model; "" when not found */
    char cpu[32];           /* NIBBLE_CPU, "" = no ceiling */
    bool no_color;          /* NO_COLOR set and not empty */
    bool ssh;               /* SSH_CONNECTION set */
    bool writable;          /* false: no usable home; nothing is remembered */
    /* settings (config file): */
    char theme[64];
    int threads;        /* 0 = all cores */
    int mouse;          /* -1 auto, 0, 1 */
    int ctx;            /* default context, 0 = the model's, capped at 4096 */
    uint64_t ram_limit; /* bytes, 0 = none */
    int remote_http;    /* 1: remote models over plain http on other machines too */
    int flat;           /* 1: chats make flat copies (nb_model_flatten) */
} nb_config;

/* A settings row: name, meaning, default, where read. The `config` command, --explain and the man
 * page come from the table. */
typedef struct nb_setting {
    const char *name, *help, *fallback;
    const char *kind; /* "int", "bool", "text", "bytes" */
} nb_setting;
const nb_setting *nb_settings(size_t *count);

/* exe = path of the running program, to find share/ beside it. Never fails hard: what cannot be
 * read is left at its default and *err (may be NULL) tells the first problem, with NB_OK or the
 * status. */
nb_status nb_config_load(nb_config *out, const char *exe, nb_err *err);
/* Value of one setting as text; false for an unknown name. */
bool nb_config_get(const nb_config *c, const char *name, char *out, size_t cap);
/* Validates, then rewrites the settings file atomically keeping unknown lines and comments. */
nb_status nb_config_set(nb_config *c, const char *name, const char *value, nb_err *err);

/* The key of remote endpoints from the environment, NIBBLE_API_KEY or else OPENAI_API_KEY, into
 * out[cap]: secret, the caller wipes it. *from: the variable's name, "" without a key. NB_USAGE,
 * and no key, for one that no header may carry; its text is not repeated. */
nb_status nb_api_key(char *out, size_t cap, const char **from, nb_err *err);

/* Memory: bytes a new model may take now (MemAvailable and the cgroup limit, whichever is less),
 * and the machine's total. */
void nb_memory(uint64_t *available, uint64_t *total);
/* Resident set of this process in bytes. */
uint64_t nb_rss(void);

#endif
