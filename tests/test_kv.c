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
    } row[] = {{NB_KV_U8, 255, true},  {NB_KV_I8, -1, false}, {NB_KV_I8, 5, true},
               {NB_KV_U16, 9, true},   {NB_KV_I16, 9, true},  {NB_KV_U32, 9, true},
               {NB_KV_I32, -9, false}, {NB_KV_U64, -1, true}, {NB_KV_I64, INT64_MIN, false},
               {NB_KV_BOOL, 1, false}, {NB_KV_F32, 1, false}, {NB_KV_STRING, 0, false}};
    for (size_t i = 0; i < countof(row); i++) {
        uint64_t u = 77;
        double f = 77;
        bool b = false;
        const char *s;
        size_t n;
        nb_kvs_put(k, &(nb_kv){.key = "x", .type = row[i].type, .v.i = row[i].value}, true, NULL);
        bool got = nb_kvs_uint(k, "x", &u);
        check(got == row[i].uint_ok && (got ? u == (uint64_t)row[i].value : u == 77), "row %zu", i);
        check(nb_kvs_float(k, "x", &f) == (row[i].type == NB_KV_F32), "row %zu as float", i);
        check(nb_kvs_bool(k, "x", &b) == (row[i].type == NB_KV_BOOL), "row %zu as bool", i);
        check(nb_kvs_str(k, "x", &s, &n) == (row[i].type == NB_KV_STRING), "row %zu as text", i);
    }
    nb_kvs_close(&k);
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
               {{.type = NB_KV_BOOL, .v.u = 1}, "true"},
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
