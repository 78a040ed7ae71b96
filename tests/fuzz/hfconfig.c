/* Three parts, NUL between them: config.json, tokenizer_config.json, tokenizer.model (the rest; a
 * small sound one when empty). A clean refusal, or keys an engine may rely on (A4). The same bytes
 * are read as a model card, which never fails. */
#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "core/files/hf_private.h"
#include "tests/util.h"

static void check_keys(const nb_kvs *kvs)
{
    const nb_kv *tokens = nb_kvs_find(kvs, "tokenizer.ggml.tokens");
    const nb_kv *scores = nb_kvs_find(kvs, "tokenizer.ggml.scores");
    const nb_kv *types = nb_kvs_find(kvs, "tokenizer.ggml.token_type");
    static const char *const id[] = {"tokenizer.ggml.bos_token_id", "tokenizer.ggml.eos_token_id",
                                     "tokenizer.ggml.unknown_token_id",
                                     "tokenizer.ggml.padding_token_id"};
    uint64_t v, heads, heads_kv;
    fuzz_check(tokens && scores && types && tokens->n == scores->n && tokens->n == types->n,
               "token arrays differ");
    for (size_t i = 0; i < countof(id); i++)
        fuzz_check(!nb_kvs_uint(kvs, id[i], &v) || v < tokens->n, "%s is %llu", id[i],
                   (unsigned long long)v);
    const char *arch;
    char key[96];
    size_t n;
    fuzz_check(nb_kvs_str(kvs, "general.architecture", &arch, &n) && n < 32, "no architecture");
    snprintf(key, sizeof key, "%.*s.attention.head_count", (int)n, arch);
    fuzz_check(nb_kvs_uint(kvs, key, &heads) && heads, "no heads");
    snprintf(key, sizeof key, "%.*s.attention.head_count_kv", (int)n, arch);
    fuzz_check(!nb_kvs_uint(kvs, key, &heads_kv) || (heads_kv && heads % heads_kv == 0), "heads");
    for (uint64_t i = 0; i < types->n; i++) {
        double type;
        fuzz_check(nb_kv_elem_num(types, i, &type) && type >= 1 && type <= 6, "type of token %llu",
                   (unsigned long long)i);
    }
}

static const uint8_t *part(const char *dir, const char *name, const uint8_t *at, const uint8_t *end)
{
    const uint8_t *stop = memchr(at, 0, (size_t)(end - at));
    stop = stop ? stop : end;
    test_spit(test_path(dir, name), at, (size_t)(stop - at));
    return stop < end ? stop + 1 : end;
}

FUZZ_TARGET(hfconfig)
{
    static const char sound[] = "\x0a\x0e\x0a\x05<unk>\x15\0\0\0\0\x18\x02\x0a\x08\x0a\x01"
                                "a\x15\0\0\x80\xbf";
    const char *dir = test_tmpdir();
    const uint8_t *at = part(dir, "config.json", bytes, bytes + n);
    at = part(dir, "tokenizer_config.json", at, bytes + n);
    size_t rest = (size_t)(bytes + n - at);
    test_spit(test_path(dir, "tokenizer.model"), rest ? (const char *)at : sound,
              rest ? rest : sizeof sound - 1);
    nb_kvs *kvs;
    nb_err err = {.msg = ""};
    fuzz_check(nb_kvs_open(&kvs, NULL) == NB_OK, "memory");
    nb_status st = nb_hf_keys(kvs, dir, &err);
    fuzz_check(st == NB_OK || (err.status == st && err.msg[0]), "failure without words");
    if (st == NB_OK)
        check_keys(kvs);
    nb_kvs_close(&kvs);
    fuzz_check(nb_kvs_open(&kvs, NULL) == NB_OK, "memory");
    nb_spm_keys(kvs, bytes, n, 64, "fuzz", NULL);
    fuzz_check(nb_hf_card(kvs, (const char *)bytes, n, &err) == NB_OK, "%s", err.msg);
    nb_kvs_close(&kvs);
}
