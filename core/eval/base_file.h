/* A reference's answers kept in a file, so that it need not run again beside each model.
 *
 * nibble's own kind keeps what the last matrix multiplies: the hidden state of each scored position
 * in F16, and the matrix once, as it lies in the reference. At 4,096 wide and 128 Ki tokens that is
 * 8 KiB a position instead of 257, and every log-probability comes back, not only those above a
 * floor. Little-endian:
 *
 *     "NBBASE01"  u32 protocol  u32 n_ctx  u32 step  u32 first  u32 count  u32 chunks  i32 bos
 *     u32 n_vocab  u32 n_embd  u32 matrix type  f32 logit scale  f32 logit cap
 *     u64 fingerprint of the reference  u64 print of the vocabulary
 *     text [64]: SHA-256 of the text in hex   text [64]: name of the reference, zeros behind
 *     i32 id [(chunks - 1) * step + n_ctx]    zeros up to a multiple of 64
 *     matrix [n_vocab][row]                   zeros up to a multiple of 64
 *     state [chunks * count] { f32 scale  f16 [n_embd]  zeros up to a multiple of 4 }
 *     u32 crc32c of all before
 *
 * llama-perplexity's kind (--kl-divergence-base; perplexity.cpp of llama.cpp @ 050ee92):
 *
 *     "_logits_"  i32 n_ctx  i32 n_vocab  i32 n_chunk  i32 id [n_chunk * n_ctx]
 *     row [n_chunk * (n_ctx - 1 - n_ctx / 2)] { f32 scale  f32 least  u16 [n_vocab, made even] }
 *
 * log p = scale * code + least; what lies 16 below the most likely is cut off there. It says
 * nothing about text, reference or tokenizer. */
#ifndef NIBBLE_BASE_FILE_H
#define NIBBLE_BASE_FILE_H

#include "core/base/file.h"
#include "core/eval/eval.h"
#include "core/eval/kld.h"

typedef enum nb_base_kind { NB_BASE_NIBBLE, NB_BASE_LLAMA, NB_BASE_KINDS } nb_base_kind;

typedef struct nb_base_head {
    nb_base_kind kind;
    nb_reading reading; /* ids NULL; bos of a llama file is -1: the model's tokenizer knows */
    uint32_t n_vocab, n_embd, type;
    float scale, cap;
    uint64_t reference, vocab; /* 0: not told */
    char text[65], name[65];
    uint64_t ids_at, n_ids, matrix_at, matrix_row, rows_at, row; /* bytes, but n_ids */
} nb_base_head;

/* The head of a file of `len` bytes, all of them at bytes: what it promises is exactly what a file
 * of that length holds. name: for messages. */
nb_status nb_base_head_read(nb_base_head *out, const uint8_t *bytes, uint64_t len, const char *name,
                            nb_err *err);

typedef struct nb_base {
    nb_reference ref; /* of nb_kld_run */
    nb_base_head head;
    nb_reading reading; /* what nb_kld_run reads with it; owned */
    nb_map map;
    nb_head last;
    float *state; /* [NB_HEAD_BATCH, n_embd] owned */
    char path[1024];
} nb_base;

/* tok: of the model that is to be measured. NB_REFUSED when its vocabulary is not the one the file
 * was made with; NB_FORMAT for a damaged file. ops, pool borrowed. */
nb_status nb_base_open(nb_base **out, const char *path, const nb_tok *tok, const nk_ops *ops,
                       nk_pool *pool, nb_err *err);
void nb_base_close(nb_base **b);

/* What goes into a base file beside what its run gives. */
typedef struct nb_base_about {
    nb_base_kind kind;
    uint64_t reference, vocab;
    const char *text, *name; /* SHA-256 in hex; of the reference */
    unsigned cpu_flags;      /* of nk_ops */
} nb_base_about;

/* Bytes such a file will have. */
nb_status nb_base_size(uint64_t *out, const nb_base_about *about, const nb_reading *rd,
                       const nb_model *m, nb_err *err);
/* Runs the reading and writes the file as it goes; its perplexity comes with it. watch's rows are
 * taken. What stood at path is replaced at the end or stays. */
nb_status nb_base_save(nb_ppl *out, const char *path, const nb_base_about *about, nb_session *s,
                       const nb_reading *rd, const nb_eval_watch *watch, const nb_hooks *hooks,
                       nb_err *err);

/* One row of llama's kind, n codes and those that make it even: for the writer and tests. */
void nb_base_code(const float *logits, uint32_t n, float *scale, float *least, uint16_t *code);

#endif
