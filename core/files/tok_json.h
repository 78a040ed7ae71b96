/* Private to tok_json*.c: a Hugging Face tokenizer.json in memory. */
#ifndef NIBBLE_TOK_JSON_H
#define NIBBLE_TOK_JSON_H

#include "core/base/json.h"
#include "core/files/kv.h"

enum { NB_TOK_MAX_VOCAB = 1 << 20 }; /* reliability.md 4 */

typedef enum nb_tok_type { /* tokenizer.ggml.token_type */
                           NB_TOK_NORMAL = 1,
                           NB_TOK_UNKNOWN,
                           NB_TOK_CONTROL,
                           NB_TOK_USER,
                           NB_TOK_UNUSED,
                           NB_TOK_BYTE,
} nb_tok_type;

typedef struct nb_tok_entry {
    size_t at; /* of its spelling in nb_tok_json.bytes */
    uint32_t len;
    float score;
    nb_tok_type type;
    bool set, added; /* added: from added_tokens, which win over the model's vocabulary */
} nb_tok_entry;

typedef struct nb_tok_json {
    nb_str bytes;        /* spellings, back to back */
    nb_tok_entry *entry; /* [n] by id; owned */
    size_t n, cap;
    nb_str merges; /* elements of a GGUF string array, "left right" */
    size_t n_merges;
    char type[24];   /* model.type: "BPE", "Unigram"; "": early files do not say */
    bool has_merges; /* a list, be it empty */
    bool scored;     /* the vocabulary came as [spelling, score] */
    bool byte_fallback, ignore_merges;
    uint64_t unk_id;                            /* UINT64_MAX: none */
    nb_json *normalizer, *pre, *post, *decoder; /* NULL: absent; owned */
} nb_tok_json;

/* Reads bytes[n], the file called path. Close it even after a failure. */
nb_status nb_tok_json_read(nb_tok_json *t, const char *bytes, size_t n, const char *path,
                           nb_err *err);
void nb_tok_json_close(nb_tok_json *t);
/* Sets the token of an id, as added_tokens does; ids past NB_TOK_MAX_VOCAB fail. */
nb_status nb_tok_json_add(nb_tok_json *t, uint64_t id, const char *text, bool special,
                          const char *path, nb_err *err);

/* How the file's words are cut. */
typedef enum nb_tok_cut {
    NB_TOK_BYTE_LEVEL, /* *pre is the name for tokenizer.ggml.pre */
    NB_TOK_MARKED,     /* spaces are U+2581, and there are no words: SentencePiece's way */
} nb_tok_cut;

typedef struct nb_tok_words {
    nb_tok_cut cut;
    const char *pre; /* BYTE_LEVEL */
    bool prefix;     /* MARKED: a space mark goes in front of the text */
} nb_tok_words;

/* Chosen from the content of normalizer and pre_tokenizer (tok_json_pre.def, quant.md 2.3).
 * NB_UNSUPPORTED names what is not known. */
nb_status nb_tok_json_words(const nb_tok_json *t, nb_tok_words *out, const char *path, nb_err *err);

/* What a unigram model does to text before it looks for pieces. */
typedef struct nb_tok_unigram {
    bool prefix;          /* a space mark goes in front of the text */
    bool merge_spaces;    /* runs of spaces count as one, those at the ends as none */
    const char *charsmap; /* base64, borrowed from the normalizer; NULL: none */
} nb_tok_unigram;
nb_status nb_tok_json_unigram(const nb_tok_json *t, nb_tok_unigram *out, const char *path,
                              nb_err *err);

/* Control tokens by their looks, though not marked as special (convert_hf_to_gguf.py,
 * does_token_look_special). */
bool nb_tok_looks_special(const char *text);

/* Ids of special tokens, whether BOS and EOS are added, and the chat template, from
 * tokenizer_config.json, special_tokens_map.json, config.json, generation_config.json,
 * chat_template.jinja and the post_processor (NULL: none). kvs has the tokens already. */
nb_status nb_tok_special_keys(nb_kvs *kvs, const char *dir, const nb_json *post, nb_err *err);

#endif
