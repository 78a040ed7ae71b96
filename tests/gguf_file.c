#include "tests/gguf_file.h"

#include <stdlib.h>
#include <string.h>

void gg_int(nb_str *s, uint64_t v, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++, v >>= 8)
        nb_str_addn(s, &(char){(char)(v & 0xff)}, 1);
}

void gg_text(nb_str *s, const char *text)
{
    gg_int(s, strlen(text), 8);
    nb_str_add(s, text);
}

static void put(gg_file *f, gg_mark mark, uint64_t v, unsigned bytes)
{
    f->at[mark] = f->bytes.len;
    gg_int(&f->bytes, v, bytes);
}

static void keys(gg_file *f)
{
    nb_str *s = &f->bytes;
    put(f, GG_ALIGN_KEY_LEN, 17, 8);
    f->at[GG_ALIGN_KEY] = s->len;
    nb_str_add(s, "general.alignment");
    put(f, GG_ALIGN_TYPE, 4, 4);
    put(f, GG_ALIGN, 32, 4);
    gg_int(s, 1, 8);
    put(f, GG_STR_KEY, 's', 1);
    put(f, GG_STR_TYPE, 8, 4);
    put(f, GG_STR_LEN, 3, 8);
    nb_str_add(s, "abc");
    gg_text(s, "a");
    put(f, GG_STRS_TYPE, 9, 4);
    put(f, GG_STRS_ELEM, 8, 4);
    put(f, GG_STRS_N, 2, 8);
    put(f, GG_STRS_LEN0, 1, 8);
    nb_str_add(s, "x");
    put(f, GG_STRS_LEN1, 2, 8);
    nb_str_add(s, "yz");
    gg_text(s, "n");
    gg_int(s, 9, 4);
    put(f, GG_NUMS_ELEM, 5, 4);
    put(f, GG_NUMS_N, 3, 8);
    gg_int(s, 0x100000002, 8);
    gg_int(s, 3, 4);
    gg_text(s, "b");
    gg_int(s, 7, 4);
    put(f, GG_BOOL, 1, 1);
}

static void tensors(gg_file *f)
{
    put(f, GG_T0_LEN, 2, 8);
    f->at[GG_T0_NAME] = f->bytes.len;
    nb_str_add(&f->bytes, "t0");
    put(f, GG_T0_DIMS, 2, 4);
    put(f, GG_T0_NE0, 32, 8);
    put(f, GG_T0_NE1, 2, 8);
    put(f, GG_T0_TYPE, 2, 4);
    put(f, GG_T0_OFFSET, 0, 8);
    put(f, GG_T1_LEN, 2, 8);
    f->at[GG_T1_NAME] = f->bytes.len;
    nb_str_add(&f->bytes, "t1");
    put(f, GG_T1_DIMS, 4, 4);
    put(f, GG_T1_NE0, 4, 8);
    put(f, GG_T1_NE1, 2, 8);
    put(f, GG_T1_NE2, 1, 8);
    put(f, GG_T1_NE3, 1, 8);
    put(f, GG_T1_TYPE, 0, 4);
    put(f, GG_T1_OFFSET, 64, 8); /* 2 * 18 bytes, padded */
}

void gg_build(gg_file *f)
{
    *f = (gg_file){{0}, {0}};
    f->at[GG_MAGIC] = 0;
    nb_str_add(&f->bytes, "GGUF");
    put(f, GG_VERSION, 3, 4);
    put(f, GG_TENSORS, 2, 8);
    put(f, GG_KEYS, 5, 8);
    keys(f);
    tensors(f);
    while (f->bytes.len % 32)
        gg_int(&f->bytes, 0, 1);
    f->at[GG_DATA] = f->bytes.len;
    for (unsigned i = 0; i < 96; i++)
        gg_int(&f->bytes, i, 1);
}

nb_status gg_parse(nb_gguf_info *info, uint8_t **copy, const void *bytes, size_t n, size_t file_len,
                   nb_err *err)
{
    *copy = malloc(n ? n : 1);
    if (n)
        memcpy(*copy, bytes, n);
    err->msg[0] = '\0';
    return nb_gguf_parse(info, *copy, n, file_len, "x.gguf", err);
}
