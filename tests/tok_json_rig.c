#include "tests/tok_json_rig.h"

#include <stdio.h>
#include <string.h>

#include "core/files/hf.h"
#include "tests/check.h"
#include "tests/util.h"

const char *tok_folder(void)
{
    static const char *dir;
    if (!dir)
        dir = test_tmpdir();
    static const char *const names[] = {
        "tokenizer.json",         "tokenizer_config.json", "special_tokens_map.json", "config.json",
        "generation_config.json", "chat_template.jinja",   "chat_template.json"};
    for (size_t i = 0; i < countof(names); i++)
        remove(test_path(dir, names[i]));
    return dir;
}

void tok_put(const char *dir, const char *name, const char *text)
{
    test_spit(test_path(dir, name), text, strlen(text));
}

nb_kvs *tok_keys_of(const char *dir, uint64_t vocab)
{
    nb_kvs *kvs = NULL;
    nb_err err = {0};
    check(nb_kvs_open(&kvs, &err) == NB_OK, "%s", err.msg);
    nb_status st = nb_tok_json_keys(kvs, dir, vocab, &err);
    check(st == NB_OK, "status %d: %s", st, err.msg);
    return kvs;
}

void tok_check_text(const nb_kvs *kvs, const char *key, const char *want)
{
    const char *s = "";
    size_t n = 0;
    bool there = nb_kvs_str(kvs, key, &s, &n);
    check(there == (want != NULL), "%s is %sthere", key, there ? "" : "not ");
    check(!want || (n == strlen(want) && memcmp(s, want, n) == 0), "%s: \"%.*s\", expected \"%s\"",
          key, (int)n, s, want);
}

void tok_check_item(const nb_kvs *kvs, const char *key, uint64_t i, const char *want)
{
    const nb_kv *kv = nb_kvs_find(kvs, key);
    const uint8_t *at = NULL;
    const char *s = "";
    size_t n = 0;
    check(kv && i < kv->n, "%s has no item %llu", key, (unsigned long long)i);
    for (uint64_t k = 0; k <= i; k++)
        check(nb_kv_next_string(kv, &at, &s, &n), "%s ends early", key);
    check(n == strlen(want) && memcmp(s, want, n) == 0, "%s[%llu]: \"%.*s\", expected \"%s\"", key,
          (unsigned long long)i, (int)n, s, want);
}

double tok_number(const nb_kvs *kvs, const char *key, uint64_t i)
{
    double v = -12345;
    const nb_kv *kv = nb_kvs_find(kvs, key);
    check(kv && nb_kv_elem_num(kv, i, &v), "%s[%llu]", key, (unsigned long long)i);
    return v;
}

int64_t tok_whole(const nb_kvs *kvs, const char *key)
{
    uint64_t v;
    return nb_kvs_uint(kvs, key, &v) ? (int64_t)v : -1;
}

int tok_truth(const nb_kvs *kvs, const char *key)
{
    bool v;
    return nb_kvs_bool(kvs, key, &v) ? v : -1;
}

void tok_refused(const char *json, nb_status want, const char *word)
{
    const char *dir = tok_folder();
    nb_kvs *kvs = NULL;
    nb_err err = {0};
    tok_put(dir, "tokenizer.json", json);
    check(nb_kvs_open(&kvs, &err) == NB_OK, "%s", err.msg);
    nb_status st = nb_tok_json_keys(kvs, dir, 8, &err);
    check(st == want, "status %d (%s), expected %d for %.80s", st, err.msg, want, json);
    check(strstr(err.msg, word), "\"%s\" does not say %s", err.msg, word);
    check(st != NB_UNSUPPORTED || !nb_kvs_find(kvs, "tokenizer.ggml.tokens"), "left tokens behind");
    nb_kvs_close(&kvs);
}
