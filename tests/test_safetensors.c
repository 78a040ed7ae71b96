/* safetensors headers and shard indexes against hostile input (reliability 1b, A3, A9, A20). */
#include "tests/check.h"

#include "core/base/job.h"
#include "core/base/str.h"
#include "core/files/safetensors.h"
#include "tests/util.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Length, header, data zeros; parsed from an exact-size heap copy. `length` UINT64_MAX = true one.
 */
static nb_status parse(nb_safetensors_info *info, uint8_t **copy, const char *json, uint64_t length,
                       size_t data, nb_err *err)
{
    size_t n = strlen(json), total = 8 + n + data;
    uint64_t head = length == UINT64_MAX ? n : length;
    *copy = calloc(1, total);
    memcpy(*copy, &head, 8);
    memcpy(*copy + 8, json, n);
    err->msg[0] = '\0';
    return nb_safetensors_parse(info, *copy, total, total, "x.safetensors", err);
}

#define T(name, dtype, shape, from, to)                                                            \
    "\"" name "\":{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":[" from "," to "]" \
    "}"

CHECK_TEST(safetensors, reads_shapes_in_ggufs_order)
{
    nb_safetensors_info info;
    uint8_t *copy;
    nb_err err;
    nb_status st =
        parse(&info, &copy,
              "{\"__metadata__\":{\"format\":\"pt\"}," T("b", "BF16", "[2,3]", "16", "28") "," T(
                  "a", "F32", "[4]", "0", "16") "," T("s", "I64", "[]", "28",
                                                      "36") "," T("five", "F16", "[1,1,1,2,2]",
                                                                  "36", "44") "} ",
              UINT64_MAX, 44, &err);
    check(st == NB_OK && info.n_tensors == 4, "%s", err.msg);
    const nb_tensor *t = info.tensors;
    check(strcmp(t[0].name, "a") == 0 && t[0].shape[0] == 4 && t[0].nbytes == 16, "file order");
    check(strcmp(t[1].name, "b") == 0 && t[1].shape[0] == 3 && t[1].shape[1] == 2,
          "[2,3] is 2 rows of 3");
    check(t[2].n_dims == 1 && nb_tensor_count(&t[2]) == 1 && t[2].type == NK_I64, "a scalar");
    check(t[3].n_dims == 4 && t[3].shape[0] == 2 && t[3].shape[1] == 2, "leading ones fold away");
    check(t[1].bytes == copy + t[1].offset && t[1].offset == t[0].offset + 16, "bytes");
    nb_safetensors_free(&info);
    nb_safetensors_free(&info);
    free(copy);
}

/* A3: 60 and more hand-made headers. */
CHECK_TEST(safetensors, refuses_malformed_headers)
{
    static const struct {
        const char *json, *says;
        size_t data;
    } row[] = {
        {"", "{", 0},
        {"[]", "{", 0},
        {" {}", "{", 0},
        {"null", "{", 0},
        {"\"{}\"", "{", 0},
        {"{", "", 0},
        {"{}x", "", 0},
        {"{}{}", "", 0},
        {"{\"a\"}", "", 0},
        {"{\"a\":}", "", 0},
        {"{,}", "", 0},
        {"{}", "data", 1},
        {"{\"__metadata__\":{}}", "data", 4},
        {"{\"__metadata__\":{},\"__metadata__\":{}}", "__metadata__", 0},
        {"{\"a\":null}", "\"a\"", 0},
        {"{\"a\":[]}", "\"a\"", 0},
        {"{\"a\":{}}", "\"a\"", 0},
        {"{\"\":{}}", "name", 0},
        {"{\"__metadata__\":}", "", 0},
        {"{\"__metadata__\":{\"format\":pt}}", "", 0},
        {"{" T("a", "F32", "[1]", "0", "4") "}", "needs 4 bytes at 62, file has 62", 0},
        {"{" T("a", "F32", "[1]", "0", "4") "}", "data", 5},
        {"{" T("a", "F32", "[1]", "0", "4") "," T("a", "F32", "[1]", "4", "8") "}", "twice", 8},
        {"{" T("a", "F32", "[1]", "0", "4") "," T("\\u0061", "F32", "[1]", "4", "8") "}", "twice",
         8},
        {"{" T("a\\u0000b", "F32", "[1]", "0", "4") "}", "", 4},
        {"{" T("a", "F32", "[1]", "0", "4") "," T("b", "F32", "[1]", "8", "12") "}", "hole", 12},
        {"{" T("a", "F32", "[1]", "4", "8") "}", "hole", 8},
        {"{" T("a", "F32", "[2]", "0", "8") "," T("b", "F32", "[1]", "4", "8") "}", "overlap", 8},
        {"{" T("a", "F32", "[1]", "0", "4") "," T("b", "F32", "[1]", "0", "4") "}", "overlap", 4},
        {"{" T("a", "F32", "[2]", "0", "8") "," T("b", "F32", "[1]", "0", "4") "}", "overlap", 8},
        {"{" T("a", "F32", "[1]", "0", "4") "," T("b", "F32", "[2]", "0", "8") "}", "overlap", 8},
        {"{" T("a", "F32", "[1]", "4", "0") "}", "data_offsets", 4},
        {"{" T("a", "F32", "[1]", "0", "8") "}", "data_offsets", 8},
        {"{" T("a", "F32", "[1]", "0", "3") "}", "data_offsets", 4},
        {"{" T("a", "F32", "[1]", "0.0", "4") "}", "data_offsets", 4},
        {"{" T("a", "F32", "[1]", "0", "4.0") "}", "data_offsets", 4},
        {"{" T("a", "F32", "[1]", "0", "4e0") "}", "data_offsets", 4},
        {"{" T("a", "F32", "[1]", "-0", "4") "}", "data_offsets", 4},
        {"{" T("a", "F32", "[1]", "-4", "0") "}", "data_offsets", 4},
        {"{" T("a", "F32", "[1]", "0", "1e300") "}", "data_offsets", 4},
        {"{" T("a", "F32", "[1]", "0", "1e999") "}", "", 4},
        {"{" T("a", "F32", "[1]", "0", "18446744073709551620") "}", "", 4},
        {"{" T("a", "F32", "[1]", "18446744073709551612", "0") "}", "data_offsets", 4},
        {"{" T("a", "F32", "[1]", "\"0\"", "4") "}", "data_offsets", 4},
        {"{" T("a", "F32", "[1]", "null", "4") "}", "data_offsets", 4},
        {"{" T("a", "F32", "[1]", "00", "4") "}", "", 4},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0]}}", "data_offsets", 4},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,2,4]}}", "data_offsets", 4},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":{}}}", "data_offsets", 4},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", "data_offsets", 4},
        {"{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,4]}}", "shape", 4},
        {"{\"a\":{\"shape\":[1],\"data_offsets\":[0,4]}}", "dtype", 4},
        {"{\"a\":{\"dtype\":\"F32\",\"dtype\":\"I32\",\"shape\":[1],\"data_offsets\":[0,4]}}",
         "repeated", 4},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"shape\":[1],\"data_offsets\":[0,4]}}",
         "repeated", 4},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4],\"data_offsets\":[0,4]}}",
         "repeated", 4},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]]}", "", 4},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4],\"x\":1}}", "unknown", 4},
        {"{" T("a", "F32", "[0]", "0", "0") "}", "dimension", 0},
        {"{" T("a", "F32", "[1,0]", "0", "0") "}", "dimension", 0},
        {"{" T("a", "F32", "[-1]", "0", "4") "}", "shape", 4},
        {"{" T("a", "F32", "[1.5]", "0", "4") "}", "shape", 4},
        {"{" T("a", "F32", "1", "0", "4") "}", "shape", 4},
        {"{" T("a", "F32", "[[1]]", "0", "4") "}", "shape", 4},
        {"{" T("a", "F32", "[1099511627777]", "0", "4") "}", "2^40", 4},
        {"{" T("a", "F32", "[4294967296,4294967296]", "0", "0") "}", "2^40", 0},
        {"{" T("a", "F32", "[9223372036854775808,2]", "0", "0") "}", "2^40", 0},
        {"{" T("a", "F32", "[2,2,2,2,2]", "0", "128") "}", "4 dimensions", 128},
        {"{" T("a", "F32", "[1,1,1,1,1,1,1,1,1]", "0", "4") "}", "shape", 4},
        {"{" T("a", "f32", "[1]", "0", "4") "}", "dtype", 4},
        {"{" T("a", "F33", "[1]", "0", "4") "}", "dtype", 4},
        {"{" T("a", "", "[1]", "0", "4") "}", "dtype", 4},
        {"{" T("a", "F32F32F32F32F32F32", "[1]", "0", "4") "}", "dtype", 4},
        {"{\"a\":{\"dtype\":4,\"shape\":[1],\"data_offsets\":[0,4]}}", "dtype", 4},
        {"{\"a\xff\":{}}", "", 0},
        {"{\"a\n\":{}}", "", 0},
        {"{\"\\ud800\":{}}", "", 0},
    };
    for (size_t i = 0; i < countof(row); i++) {
        nb_safetensors_info info;
        uint8_t *copy;
        nb_err err;
        nb_status st = parse(&info, &copy, row[i].json, UINT64_MAX, row[i].data, &err);
        free(copy);
        check(st == NB_FORMAT, "%s: status %d", row[i].json, st);
        check(strstr(err.msg, "x.safetensors") && strstr(err.msg, row[i].says), "%s: \"%s\"",
              row[i].json, err.msg);
    }
    check(countof(row) >= 60, "%zu headers", countof(row));
}

CHECK_TEST(safetensors, names_have_a_limit)
{
    char json[1200];
    nb_safetensors_info info;
    uint8_t *copy;
    nb_err err;
    for (int n = 1023; n <= 1024; n++) {
        snprintf(json, sizeof json,
                 "{\"%0*d\":{\"dtype\":\"I8\",\"shape\":[1],\"data_offsets\":[0,1]}}", n, 0);
        nb_status st = parse(&info, &copy, json, UINT64_MAX, 1, &err);
        check(st == (n < 1024 ? NB_OK : NB_FORMAT), "%d bytes: %s", n, err.msg);
        check(st == NB_OK || strstr(err.msg, "1024 bytes, limit 1023"), "%s", err.msg);
        if (st == NB_OK)
            nb_safetensors_free(&info);
        free(copy);
    }
}

CHECK_TEST(safetensors, refuses_wrong_header_lengths)
{
    static const uint64_t length[] = {
        0, 1, 3, 1 << 20, (100 << 20) + 1, 1ull << 32, 1ull << 63, UINT64_MAX - 1, UINT64_MAX - 7};
    for (size_t i = 0; i < countof(length); i++) {
        nb_safetensors_info info;
        uint8_t *copy;
        nb_err err;
        check(parse(&info, &copy, "{}", length[i], 4, &err) == NB_FORMAT, "%llx",
              (unsigned long long)length[i]);
        free(copy);
    }
}

CHECK_TEST(safetensors, names_types_it_cannot_carry)
{
    static const char *const dtype[] = {"U8",   "U16",     "U32",     "U64",
                                        "BOOL", "F8_E4M3", "F8_E5M2", "F8_E8M0"};
    for (size_t i = 0; i < countof(dtype); i++) {
        char json[200];
        nb_safetensors_info info;
        uint8_t *copy;
        nb_err err;
        snprintf(json, sizeof json,
                 "{\"w\":{\"dtype\":\"%s\",\"shape\":[8],\"data_offsets\":[0,8]}}", dtype[i]);
        check(parse(&info, &copy, json, UINT64_MAX, 8, &err) == NB_UNSUPPORTED, "%s", dtype[i]);
        check(strstr(err.msg, "\"w\"") && strstr(err.msg, dtype[i]), "%s", err.msg);
        free(copy);
    }
}

/* A9, A10 for this format: cut anywhere is refused; what mutants pass stays in the file, disjoint.
 */
CHECK_TEST(safetensors, survives_cuts_and_mutations)
{
    static const char json[] =
        "{" T("a", "F32", "[2,2]", "0", "16") "," T("b", "BF16", "[3]", "16", "22") "}";
    nb_safetensors_info info;
    uint8_t *whole, *copy;
    nb_err err;
    size_t total = 8 + sizeof json - 1 + 22, accepted = 0;
    check(parse(&info, &whole, json, UINT64_MAX, 22, &err) == NB_OK, "%s", err.msg);
    nb_safetensors_free(&info);
    for (size_t n = 0; n < total; n++) {
        copy = malloc(n ? n : 1);
        memcpy(copy, whole, n);
        check(nb_safetensors_parse(&info, copy, n, n, "x", &err) == NB_FORMAT, "cut at %zu", n);
        nb_status st = nb_safetensors_parse(&info, copy, n, total, "x", &err);
        if (st == NB_OK)
            nb_safetensors_free(&info);
        check((st == NB_OK) == (n >= total - 22), "header cut at %zu: %d", n, st);
        free(copy);
    }
    test_rng rng = test_rng_make(3);
    copy = malloc(total);
    for (int round = 0; round < 40000; round++) {
        static const char common[] = "0123456789[]{},:\"ab\\-.eF";
        memcpy(copy, whole, total);
        for (uint32_t k = 1 + test_below(&rng, 3); k; k--)
            copy[test_below(&rng, (uint32_t)(total - 22))] =
                (uint8_t)common[test_below(&rng, sizeof common - 1)];
        if (nb_safetensors_parse(&info, copy, total, total, "x", &err) != NB_OK)
            continue;
        accepted++;
        unsigned __int128 end = 0;
        for (size_t i = 0; i < info.n_tensors; i++) {
            const nb_tensor *t = &info.tensors[i];
            unsigned __int128 bytes = nk_type_get(t->type)->block_size;
            for (int d = 0; d < 4; d++)
                bytes *= t->shape[d];
            check(bytes == t->nbytes && t->offset >= end, "\"%s\"", t->name);
            end = (unsigned __int128)t->offset + bytes;
            check(end <= total, "\"%s\" leaves the file", t->name);
        }
        nb_safetensors_free(&info);
    }
    check(accepted > 0, "no mutant was ever accepted");
    free(copy);
    free(whole);
}

CHECK_TEST(safetensors, time_grows_with_the_header_and_no_faster)
{
    nb_str s = {0};
    nb_safetensors_info info;
    uint8_t *copy;
    nb_err err;
    nb_str_add(&s, "{");
    for (int i = 0; i < 60000; i++)
        nb_str_addf(&s, "%s\"t%d\":{\"dtype\":\"I8\",\"shape\":[1],\"data_offsets\":[%d,%d]}",
                    i ? "," : "", i, i, i + 1);
    nb_str_add(&s, "}");
    double start = nb_now();
    check(parse(&info, &copy, s.at, UINT64_MAX, 60000, &err) == NB_OK, "%s", err.msg);
    double took = nb_now() - start;
    fprintf(stderr, "safetensors: 60000 tensors in %.1f ms\n", took * 1e3);
    check(took < test_within(1), "%.0f ms", took * 1e3);
    nb_safetensors_free(&info);
    free(copy);
    nb_str_free(&s);
}

/* --- index --- */

static nb_status count(void *arg, const char *tensor, const char *file, nb_err *err)
{
    (void)tensor;
    (void)file;
    (void)err;
    return ++*(int *)arg < 3 ? NB_OK : NB_CANCELED;
}

#define LONG_51  "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
#define LONG_255 LONG_51 LONG_51 LONG_51 LONG_51 LONG_51

CHECK_TEST(safetensors, reads_an_index_and_refuses_broken_ones)
{
    static const struct {
        const char *json;
        nb_status status;
        int calls;
    } row[] = {
        {"{\"metadata\":{\"total_size\":1},\"weight_map\":{\"a\":\"m-1\",\"b\":\"m-2\"}}", NB_OK,
         2},
        {"{\"weight_map\":{}}", NB_OK, 0},
        {"{\"weight_map\":{\"a\":\"1\",\"b\":\"2\",\"c\":\"3\",\"d\":\"4\"}}", NB_CANCELED, 3},
        {"", NB_FORMAT, 0},
        {"{}", NB_FORMAT, 0},
        {"[]", NB_FORMAT, 0},
        {"{\"weight_map\":[]}", NB_FORMAT, 0},
        {"{\"weight_map\":{\"a\":1}}", NB_FORMAT, 0},
        {"{\"weight_map\":{\"a\":null}}", NB_FORMAT, 0},
        {"{\"weight_map\":{\"a\":\"../b\"}}", NB_FORMAT, 0},
        {"{\"weight_map\":{\"a\":\"b/c\"}}", NB_FORMAT, 0},
        {"{\"weight_map\":{\"a\":\"/b\"}}", NB_FORMAT, 0},
        {"{\"weight_map\":{\"a\":\"..\"}}", NB_FORMAT, 0},
        {"{\"weight_map\":{\"a\":\"\\n\"}}", NB_FORMAT, 0},
        {"{\"weight_map\":{},\"weight_map\":{}}", NB_FORMAT, 0},
        {"{\"weight_map\":{\"a\":\"b\"}} x", NB_FORMAT, 1},
        {"{\"weight_map\":{\"a\":\"b\"},\"metadata\":}", NB_FORMAT, 1},
        {"{\"metadata\":{\"a\":[1}}", NB_FORMAT, 0},
        {"{\"weight_map\":{\"a\":\"" LONG_255 "\"}}", NB_OK, 1},
        {"{\"weight_map\":{\"a\":\"" LONG_255 "x\"}}", NB_FORMAT, 0},
        {"{\"weight_map\":{\"a\":\"b\"", NB_FORMAT, 1},
    };
    const char *path = test_path(test_tmpdir(), "x.index.json");
    for (size_t i = 0; i < countof(row); i++) {
        int calls = 0;
        nb_err err = {.msg = ""};
        test_spit(path, row[i].json, strlen(row[i].json));
        nb_status st = nb_safetensors_index(path, count, &calls, &err);
        check(st == row[i].status && calls == row[i].calls, "%s: status %d, %d calls", row[i].json,
              st, calls);
        check(st != NB_FORMAT || strstr(err.msg, "index.json"), "%s", err.msg);
    }
    nb_err err = {.msg = ""};
    path = test_path(test_tmpdir(), "none.index.json");
    check(nb_safetensors_index(path, count, NULL, &err) == NB_NOTFOUND, "%s", err.msg);
}
