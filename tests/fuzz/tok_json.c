/* Three parts, NUL between them: tokenizer.json, tokenizer_config.json, generation_config.json. A
 * clean refusal, or keys that a tokenizer may be opened from (A4); one that opens takes any text.
 */
#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "core/files/hf.h"
#include "core/model/tok.h"
#include "tests/util.h"

static void check_keys(const nb_kvs *kvs, uint64_t rows)
{
    const nb_kv *tokens = nb_kvs_find(kvs, "tokenizer.ggml.tokens");
    const nb_kv *scores = nb_kvs_find(kvs, "tokenizer.ggml.scores");
    const nb_kv *types = nb_kvs_find(kvs, "tokenizer.ggml.token_type");
    static const char *const id[] = {
        "tokenizer.ggml.bos_token_id",     "tokenizer.ggml.eos_token_id",
        "tokenizer.ggml.unknown_token_id", "tokenizer.ggml.padding_token_id",
        "tokenizer.ggml.eot_token_id",     "tokenizer.ggml.eom_token_id"};
    uint64_t v;
    fuzz_check(tokens && types && tokens->n == types->n && (!rows || tokens->n == rows),
               "token arrays differ");
    fuzz_check(!scores || scores->n == tokens->n, "%llu scores", (unsigned long long)scores->n);
    for (size_t i = 0; i < countof(id); i++)
        fuzz_check(!nb_kvs_uint(kvs, id[i], &v) || v < tokens->n, "%s is %llu", id[i],
                   (unsigned long long)v);
}

static const uint8_t *part(const char *dir, const char *name, const uint8_t *at, const uint8_t *end)
{
    const uint8_t *stop = memchr(at, 0, (size_t)(end - at));
    stop = stop ? stop : end;
    test_spit(test_path(dir, name), at, (size_t)(stop - at));
    return stop < end ? stop + 1 : end;
}

static void run(const char *dir, uint64_t rows, const uint8_t *text, size_t n)
{
    nb_kvs *kvs;
    nb_tok *t = NULL;
    nb_err err = {.msg = ""};
    fuzz_check(nb_kvs_open(&kvs, NULL) == NB_OK, "memory");
    nb_status st = nb_tok_json_keys(kvs, dir, rows, &err);
    fuzz_check(st == NB_OK || (err.status == st && err.msg[0]), "failure without words");
    if (st == NB_OK) {
        check_keys(kvs, rows);
        st = nb_tok_open(&t, kvs, &err);
        fuzz_check(st == NB_OK || (err.status == st && err.msg[0]), "failure without words");
    }
    if (t)
        fuzz_check(nb_tok_encode(t, (const char *)text, n, 0, NULL, 0) != SIZE_MAX, "memory");
    nb_tok_close(&t);
    nb_kvs_close(&kvs);
}

FUZZ_TARGET(tok_json)
{
    const char *dir = test_tmpdir();
    const uint8_t *at = part(dir, "tokenizer.json", bytes, bytes + n);
    at = part(dir, "tokenizer_config.json", at, bytes + n);
    part(dir, "generation_config.json", at, bytes + n);
    run(dir, 0, bytes, n);
    run(dir, 40, bytes, n);
}
