/* What stands beside a tokenizer.json, and what hostile files may not do (A4). */
#include "tests/check.h"
#include "tests/tok_json_rig.h"
#include "tests/tok_rig.h"
#include "tests/util.h"

#include "core/base/job.h"
#include "core/files/hf.h"

#include <stdio.h>
#include <string.h>

/* --- special tokens, flags, templates -----------------------------------------------------------
 */

#define SMALL                                                                                      \
    "\"added_tokens\":[{\"id\":4,\"content\":\"<s>\",\"special\":true},{\"id\":5,\"content\":"     \
    "\"</s>\",\"special\":true},{\"id\":6,\"content\":\"<p>\",\"special\":true}],"                 \
    "\"pre_tokenizer\":" BYTE_LEVEL                                                                \
    ",\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1,\"c\":2,\"d\":3},\"merges\":[]}"

CHECK_TEST(tok_json, special_ids_come_from_names_then_numbers)
{
    const char *dir = tok_folder();
    tok_put(dir, "tokenizer.json", "{" SMALL "}");
    tok_put(dir, "tokenizer_config.json",
            "{\"bos_token\":{\"content\":\"<s>\"},\"eos_token\":null,\"unk_token\":\"none such\","
            "\"add_bos_token\":false,\"add_eos_token\":true}");
    tok_put(dir, "special_tokens_map.json", "{\"eos_token\":\"</s>\",\"bos_token\":\"</s>\"}");
    tok_put(dir, "config.json", "{\"bos_token_id\":0,\"eos_token_id\":1,\"pad_token_id\":[3,2]}");
    tok_put(dir, "generation_config.json",
            "{\"pad_token_id\":1,\"mask_token_id\":2,\"eos_token_id\":[5,99,3,2,1]}");
    nb_kvs *kvs = tok_keys_of(dir, 0);
    check(tok_whole(kvs, "tokenizer.ggml.bos_token_id") == 4, "tokenizer_config.json first");
    check(tok_whole(kvs, "tokenizer.ggml.eos_token_id") == 5, "then special_tokens_map.json");
    check(tok_whole(kvs, "tokenizer.ggml.padding_token_id") == 3, "then config.json's first");
    check(tok_whole(kvs, "tokenizer.ggml.mask_token_id") == 2, "then generation_config.json");
    check(tok_whole(kvs, "tokenizer.ggml.unknown_token_id") == -1, "no such token");
    check(tok_whole(kvs, "tokenizer.ggml.eot_token_id") == 3, "a second end");
    check(tok_whole(kvs, "tokenizer.ggml.eom_token_id") == 2, "a third");
    check(tok_truth(kvs, "tokenizer.ggml.add_bos_token") == 0, "add_bos_token");
    check(tok_truth(kvs, "tokenizer.ggml.add_eos_token") == 1, "add_eos_token");
    nb_tok *t = tok_rig_open(kvs);
    check(nb_tok_is_end(t, 5) && nb_tok_is_end(t, 3) && nb_tok_is_end(t, 2), "all of them end");
    nb_tok_close(&t);
}

CHECK_TEST(tok_json, the_template_of_the_post_processor_says_what_is_added)
{
    static const struct {
        const char *post;
        int bos, eos;
    } row[] = {
        {"null", -1, -1},
        {"{\"type\":\"ByteLevel\"}", -1, -1},
        {"{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{\"id\":\"<s>\"}},"
         "{\"Sequence\":{\"id\":\"A\"}}]}",
         1, -1},
        {"{\"type\":\"Sequence\",\"processors\":[{\"type\":\"ByteLevel\"},{\"type\":"
         "\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{\"id\":\"<s>\"}},{\"Sequence\":"
         "{\"id\":\"A\"}},{\"SpecialToken\":{\"id\":\"</s>\"}}]}]}",
         1, 1},
        {"{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{\"id\":\"<p>\"}},"
         "{\"Sequence\":{\"id\":\"A\"}}]}",
         0, -1},
        {"{\"type\":\"TemplateProcessing\",\"single\":[{\"Sequence\":{\"id\":\"A\"}}]}", -1, -1},
    };
    for (size_t i = 0; i < countof(row); i++) {
        nb_str json = {0};
        const char *dir = tok_folder();
        nb_str_addf(&json, "{\"post_processor\":%s," SMALL "}", row[i].post);
        tok_put(dir, "tokenizer.json", nb_str_c(&json));
        tok_put(dir, "tokenizer_config.json", "{\"bos_token\":\"<s>\",\"eos_token\":\"</s>\"}");
        nb_kvs *kvs = tok_keys_of(dir, 0);
        check(tok_truth(kvs, "tokenizer.ggml.add_bos_token") == row[i].bos, "row %zu: bos", i);
        check(tok_truth(kvs, "tokenizer.ggml.add_eos_token") == row[i].eos, "row %zu: eos", i);
        nb_kvs_close(&kvs);
        nb_str_free(&json);
    }
}

CHECK_TEST(tok_json, chat_templates_are_text_lists_or_files)
{
    const char *key = "tokenizer.chat_template", *dir = tok_folder();
    tok_put(dir, "tokenizer.json", "{" SMALL "}");
    nb_kvs *kvs = tok_keys_of(dir, 0);
    tok_check_text(kvs, key, NULL);
    nb_kvs_close(&kvs);
    tok_put(dir, "chat_template.json", "{\"chat_template\":\"from json\"}");
    kvs = tok_keys_of(dir, 0);
    tok_check_text(kvs, key, "from json");
    nb_kvs_close(&kvs);
    tok_put(dir, "tokenizer_config.json",
            "{\"chat_template\":[{\"name\":\"tool_use\",\"template\":\"T\"},{\"name\":\"default\","
            "\"template\":\"D\"},{\"name\":\"no good\",\"template\":\"x\"},{\"template\":\"y\"}]}");
    kvs = tok_keys_of(dir, 0);
    tok_check_text(kvs, key, "D");
    tok_check_text(kvs, "tokenizer.chat_template.tool_use", "T");
    check(nb_kvs_find(kvs, "tokenizer.chat_templates")->n == 1, "one name");
    tok_check_item(kvs, "tokenizer.chat_templates", 0, "tool_use");
    nb_kvs_close(&kvs);
    tok_put(dir, "tokenizer_config.json", "{\"chat_template\":\"plain\"}");
    kvs = tok_keys_of(dir, 0);
    tok_check_text(kvs, key, "plain");
    nb_kvs_close(&kvs);
    tok_put(dir, "chat_template.jinja", "from a file\n");
    kvs = tok_keys_of(dir, 0);
    tok_check_text(kvs, key, "from a file\n");
    nb_kvs_close(&kvs);
}

/* --- A4 -----------------------------------------------------------------------------------------
 */

CHECK_TEST(tok_json, malformed_files_are_refused_A4)
{
    static const char *const bad[] = {
        "{\"model\":{\"vocab\":{\"a\":0}}}",
        "",
        "[]",
        "null",
        "{",
        "{}",
        "{\"model\":[]}",
        "{\"model\":{\"type\":1}}",
        "{\"model\":{\"type\":\"BPE\",\"vocab\":3}}",
        "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":-1}}}",
        "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":1.5}}}",
        "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":\"1\"}}}",
        "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":1048576}}}",
        "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":18446744073709551616}}}",
        "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":0}}}",
        "{\"model\":{\"type\":\"BPE\",\"vocab\":[[\"a\"]]}}",
        "{\"model\":{\"type\":\"BPE\",\"vocab\":[[1,2]]}}",
        "{\"model\":{\"type\":\"BPE\",\"vocab\":[[\"a\",1e300]]}}",
        "{\"model\":{\"type\":\"BPE\",\"vocab\":[[\"a\",1,2]]}}",
        "{\"model\":{\"type\":\"BPE\",\"vocab\":[[\"a\",1]],\"vocab\":[[\"a\",1]]}}",
        "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":{}}}",
        "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[1]}}",
        "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[[\"a\"]]}}",
        "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[[\"a\",\"b\",\"c\"]]}}",
        "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"byte_fallback\":1}}",
        "{\"model\":{\"type\":\"BPE\",\"unk_id\":-3}}",
        "{\"added_tokens\":{}}",
        "{\"added_tokens\":[1]}",
        "{\"added_tokens\":[{}]}",
        "{\"added_tokens\":[{\"id\":1}]}",
        "{\"added_tokens\":[{\"id\":1,\"content\":\"\"}]}",
        "{\"added_tokens\":[{\"id\":-1,\"content\":\"a\"}]}",
        "{\"added_tokens\":[{\"id\":1,\"content\":2}]}",
        "{\"added_tokens\":[{\"id\":1,\"content\":\"a\",\"special\":1}]}",
        "{\"added_tokens\":[{\"id\":1048576,\"content\":\"a\"}]}",
        "{\"pre_tokenizer\":null,\"pre_tokenizer\":null}",
        "{\"pre_tokenizer\":{\"a\":1,\"a\":2}}",
        "{" SMALL "} x",
        "{" SMALL,
        "{" SMALL ",\"x\":\"\xff\"}",
        "{" SMALL ",\"x\":\"\\u0000\"}",
    };
    for (size_t i = 0; i < countof(bad); i++)
        tok_refused(bad[i], NB_FORMAT, "tokenizer.json");
    nb_kvs *kvs = NULL;
    nb_err err = {0};
    check(nb_kvs_open(&kvs, &err) == NB_OK, "%s", err.msg);
    check(nb_tok_json_keys(kvs, tok_folder(), 8, &err) == NB_NOTFOUND, "no file: %s", err.msg);
    tok_put(tok_folder(), "tokenizer.json", "{" SMALL "}");
    check(nb_tok_json_keys(kvs, test_path(tok_folder(), ""), (1 << 20) + 1, &err) == NB_FORMAT,
          "2^20 + 1 rows");
    nb_kvs_close(&kvs);
}

CHECK_TEST(tok_json, every_cut_of_a_file_is_refused_A4)
{
    const char whole_file[] = "{" SMALL ",\"post_processor\":{\"type\":\"ByteLevel\"}}";
    for (size_t cut = 0; cut < sizeof whole_file - 1; cut++) {
        char part[sizeof whole_file];
        memcpy(part, whole_file, cut);
        part[cut] = '\0';
        tok_refused(part, NB_FORMAT, "tokenizer.json");
    }
}

/* A vocabulary of 200 000 tokens and as many merges is read in a moment. */
CHECK_TEST(tok_json, big_files_take_no_longer_than_their_length)
{
    enum { N = 200000 };
    nb_str json = {0};
    nb_str_add(&json, "{\"pre_tokenizer\":" BYTE_LEVEL
                      ",\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1");
    for (int i = 2; i < N; i++)
        nb_str_addf(&json, ",\"a%xb\":%d", (unsigned)i, i);
    nb_str_add(&json, "},\"merges\":[\"a b\"");
    for (int i = 2; i < N; i++)
        nb_str_addf(&json, ",[\"a%x\",\"b\"]", (unsigned)i);
    nb_str_add(&json, "]}}");
    const char *dir = tok_folder();
    tok_put(dir, "tokenizer.json", nb_str_c(&json));
    nb_str_free(&json);
    double start = nb_now();
    nb_tok *t = tok_rig_open(tok_keys_of(dir, N));
    check(nb_now() - start < test_within(2), "%g s", nb_now() - start);
    check(nb_tok_count(t) == N, "all tokens");
    nb_tok_close(&t);
}
