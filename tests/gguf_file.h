/* A small, valid GGUF built byte by byte, without nibble's writer, that knows where each of its
 * fields lies, so that tests can put anything there. */
#ifndef NIBBLE_TEST_GGUF_FILE_H
#define NIBBLE_TEST_GGUF_FILE_H

#include "core/base/str.h"
#include "core/files/gguf.h"

typedef enum gg_mark {
    GG_MAGIC,
    GG_VERSION,
    GG_TENSORS,
    GG_KEYS,
    GG_ALIGN_KEY_LEN,
    GG_ALIGN_KEY,
    GG_ALIGN_TYPE,
    GG_ALIGN,
    GG_STR_KEY,
    GG_STR_TYPE,
    GG_STR_LEN,
    GG_STRS_TYPE,
    GG_STRS_ELEM,
    GG_STRS_N,
    GG_STRS_LEN0,
    GG_STRS_LEN1,
    GG_NUMS_ELEM,
    GG_NUMS_N,
    GG_BOOL,
    GG_T0_LEN,
    GG_T0_NAME,
    GG_T0_DIMS,
    GG_T0_NE0,
    GG_T0_NE1,
    GG_T0_TYPE,
    GG_T0_OFFSET,
    GG_T1_LEN,
    GG_T1_NAME,
    GG_T1_DIMS,
    GG_T1_NE0,
    GG_T1_NE1,
    GG_T1_NE2,
    GG_T1_NE3,
    GG_T1_TYPE,
    GG_T1_OFFSET,
    GG_DATA,
    GG_MARKS
} gg_mark;

typedef struct gg_file {
    nb_str bytes;
    size_t at[GG_MARKS];
} gg_file;

void gg_int(nb_str *s, uint64_t v, unsigned bytes);
void gg_text(nb_str *s, const char *text); /* length and bytes */
/* Keys general.alignment = 32, s, a (2 strings), n (3 i32), b; tensors t0 q4_0 [32, 2] and
 * t1 f32 [4, 2, 1, 1]. Free bytes with nb_str_free. */
void gg_build(gg_file *f);
/* nb_gguf_parse of a heap copy of exactly n bytes, so that ASan sees a read past its end. Named
 * x.gguf in err; err->msg is cleared first. free(*copy) is the caller's. */
nb_status gg_parse(nb_gguf_info *info, uint8_t **copy, const void *bytes, size_t n, size_t file_len,
                   nb_err *err);

#endif
