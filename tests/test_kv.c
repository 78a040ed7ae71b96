#include "tests/check.h"

#include "core/files/index.h"
#include "core/files/kv.h"

#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static nb_kvs *table(void)
{
    nb_kvs *k;
    check(nb_kvs_open(&k, NULL) == NB_OK, "open");
    return k;
}

CHECK_TEST(kv, keeps_order_through_replace_and_drop)
{
    nb_kvs *k = table();
    for (uint32_t i = 0; i < 1000; i++) {
        char key[16];
        snprintf(key, sizeof key, "k%u", i);
        nb_kvs_put_u32(k, key, i, NULL);
    }
    nb_kvs_put_str(k, "k7", "seven", 5, NULL);
    nb_kvs_drop(k, "k0");
    nb_kvs_drop(k, "k0");
    nb_kvs_drop(k, "absent");
    nb_kvs_drop(k, "k500"); /* from the middle, and back at the end */
    nb_kvs_put_u32(k, "k500", 500, NULL);
    check(nb_kvs_count(k) == 999 && strcmp(nb_kvs_at(k, 0)->key, "k1") == 0, "drop");
    check(nb_kvs_at(k, 6)->type == NB_KV_STRING && nb_kvs_at(k, 6)->n == 5, "replaced in place");
    check(!nb_kvs_find(k, "k0") && nb_kvs_find(k, "k999")->v.u == 999, "find");
    nb_kvs_put_u32(k, "k0", 1, NULL);
    check(strcmp(nb_kvs_at(k, 999)->key, "k0") == 0, "a dropped key comes back at the end");
    nb_kvs_close(&k);
    check(!k, "not cleared");
    nb_kvs_close(&k);
}

CHECK_TEST(kv, copies_survive_their_source_and_replace_themselves)
{
    nb_kvs *k = table();
    char text[] = "first";
    nb_kvs_put_str(k, "s", text, 5, NULL);
    memset(text, 'x', 5);
    const char *s;
    size_t n;
    check(nb_kvs_str(k, "s", &s, &n) && n == 5 && memcmp(s, "first", 5) == 0, "copy");
    nb_kvs_put(k, nb_kvs_find(k, "s"), true, NULL);
    check(nb_kvs_str(k, "s", &s, &n) && memcmp(s, "first", 5) == 0, "put from itself");
    nb_kvs_close(&k);
}

CHECK_TEST(kv, readers_accept_what_fits_and_nothing_else)
{
    nb_kvs *k = table();
    static const struct {
        nb_kv_type type;
        int64_t value;
        bool uint_ok;
    } row[] = {{NB_KV_U8, 255, true},  {NB_KV_I8, -1, false},  {NB_KV_I8, 5, true},
               {NB_KV_U16, 9, true},   {NB_KV_I16, 9, true},   {NB_KV_U32, 9, true},
               {NB_KV_I32, -9, false}, {NB_KV_U64, -1, true},  {NB_KV_I64, INT64_MIN, false},
               {NB_KV_BOOL, 1, false}, {NB_KV_F32, 1, false},  {NB_KV_STRING, 0, false},
               {NB_KV_F64, 1, false},  {NB_KV_ARRAY, 0, false}};
    for (size_t i = 0; i < countof(row); i++) {
        uint64_t u = 77;
        double f = 77;
        bool b = false;
        const char *s;
        size_t n;
        nb_kvs_put(k, &(nb_kv){.key = "x", .type = row[i].type, .v.i = row[i].value}, true, NULL);
        bool got = nb_kvs_uint(k, "x", &u);
        check(got == row[i].uint_ok && (got ? u == (uint64_t)row[i].value : u == 77), "row %zu", i);
        check(nb_kvs_float(k, "x", &f) == (row[i].type == NB_KV_F32 || row[i].type == NB_KV_F64),
              "row %zu as float", i);
        check(nb_kvs_bool(k, "x", &b) == (row[i].type == NB_KV_BOOL), "row %zu as bool", i);
        check(nb_kvs_str(k, "x", &s, &n) == (row[i].type == NB_KV_STRING), "row %zu as text", i);
    }
    uint64_t u;
    double f;
    bool b;
    const char *s;
    size_t n;
    check(!nb_kvs_uint(k, "y", &u) && !nb_kvs_float(k, "y", &f) && !nb_kvs_bool(k, "y", &b) &&
              !nb_kvs_str(k, "y", &s, &n),
          "absent");
    nb_kvs_close(&k);
}

/* Every scalar from its least and its greatest bytes, and from one byte too few. */
CHECK_TEST(kv, scalars_are_read_whole_or_not_at_all)
{
    static const struct {
        nb_kv_type type;
        unsigned size;
        const char *ones, *high; /* of all bits (NaN is null, as in JSON), of the top one alone */
    } row[] = {{NB_KV_U8, 1, "255", "128"},
               {NB_KV_I8, 1, "-1", "-128"},
               {NB_KV_BOOL, 1, "true", "true"},
               {NB_KV_U16, 2, "65535", "32768"},
               {NB_KV_I16, 2, "-1", "-32768"},
               {NB_KV_U32, 4, "4294967295", "2147483648"},
               {NB_KV_I32, 4, "-1", "-2147483648"},
               {NB_KV_F32, 4, "null", "-0"},
               {NB_KV_U64, 8, "18446744073709551615", "9223372036854775808"},
               {NB_KV_I64, 8, "-1", "-9223372036854775808"},
               {NB_KV_F64, 8, "null", "-0"},
               {NB_KV_STRING, 0, NULL, NULL},
               {NB_KV_ARRAY, 0, NULL, NULL}};
    for (size_t i = 0; i < countof(row); i++) {
        uint8_t ones[8] = {255, 255, 255, 255, 255, 255, 255, 255}, high[8] = {0};
        unsigned size = row[i].size;
        nb_kv kv = {.type = row[i].type};
        char text[64];
        check(nb_kv_type_size(kv.type) == size, "%s: %u bytes", nb_kv_type_name(kv.type), size);
        nb_cursor c = nb_cursor_make(ones, size ? size - 1 : sizeof ones);
        check(!nb_kv_read_scalar(&c, kv.type, &kv) && c.at == ones, "type %zu of too few", i);
        if (!size)
            continue;
        high[size - 1] = 0x80;
        c = nb_cursor_make(ones, size);
        check(nb_kv_read_scalar(&c, kv.type, &kv) && !nb_cursor_left(&c), "type %zu", i);
        nb_kv_text(&kv, text, sizeof text);
        check(strcmp(text, row[i].ones) == 0, "type %zu: %s", i, text);
        kv.v.u = 0;
        c = nb_cursor_make(high, size);
        check(nb_kv_read_scalar(&c, kv.type, &kv), "type %zu", i);
        nb_kv_text(&kv, text, sizeof text);
        check(strcmp(text, row[i].high) == 0, "type %zu: %s", i, text);
    }
    check(strcmp(nb_kv_type_name(NB_KV_TYPES), "?") == 0 && nb_kv_type_size(99) == 0, "no type");
}

CHECK_TEST(kv, arrays_step_and_index_within_bounds)
{
    static const uint8_t strings[] = {2, 0, 0, 0, 0, 0, 0, 0, 'a', 'b', 0, 0, 0,  0,
                                      0, 0, 0, 0, 9, 0, 0, 0, 0,   0,   0, 0, 'c'};
    nb_kv kv = {.type = NB_KV_ARRAY,
                .elem = NB_KV_STRING,
                .n = 3,
                .v.bytes = strings,
                .nbytes = sizeof strings};
    const uint8_t *at = NULL;
    const char *s;
    size_t n;
    check(nb_kv_next_string(&kv, &at, &s, &n) && n == 2 && s[1] == 'b', "first");
    check(nb_kv_next_string(&kv, &at, &s, &n) && n == 0, "empty");
    check(!nb_kv_next_string(&kv, &at, &s, &n), "a length past the end");
    double d;
    check(!nb_kv_elem_num(&kv, 0, &d), "strings are no numbers");
    static const int16_t shorts[] = {-3, 4};
    kv = (nb_kv){.type = NB_KV_ARRAY,
                 .elem = NB_KV_I16,
                 .n = 2,
                 .v.bytes = (const uint8_t *)shorts,
                 .nbytes = 4};
    check(nb_kv_elem_num(&kv, 0, &d) && d == -3 && nb_kv_elem_num(&kv, 1, &d) && d == 4, "i16");
    check(!nb_kv_elem_num(&kv, 2, &d) && !nb_kv_elem_num(&kv, UINT64_MAX, &d), "past the end");
    check(!nb_kv_next_string(&kv, &at, &s, &n), "numbers are no strings");
    static const double doubles[] = {0.5, -2};
    kv = (nb_kv){.type = NB_KV_ARRAY,
                 .elem = NB_KV_F64,
                 .n = 2,
                 .v.bytes = (const uint8_t *)doubles,
                 .nbytes = 16};
    check(nb_kv_elem_num(&kv, 1, &d) && d == -2, "f64");
    kv.elem = NB_KV_U64;
    check(nb_kv_elem_num(&kv, 0, &d) && d == 0x1p62 - 0x1p53, "u64: %g", d);
    kv = (nb_kv){.type = NB_KV_U64, .n = 1};
    check(!nb_kv_elem_num(&kv, 0, &d) && !nb_kv_next_string(&kv, &at, &s, &n), "a scalar");
    kv = (nb_kv){.type = NB_KV_ARRAY, .elem = NB_KV_STRING};
    at = NULL;
    check(!nb_kv_next_string(&kv, &at, &s, &n) && !nb_kv_elem_num(&kv, 0, &d), "an empty array");
}

CHECK_TEST(kv, text_is_short_and_free_of_the_locale)
{
    static const struct {
        nb_kv kv;
        const char *text;
    } row[] = {{{.type = NB_KV_F32, .v.f = 1e-5f}, "1e-05"},
               {{.type = NB_KV_F32, .v.f = 0.1f}, "0.1"},
               {{.type = NB_KV_F32, .v.f = 16777217.0f}, "16777216"},
               {{.type = NB_KV_F64, .v.f = 0.25}, "0.25"},
               {{.type = NB_KV_I8, .v.i = -3}, "-3"},
               {{.type = NB_KV_U64, .v.u = UINT64_MAX}, "18446744073709551615"},
               {{.type = NB_KV_F32, .v.f = (double)3.4028235e38f}, "3.4028235e+38"},
               {{.type = NB_KV_F32, .v.f = -HUGE_VAL}, "null"},
               {{.type = NB_KV_BOOL, .v.u = 1}, "true"},
               {{.type = NB_KV_BOOL}, "false"},
               {{.type = NB_KV_STRING, .n = 3, .v.bytes = (const uint8_t *)"abcd"}, "abc"},
               {{.type = NB_KV_ARRAY, .elem = NB_KV_STRING, .n = 2048}, "[2048 strings]"},
               {{.type = NB_KV_ARRAY, .elem = NB_KV_F32, .n = 4}, "[4 f32]"}};
    setlocale(LC_NUMERIC, "de_DE.UTF-8");
    for (size_t i = 0; i < countof(row); i++) {
        char text[64];
        nb_kv_text(&row[i].kv, text, sizeof text);
        check(strcmp(text, row[i].text) == 0, "\"%s\", expected \"%s\"", text, row[i].text);
    }
    setlocale(LC_NUMERIC, "C");
    char small[4];
    nb_kv_text(&(nb_kv){.type = NB_KV_U32, .v.u = 123456}, small, sizeof small);
    check(strcmp(small, "123") == 0, "cut at the buffer: %s", small);
    nb_kv word = {.type = NB_KV_STRING, .n = 6, .v.bytes = (const uint8_t *)"abcdef"};
    nb_kv_text(&word, small, sizeof small);
    check(strcmp(small, "abc") == 0, "cut at the buffer: %s", small);
}

static bool is_item(const void *arg, size_t item)
{
    return item == *(const size_t *)arg;
}

/* A7: names made to collide in one index lie apart in the next. */
CHECK_TEST(kv, every_index_hashes_with_a_secret_of_its_own)
{
    nb_index x[2] = {{0}, {0}};
    size_t same = 0, absent = 0;
    for (size_t i = 0; i < 20; i++) {
        char name[16];
        snprintf(name, sizeof name, "blk.%zu", i);
        for (int k = 0; k < 2; k++) {
            check(nb_index_find(&x[k], name, strlen(name), is_item, &i) == SIZE_MAX, "absent");
            check(nb_index_add(&x[k], name, strlen(name), i, NULL) == NB_OK, "add");
            check(nb_index_find(&x[k], name, strlen(name), is_item, &i) == i, "found");
        }
    }
    check(x[0].cap == x[1].cap, "sizes");
    for (size_t i = 0; i < x[0].cap; i++)
        for (size_t k = 0; k < x[1].cap; k++)
            same += x[0].slot[i] && x[0].slot[i] == x[1].slot[k] && x[0].hash[i] == x[1].hash[k];
    check(same == 0, "%zu of 20 hashes are equal", same);
    check(nb_index_find(&x[0], "", 0, is_item, &absent) == SIZE_MAX, "the empty name");
    for (int k = 0; k < 2; k++)
        nb_index_free(&x[k]);
}
