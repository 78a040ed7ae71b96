/* What a tokenizer puts around a text: BOS and EOS where the file wants them, and only when asked.
 */
#include "tests/check.h"
#include "tests/run_child.h"
#include "tests/tok_rig.h"
#include "tests/util.h"

#include "core/files/hf.h"
#include "core/model/tok.h"

#include <stdlib.h>
#include <string.h>

enum { AROUND = NB_TOK_BOS | NB_TOK_EOS };

/* The demo's tokenizer (BOS 1, EOS 5) with a flag of its file set, 0 or 1; -1 = the key is missing.
 */
static nb_tok *demo(int add_bos, int add_eos)
{
    static const char *const key[] = {"tokenizer.ggml.add_bos_token",
                                      "tokenizer.ggml.add_eos_token"};
    const int want[] = {add_bos, add_eos};
    nb_kvs *kvs = NULL;
    nb_err err = {0};
    check(nb_kvs_open(&kvs, &err) == NB_OK, "%s", err.msg);
    check(nb_hf_keys(kvs, test_data("nibble-demo"), &err) == NB_OK, "%s", err.msg);
    for (int i = 0; i < 2; i++) {
        nb_kvs_drop(kvs, key[i]);
        if (want[i] >= 0)
            check(nb_kvs_put_bool(kvs, key[i], want[i], &err) == NB_OK, "%s", err.msg);
    }
    return tok_rig_open(kvs);
}

static void check_around(int add_bos, int add_eos, bool bos, bool eos)
{
    nb_tok *t = demo(add_bos, add_eos);
    size_t n, bare;
    int32_t *ids = tok_rig_encode(t, "who are you", 11, AROUND, &n);
    int32_t *plain = tok_rig_encode(t, "who are you", 11, 0, &bare);
    check(nb_tok_adds(t, NB_TOK_BOS) == bos && nb_tok_adds(t, NB_TOK_EOS) == eos, "%d %d", add_bos,
          add_eos);
    check(n == bare + bos + eos && memcmp(ids + bos, plain, bare * sizeof *ids) == 0,
          "%d %d: %zu ids around %zu", add_bos, add_eos, n, bare);
    check(!bos || ids[0] == 1, "the first is %d", ids[0]);
    check(!eos || ids[n - 1] == 5, "the last is %d", ids[n - 1]);
    check(nb_tok_encode(t, "", 0, AROUND, NULL, 0) == (size_t)bos + eos, "around nothing");
    free(ids);
    free(plain);
    nb_tok_close(&t);
}

/* Where the file says nothing, SentencePiece BPE wants BOS alone, as in llama.cpp. */
CHECK_TEST(tok_around, bos_and_eos_come_where_the_file_wants_them)
{
    check_around(1, 1, true, true);
    check_around(1, 0, true, false);
    check_around(0, 1, false, true);
    check_around(0, 0, false, false);
    check_around(-1, -1, true, false);
}

CHECK_TEST(tok_around, a_unigram_ends_with_eos_unless_the_file_says_otherwise)
{
    static const char *const pieces[] = {"<pad>", "</s>", "<unk>", "\xe2\x96\x81", "a"};
    static const int32_t kind[] = {3, 3, 2, 1, 1};
    static const float score[] = {0, 0, 0, -2, -3};
    for (int key = -1; key < 2; key++) {
        nb_kvs *kvs = NULL;
        nb_err err = {0};
        check(nb_kvs_open(&kvs, &err) == NB_OK, "%s", err.msg);
        nb_kvs_put_str(kvs, "tokenizer.ggml.model", "t5", 2, NULL);
        tok_put_strings(kvs, "tokenizer.ggml.tokens", pieces, countof(pieces));
        nb_kvs_put_f32s(kvs, "tokenizer.ggml.scores", score, countof(score), NULL);
        nb_kvs_put_i32s(kvs, "tokenizer.ggml.token_type", kind, countof(kind), NULL);
        if (key >= 0)
            nb_kvs_put_bool(kvs, "tokenizer.ggml.add_eos_token", key, NULL);
        nb_tok *t = tok_rig_open(kvs);
        check(nb_tok_adds(t, NB_TOK_EOS) == (key != 0) && !nb_tok_adds(t, NB_TOK_BOS), "key %d",
              key);
        check(nb_tok_encode(t, "a", 1, AROUND, NULL, 0) ==
                  nb_tok_encode(t, "a", 1, 0, NULL, 0) + (key != 0),
              "key %d", key);
        nb_tok_close(&t);
    }
}

CHECK_TEST(tok_around, the_command_says_what_the_model_wants)
{
    const char *dir = NB_TEST_ROOT "/tests/data/nibble-demo";
    bool wanted;
    int64_t id, count[2];
    for (int i = 0; i < 2; i++) {
        child c = child_run(&(child_how){
            .args = {"tokenize", dir, "-p", "who are you", "--json", "--eos", i ? "--bos" : NULL}});
        check(c.code == 0, "%s", c.err);
        nb_json *doc = child_json(&c);
        const nb_jval *root = nb_json_root(doc), *bos = nb_jget(root, "bos"),
                      *eos = nb_jget(root, "eos");
        check(nb_jint(nb_jget(root, "count"), &count[i]), "%s", c.out);
        check(nb_jint(nb_jget(bos, "id"), &id) && id == 1 &&
                  nb_jbool(nb_jget(bos, "wanted"), &wanted) && wanted,
              "%s", c.out);
        check(nb_jint(nb_jget(eos, "id"), &id) && id == 5 &&
                  nb_jbool(nb_jget(eos, "wanted"), &wanted) && !wanted,
              "%s", c.out);
        nb_json_close(&doc);
        child_free(&c);
    }
    check(count[1] == count[0] + 1, "%d and %d ids", (int)count[0], (int)count[1]);
}
