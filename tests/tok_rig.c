#include "tests/tok_rig.h"

#include "core/base/str.h"
#include "core/files/gguf.h"
#include "tests/check.h"
#include "tests/util.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void tok_put_strings(nb_kvs *kvs, const char *key, const char *const *s, size_t n)
{
    nb_str bytes = {0};
    for (size_t i = 0; i < n; i++) {
        uint64_t len = strlen(s[i]); /* little-endian hosts only, as the tests' goldens */
        nb_str_addn(&bytes, &len, sizeof len);
        nb_str_addn(&bytes, s[i], (size_t)len);
    }
    nb_kv kv = {.key = key,
                .type = NB_KV_ARRAY,
                .elem = NB_KV_STRING,
                .n = n,
                .nbytes = bytes.len,
                .v.bytes = (const uint8_t *)nb_str_c(&bytes)};
    check(nb_kvs_put(kvs, &kv, true, NULL) == NB_OK, "put %s", key);
    nb_str_free(&bytes);
}

nb_tok *tok_rig_open(nb_kvs *kvs)
{
    nb_tok *t = NULL;
    nb_err err;
    check(nb_tok_open(&t, kvs, &err) == NB_OK, "open: %s", err.msg);
    nb_kvs_close(&kvs); /* the tokenizer keeps its own copy */
    return t;
}

int32_t *tok_rig_encode(const nb_tok *t, const char *text, size_t len, unsigned flags, size_t *n)
{
    *n = nb_tok_encode(t, text, len, flags, NULL, 0);
    check(*n != SIZE_MAX, "no memory");
    int32_t *ids = malloc((*n + 1) * sizeof *ids);
    ids[*n] = -12345;
    check(nb_tok_encode(t, text, len, flags, ids, *n) == *n, "second count differs");
    check(ids[*n] == -12345, "wrote past cap");
    return ids;
}

void tok_check_ids(const nb_tok *t, const char *text, unsigned flags, const int32_t *want,
                   size_t n_want)
{
    size_t n;
    int32_t *ids = tok_rig_encode(t, text, strlen(text), flags, &n);
    check(n == n_want, "\"%s\": %zu ids, expected %zu", text, n, n_want);
    for (size_t i = 0; i < n; i++)
        check(ids[i] == want[i], "\"%s\": id %zu is %d, expected %d", text, i, ids[i], want[i]);
    free(ids);
}
void tok_check_round_trip(const nb_tok *t, const char *text, size_t len)
{
    size_t n, back_len;
    int32_t *ids = tok_rig_encode(t, text, len, 0, &n);
    char *back = NULL;
    nb_err err;
    check(nb_tok_decode(t, ids, n, true, false, &back, &back_len, &err) == NB_OK, "%s", err.msg);
    check(back_len == len && memcmp(back, text, len) == 0, "\"%.*s\" came back as \"%.*s\"",
          (int)(len > 60 ? 60 : len), text, (int)(back_len > 60 ? 60 : back_len), back);
    free(back);
    free(ids);
}

nb_tok *tok_published(const char *name)
{
    char path[128];
    size_t n;
    snprintf(path, sizeof path, "vocab/ggml-vocab-%s.gguf", name);
    const char *file = test_shared(path);
    if (!file)
        check_skip("../shared/%s is not there", path);
    char *bytes = test_slurp(file, &n);
    nb_gguf_info info;
    nb_err err;
    check(nb_gguf_parse(&info, (const uint8_t *)bytes, n, n, name, &err) == NB_OK, "%s", err.msg);
    nb_tok *t = NULL;
    check(nb_tok_open(&t, info.kvs, &err) == NB_OK, "%s", err.msg);
    nb_gguf_free(&info);
    free(bytes);
    return t;
}

void tok_check_published(const char *name)
{
    char path[128];
    size_t n_in, n_out;
    nb_tok *t = tok_published(name);
    snprintf(path, sizeof path, "vocab/ggml-vocab-%s.gguf.inp", name);
    char *in = test_slurp(test_shared(path), &n_in);
    snprintf(path, sizeof path, "vocab/ggml-vocab-%s.gguf.out", name);
    char *out = test_slurp(test_shared(path), &n_out);
    check(in && out, "test strings");
    static const char sep[] = "\n__ggml_vocab_test__\n";
    int cases = 0;
    for (char *s = in, *line = out; s && *line; cases++) {
        char *next = strstr(s, sep), *eol = strchr(line, '\n');
        size_t len = next ? (size_t)(next - s) : strlen(s), n_ids;
        check(eol, "%s: no expected ids for case %d", name, cases);
        int32_t *ids = tok_rig_encode(t, s, len, 0, &n_ids);
        for (size_t i = 0; i < n_ids; i++) {
            char *end;
            long want = strtol(line, &end, 10);
            check(end != line && end <= eol, "%s case %d: more than %zu ids", name, cases, i);
            check(ids[i] == want, "%s case %d id %zu: %d, expected %ld", name, cases, i, ids[i],
                  want);
            line = end;
        }
        while (line < eol && *line == ' ')
            line++;
        check(line == eol, "%s case %d: only %zu ids", name, cases, n_ids);
        tok_check_round_trip(t, s, len);
        free(ids);
        line = eol + 1;
        s = next ? next + sizeof sep - 1 : NULL;
    }
    check(cases > 40, "%d cases", cases);
    free(in);
    free(out);
    nb_tok_close(&t);
}

void tok_refuse(nb_kvs *kvs, nb_status want, const char *word_in_text)
{
    nb_tok *t = NULL;
    nb_err err = {0};
    nb_status status = nb_tok_open(&t, kvs, &err);
    check(status == want && !t, "status %d (%s), expected %d for %s", status, err.msg, want,
          word_in_text);
    check(strstr(err.msg, word_in_text), "\"%s\" does not say %s", err.msg, word_in_text);
    nb_kvs_close(&kvs);
}
