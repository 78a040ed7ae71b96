/* The GGUF reader and writer against hostile and damaged files (reliability 1a, A1, A7, A8, A10).
 */
#include "tests/check.h"

#include "core/base/job.h"
#include "core/files/gguf.h"
#include "tests/gguf_file.h"
#include "tests/util.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static nb_status parse(nb_gguf_info *info, uint8_t **copy, const nb_str *s, nb_err *err)
{
    return gg_parse(info, copy, s->at, s->len, s->len, err);
}

static void refused(const nb_str *s, const char *says, const char *what, unsigned long long value)
{
    nb_gguf_info info;
    uint8_t *copy;
    nb_err err;
    double start = nb_now();
    nb_status st = parse(&info, &copy, s, &err);
    double took = nb_now() - start;
    free(copy);
    check(st == NB_FORMAT || st == NB_UNSUPPORTED, "%s = %llx: status %d", what, value, st);
    check(strstr(err.msg, "x.gguf") == err.msg, "%s = %llx: %s", what, value, err.msg);
    check(strstr(err.msg, says), "%s = %llx: \"%s\" does not say \"%s\"", what, value, err.msg,
          says);
    check(took < test_within(0.1), "%s = %llx: %.0f ms", what, value, took * 1e3);
}

CHECK_TEST(gguf, reads_a_file_it_did_not_write)
{
    gg_file f;
    nb_gguf_info info;
    uint8_t *copy;
    nb_err err;
    gg_build(&f);
    check(parse(&info, &copy, &f.bytes, &err) == NB_OK, "%s", err.msg);
    check(info.version == 3 && info.alignment == 32 && info.n_tensors == 2, "header");
    check(info.data_offset == f.at[GG_DATA] && nb_kvs_count(info.kvs) == 5, "sizes");
    const nb_tensor *a = &info.tensors[0], *b = &info.tensors[1];
    check(strcmp(a->name, "t0") == 0 && a->type == NK_Q4_0 && a->nbytes == 36 && a->n_dims == 2,
          "t0");
    check(b->shape[0] == 4 && b->shape[1] == 2 && b->shape[3] == 1 && b->nbytes == 32, "t1");
    check(b->bytes == copy + f.at[GG_DATA] + 64 && b->bytes[0] == 64, "t1 lies elsewhere");
    const nb_kv *n = nb_kvs_find(info.kvs, "n");
    double v;
    check(n && n->n == 3 && nb_kv_elem_num(n, 1, &v) && v == 1, "array");
    nb_gguf_free(&info);
    nb_gguf_free(&info);
    free(copy);
    nb_str_free(&f.bytes);
}

/* A1: one field at a time. */
CHECK_TEST(gguf, refuses_every_wrong_field)
{
    enum { MAX = 10 };
    static const struct {
        gg_mark mark;
        unsigned bytes;
        const char *what, *says;
        uint64_t value[MAX]; /* up to the first 0 after the first */
    } row[] = {
        {GG_MAGIC,
         4,
         "magic",
         "no GGUF",
         {0, 0x46554746, 0x4c4d4747, 0x66756767, 0x47475546, 0xffffffff}},
        {GG_VERSION,
         4,
         "version",
         "version",
         {0, 1, 4, 5, 0x03000000, 0x02000000, 0x7fffffff, 0xffffffff}},
        {GG_TENSORS,
         8,
         "tensor count",
         "",
         {3, 65536, 65537, 1ull << 31, 1ull << 58, 1ull << 63, UINT64_MAX}},
        {GG_KEYS, 8, "key count", "", {0, 1, 4, 6, 65537, 1ull << 31, 1ull << 60, UINT64_MAX}},
        {GG_ALIGN_KEY_LEN,
         8,
         "key length",
         "",
         {0, 65536, 1ull << 31, 1ull << 63, UINT64_MAX - 7, UINT64_MAX}},
        {GG_ALIGN_KEY, 1, "NUL in a key", "NUL", {0}},
        {GG_ALIGN_TYPE, 4, "key type", "", {13, 14, 255, 0x7fffffff, 0x80000000, 0xffffffff}},
        {GG_ALIGN,
         4,
         "alignment",
         "alignment",
         {0, 1, 2, 4, 7, 24, 33, 131072, 1u << 31, 0xffffffff}},
        {GG_STR_KEY, 1, "twin key", "twice", {'a', 'n', 'b'}},
        {GG_STR_LEN,
         8,
         "string length",
         "",
         {4, 1000, (16 << 20) + 1, 1ull << 31, 1ull << 63, UINT64_MAX - 1, UINT64_MAX}},
        {GG_STRS_TYPE, 4, "array read as a scalar or string", "", {8, 13, 9 << 8}},
        {GG_STRS_ELEM, 4, "array element type", "", {9, 13, 255, 0xffffffff}},
        {GG_STRS_N,
         8,
         "array length",
         "",
         {1, 3, 1000, (64 << 20) + 1, 1ull << 32, 1ull << 61, UINT64_MAX}},
        {GG_STRS_LEN0,
         8,
         "array string length",
         "",
         {0, 2, 1000, (16 << 20) + 1, 1ull << 63, UINT64_MAX}},
        {GG_STRS_LEN1, 8, "last string length", "", {0, 1, 3, 1ull << 32, UINT64_MAX}},
        {GG_NUMS_ELEM, 4, "number array type", "", {0, 2, 6 + 4, 8, 9, 12, 99}},
        {GG_NUMS_N, 8, "number array length", "", {0, 2, 4, 1ull << 30, 1ull << 62, UINT64_MAX}},
        {GG_BOOL, 1, "bool", "bool", {2, 128, 255}},
        {GG_T0_LEN, 8, "tensor name length", "", {0, 1, 3, 64, 1ull << 31, UINT64_MAX}},
        {GG_T0_NAME, 1, "NUL in a name", "NUL", {0}},
        {GG_T0_NAME + 0, 2, "twin tensor", "twice", {'t' | '1' << 8}},
        {GG_T0_DIMS, 4, "dimensions", "dimensions", {0, 5, 255, 0x80000000, 0xffffffff}},
        {GG_T0_NE0,
         8,
         "width of blocks",
         "t0",
         {0, 1, 31, 33, 1ull << 62, (1ull << 62) - 1, 1ull << 63, UINT64_MAX}},
        {GG_T0_NE1,
         8,
         "height",
         "t0",
         {0, 1ull << 36, 1ull << 58, 1ull << 59, 1ull << 63, UINT64_MAX}},
        {GG_T0_TYPE, 4, "type", "type", {4, 5, 9, 15, 31, 36, 42, 255, 0x7fffffff, 0xffffffff}},
        {GG_T0_TYPE, 4, "type of wider blocks", "multiple", {12, 14, 10, 34}},
        {GG_T0_OFFSET, 8, "first offset", "offset", {1, 32, 64, 1ull << 63, UINT64_MAX - 31}},
        {GG_T1_NE0, 8, "width", "t1", {0, 5, 1ull << 40, (1ull << 62) - 1, 1ull << 62, UINT64_MAX}},
        {GG_T1_NE1, 8, "second dimension", "t1", {0, 3, 1ull << 62, UINT64_MAX}},
        {GG_T1_NE2, 8, "third dimension", "t1", {0, 2, 1ull << 61, UINT64_MAX}},
        {GG_T1_NE3, 8, "fourth dimension", "t1", {0, 2, 1ull << 60, UINT64_MAX}},
        {GG_T1_TYPE, 4, "type that needs more bytes", "t1", {28, 27}},
        {GG_T1_OFFSET,
         8,
         "second offset",
         "offset",
         {0, 32, 36, 63, 65, 96, 128, 1ull << 63, UINT64_MAX}},
    };
    size_t files = 0;
    for (size_t i = 0; i < countof(row); i++) {
        for (size_t k = 0; k < MAX && (k == 0 || row[i].value[k]); k++, files++) {
            gg_file f;
            gg_build(&f);
            for (unsigned b = 0; b < row[i].bytes; b++)
                f.bytes.at[f.at[row[i].mark] + b] = (char)(row[i].value[k] >> (8 * b));
            refused(&f.bytes, row[i].says, row[i].what, row[i].value[k]);
            nb_str_free(&f.bytes);
        }
    }
    check(files >= 160, "%zu files", files);
}

/* A1: general.alignment as each of the other types (llama.cpp aborts on one of them). */
CHECK_TEST(gguf, refuses_alignment_of_any_other_type)
{
    static const unsigned size[] = {1, 1, 2, 2, 4, 4, 4, 1, 9, 16, 8, 8, 8};
    for (uint32_t type = 0; type < countof(size); type++) {
        if (type == NB_KV_U32)
            continue;
        nb_str s = {0};
        nb_str_add(&s, "GGUF");
        gg_int(&s, 3, 4);
        gg_int(&s, 0, 8);
        gg_int(&s, 1, 8);
        gg_text(&s, "general.alignment");
        gg_int(&s, type, 4);
        if (type == NB_KV_STRING)
            gg_text(&s, " ");
        else if (type == NB_KV_ARRAY)
            gg_int(&s, NB_KV_U32, 4), gg_int(&s, 1, 8), gg_int(&s, 32, 4);
        else
            gg_int(&s, type == NB_KV_BOOL ? 1 : 32, size[type]);
        refused(&s, "alignment", "alignment type", type);
        nb_str_free(&s);
    }
}

/* --- accepted files keep their promises --- */

/* A10, with 128-bit sums: inside the file, disjoint, aligned, as large as their shape. */
static void check_sound(const nb_gguf_info *info, uint64_t file_len, const char *what)
{
    unsigned __int128 end = info->data_offset;
    check(info->data_offset % info->alignment == 0, "%s: data section", what);
    for (size_t i = 0; i < info->n_tensors; i++) {
        const nb_tensor *t = &info->tensors[i];
        const nk_type *type = nk_type_get(t->type);
        unsigned __int128 bytes = type->block_size;
        check(t->n_dims >= 1 && t->n_dims <= 4 && t->shape[0] % type->block_len == 0, "%s: shape",
              what);
        bytes *= t->shape[0] / type->block_len;
        for (int d = 1; d < 4; d++)
            bytes *= t->shape[d];
        check(bytes == t->nbytes && bytes > 0, "%s: \"%s\" has %llu bytes", what, t->name,
              (unsigned long long)t->nbytes);
        check(t->offset >= end && t->offset % info->alignment == 0, "%s: \"%s\" overlaps", what,
              t->name);
        end = (unsigned __int128)t->offset + bytes;
        check(end <= file_len, "%s: \"%s\" leaves the file", what, t->name);
    }
}

static void check_same(const nb_gguf_info *a, const nb_gguf_info *b)
{
    check(a->n_tensors == b->n_tensors && nb_kvs_count(a->kvs) == nb_kvs_count(b->kvs), "counts");
    for (size_t i = 0; i < nb_kvs_count(a->kvs); i++) {
        const nb_kv *x = nb_kvs_at(a->kvs, i), *y = nb_kvs_at(b->kvs, i);
        bool blob = x->type == NB_KV_STRING || x->type == NB_KV_ARRAY;
        uint64_t len = x->type == NB_KV_ARRAY ? x->nbytes : x->n;
        check(strcmp(x->key, y->key) == 0 && x->type == y->type && x->n == y->n, "key %s", x->key);
        check(x->type != NB_KV_ARRAY || (x->elem == y->elem && x->nbytes == y->nbytes), "key %s",
              x->key);
        check(blob ? memcmp(x->v.bytes, y->v.bytes, len) == 0 : x->v.u == y->v.u, "value of %s",
              x->key);
    }
    for (size_t i = 0; i < a->n_tensors; i++) {
        const nb_tensor *x = &a->tensors[i], *y = &b->tensors[i];
        check(strcmp(x->name, y->name) == 0 && x->type == y->type && x->n_dims == y->n_dims &&
                  memcmp(x->shape, y->shape, sizeof x->shape) == 0 && x->nbytes == y->nbytes,
              "tensor %s", x->name);
    }
}

/* write(parse(f)) parses equal. */
static void check_round_trip(const nb_gguf_info *info)
{
    nb_tensor *t = malloc((info->n_tensors + 1) * sizeof *t);
    nb_str head = {0};
    nb_gguf_info again;
    uint64_t len;
    nb_err err;
    if (info->n_tensors)
        memcpy(t, info->tensors, info->n_tensors * sizeof *t);
    check(nb_gguf_layout(&head, info->kvs, t, info->n_tensors, info->alignment, &len, &err) ==
              NB_OK,
          "%s", err.msg);
    uint8_t *copy;
    check(gg_parse(&again, &copy, head.at, head.len, len, &err) == NB_OK, "%s", err.msg);
    check_same(info, &again);
    check(head.len == again.data_offset || info->n_tensors == 0, "the header ends at its data");
    for (size_t i = 0; i < info->n_tensors; i++)
        check(t[i].offset == again.tensors[i].offset, "planned offset of %s", t[i].name);
    nb_gguf_free(&again);
    free(copy);
    nb_str_free(&head);
    free(t);
}

CHECK_TEST(gguf, written_files_equal_what_was_read)
{
    gg_file f;
    nb_gguf_info info;
    uint8_t *copy;
    nb_err err;
    gg_build(&f);
    check(parse(&info, &copy, &f.bytes, &err) == NB_OK, "%s", err.msg);
    check_sound(&info, f.bytes.len, "base");
    check_round_trip(&info);
    /* and byte for byte: the base file is laid out as llama.cpp does it */
    nb_str head = {0};
    uint64_t len;
    check(nb_gguf_layout(&head, info.kvs, info.tensors, 2, 32, &len, &err) == NB_OK, "%s", err.msg);
    check(head.len == f.at[GG_DATA] && memcmp(head.at, f.bytes.at, head.len) == 0, "header bytes");
    check(len == f.bytes.len, "file of %llu bytes", (unsigned long long)len);
    nb_str_free(&head);
    nb_gguf_free(&info);
    free(copy);
    nb_str_free(&f.bytes);
}

/* A8, A10: every header byte of the base file takes 4 wrong values; then seeded pairs of them. */
CHECK_TEST(gguf, survives_every_mutation_and_accepts_only_sound_files)
{
    gg_file f;
    gg_build(&f);
    size_t accepted = 0, tried = 0, header = f.at[GG_DATA];
    test_rng rng = test_rng_make(8);
    double start = nb_now();
    for (size_t round = 0; round < 4 * header + 60000 && nb_now() - start < 3; round++, tried++) {
        nb_gguf_info info;
        uint8_t *copy;
        nb_err err;
        uint8_t *bytes = malloc(f.bytes.len);
        memcpy(bytes, f.bytes.at, f.bytes.len);
        if (round < 4 * header) {
            uint8_t old = bytes[round / 4], wrong[] = {0, 0xff, (uint8_t)(old + 1), old ^ 0x80};
            bytes[round / 4] = wrong[round % 4];
        } else {
            for (uint32_t k = 1 + test_below(&rng, 3); k; k--)
                bytes[test_below(&rng, (uint32_t)header)] = (uint8_t)test_u64(&rng);
        }
        nb_status st = gg_parse(&info, &copy, bytes, f.bytes.len, f.bytes.len, &err);
        if (st == NB_OK) {
            accepted++;
            check_sound(&info, f.bytes.len, "mutant");
            check_round_trip(&info);
            nb_gguf_free(&info);
        } else {
            check((st == NB_FORMAT || st == NB_UNSUPPORTED) && err.msg[0], "status %d", st);
        }
        free(copy);
        free(bytes);
    }
    fprintf(stderr, "gguf: %zu mutants, %zu accepted, %.2f s\n", tried, accepted, nb_now() - start);
    check(tried >= 4 * header && accepted > 0, "%zu mutants", tried);
    nb_str_free(&f.bytes);
}

/* --- A7: linear in keys, tensors and tokens --- */

static double time_of(void (*build)(nb_str *s, uint32_t n), uint32_t n)
{
    nb_str s = {0};
    nb_gguf_info info;
    nb_err err = {.msg = ""};
    build(&s, n);
    double best = 1e9;
    for (int i = 0; i < 3; i++) {
        double start = nb_now();
        check(nb_gguf_parse(&info, (uint8_t *)s.at, s.len, s.len + 32ull * n + 64, "big", &err) ==
                  NB_OK,
              "%s", err.msg);
        nb_gguf_free(&info);
        double took = nb_now() - start;
        best = took < best ? took : best;
    }
    nb_str_free(&s);
    return best;
}

static void many_keys(nb_str *s, uint32_t n)
{
    nb_str_add(s, "GGUF");
    gg_int(s, 3, 4);
    gg_int(s, 0, 8);
    gg_int(s, n, 8);
    for (uint32_t i = 0; i < n; i++) {
        char key[32];
        snprintf(key, sizeof key, "key.%u", i);
        gg_text(s, key);
        gg_int(s, NB_KV_U8, 4);
        gg_int(s, 1, 1);
    }
}

static void many_tensors(nb_str *s, uint32_t n)
{
    nb_str_add(s, "GGUF");
    gg_int(s, 3, 4);
    gg_int(s, n, 8);
    gg_int(s, 0, 8);
    for (uint32_t i = 0; i < n; i++) {
        char name[32];
        snprintf(name, sizeof name, "blk.%u.weight", i);
        gg_text(s, name);
        gg_int(s, 1, 4);
        gg_int(s, 8, 8);
        gg_int(s, NK_F32, 4);
        gg_int(s, 32ull * i, 8);
    }
}

static void many_tokens(nb_str *s, uint32_t n)
{
    nb_str_add(s, "GGUF");
    gg_int(s, 3, 4);
    gg_int(s, 0, 8);
    gg_int(s, 1, 8);
    gg_text(s, "tokenizer.ggml.tokens");
    gg_int(s, NB_KV_ARRAY, 4);
    gg_int(s, NB_KV_STRING, 4);
    gg_int(s, n, 8);
    for (uint32_t i = 0; i < n; i++)
        gg_text(s, "token");
}

CHECK_TEST(gguf, time_grows_with_the_file_and_no_faster)
{
    static const struct {
        const char *what;
        void (*build)(nb_str *s, uint32_t n);
        uint32_t n;
    } row[] = {{"keys", many_keys, 60000},
               {"tensors", many_tensors, 60000},
               {"tokens", many_tokens, 1 << 20}};
    for (size_t i = 0; i < countof(row); i++) {
        double half = time_of(row[i].build, row[i].n / 2), whole = time_of(row[i].build, row[i].n);
        fprintf(stderr, "gguf: %u %s in %.1f ms, half in %.1f\n", row[i].n, row[i].what,
                whole * 1e3, half * 1e3);
        check(whole < 1, "%s: %.0f ms", row[i].what, whole * 1e3);
        /* T(2n)/T(n) <= 2.5, on times that a busy machine does not blur */
        check(whole < 0.25 || whole / half < 5, "%s: %.1f ms, half %.1f ms", row[i].what,
              whole * 1e3, half * 1e3);
    }
}

/* Nine arrays of 64 MiB, in pages that nobody touches. */
CHECK_TEST(gguf, refuses_a_header_of_more_than_512_mib)
{
    enum { KEYS = 9, ELEMENTS = 64 << 20 };
    size_t n = (size_t)KEYS * (ELEMENTS + 64) + 256, at = 0;
    uint8_t *file =
        mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    check(file != MAP_FAILED, "mmap");
    for (int i = 0; i <= KEYS; i++) {
        nb_str s = {0};
        if (i == 0) {
            nb_str_add(&s, "GGUF");
            gg_int(&s, 3, 4), gg_int(&s, 1, 8), gg_int(&s, KEYS, 8);
        }
        if (i < KEYS) {
            gg_text(&s, (char[]){'k', (char)('0' + i), 0});
            gg_int(&s, NB_KV_ARRAY, 4), gg_int(&s, NB_KV_U8, 4), gg_int(&s, ELEMENTS, 8);
        } else {
            gg_text(&s, "t");
            gg_int(&s, 1, 4), gg_int(&s, 8, 8), gg_int(&s, NK_F32, 4), gg_int(&s, 0, 8);
        }
        memcpy(file + at, s.at, s.len);
        at += s.len + (i < KEYS ? ELEMENTS : 0);
        nb_str_free(&s);
    }
    nb_gguf_info info;
    nb_err err = {.msg = ""};
    check(nb_gguf_parse(&info, file, n, n, "big", &err) == NB_FORMAT &&
              strstr(err.msg, "limit 536870912"),
          "%s", err.msg);
    munmap(file, n);
}

CHECK_TEST(gguf, writer_pads_and_refuses_what_cannot_be)
{
    nb_kvs *kvs;
    nb_err err;
    uint64_t len;
    nb_str head = {0};
    check(nb_kvs_open(&kvs, NULL) == NB_OK, "kvs");
    nb_tensor t[2] = {{.name = "a", .type = NK_Q4_0, .n_dims = 1, .shape = {32, 1, 1, 1}},
                      {.name = "b", .type = NK_F32, .n_dims = 2, .shape = {3, 5, 1, 1}}};
    for (uint32_t align = 8; align <= 4096; align *= 2) {
        nb_str_clear(&head);
        check(nb_gguf_layout(&head, kvs, t, 2, align, &len, &err) == NB_OK, "%s", err.msg);
        check(head.len % align == 0 && t[0].offset == head.len, "alignment %u", align);
        check(t[1].offset == t[0].offset + (18 + align - 1) / align * align,
              "second at alignment %u", align);
        check(len == t[1].offset + (60 + align - 1) / align * align, "length at alignment %u",
              align);
    }
    t[0].shape[0] = 31;
    size_t before = head.len;
    check(nb_gguf_layout(&head, kvs, t, 2, 32, &len, &err) != NB_OK && head.len == before,
          "half a block");
    t[0] = t[1];
    t[0].shape[0] = 1ull << 62;
    check(nb_gguf_layout(&head, kvs, t, 2, 32, &len, &err) != NB_OK, "2^64 bytes");
    nb_str_free(&head);
    nb_kvs_close(&kvs);
}
