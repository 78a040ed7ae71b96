/* general.basename, finetune, version and size_label from a model's id, as gguf-py derives them
 * (tests/golden/hf/names.list was written by its own function). */
#include "tests/check.h"
#include "tests/hf_folder.h"
#include "tests/util.h"

#include "core/files/hf_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void expect(const nb_kvs *kvs, const char *id, const char *key, const char *want)
{
    const char *got = "";
    size_t n = 0;
    if (!nb_kvs_str(kvs, key, &got, &n))
        got = "";
    check(n == strlen(want) && memcmp(got, want, n) == 0, "%s: %s is \"%.*s\", expected \"%s\"", id,
          key, (int)n, got, want);
}

CHECK_TEST(hf_names, ids_are_taken_apart_as_the_converter_does)
{
    static const char *const keys[] = {"general.basename", "general.finetune", "general.version",
                                       "general.size_label"};
    char path[1024], *save = NULL;
    size_t n, rows = 0;
    snprintf(path, sizeof path, "%s/tests/golden/hf/names.list", NB_TEST_ROOT);
    char *text = test_slurp(path, &n);
    check(text, "%s", path);
    for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        nb_kvs *kvs = NULL;
        nb_err err;
        if (*line == '#')
            continue;
        char *at = line, *id = strsep(&at, "|"), *params = strsep(&at, "|");
        check(nb_kvs_open(&kvs, &err) == NB_OK, "%s", err.msg);
        check(nb_hf_name_parts(kvs, id, strtoull(params, NULL, 10), &err) == NB_OK, "%s", err.msg);
        for (size_t i = 0; i < countof(keys); i++)
            expect(kvs, id, keys[i], strsep(&at, "|"));
        nb_kvs_close(&kvs);
        rows++;
    }
    check(rows > 60, "%zu rows", rows);
    free(text);
}

/* A card's own words come first, then _name_or_path, then the folder's name. */
CHECK_TEST(hf_names, card_then_id_then_folder)
{
    static const char card[] = "---\nfinetune: Poet\nauthor: A. Writer\n---\n";
    static const char config[] =
        "{\"architectures\":[\"LlamaForCausalLM\"],\"_name_or_path\":\"good-org/Base-7B-Chat\"}";
    hf_folder f = hf_folder_make("Other-13B-v2", config);
    nb_json *doc = NULL;
    nb_kvs *kvs = NULL;
    nb_err err;
    test_spit(test_path(f.dir, "README.md"), card, sizeof card - 1);
    check(nb_json_parse(&doc, config, sizeof config - 1, 99, "c", &err) == NB_OK, "%s", err.msg);
    check(nb_kvs_open(&kvs, &err) == NB_OK, "%s", err.msg);
    check(nb_hf_identity(kvs, f.dir, nb_json_root(doc), "llama", &err) == NB_OK, "%s", err.msg);
    check(nb_hf_names(kvs, f.dir, nb_json_root(doc), 0, &err) == NB_OK, "%s", err.msg);
    expect(kvs, "all", "general.name", "Base 7B Chat");
    expect(kvs, "all", "general.organization", "Good Org");
    expect(kvs, "all", "general.author", "A. Writer");
    expect(kvs, "all", "general.basename", "Base");
    expect(kvs, "all", "general.finetune", "Poet");
    expect(kvs, "all", "general.size_label", "7B");
    expect(kvs, "all", "general.version", "v2");
    nb_kvs_close(&kvs);
    nb_json_close(&doc);
}

/* What gguf-py makes of generation_config.json, in its order and types; what is no number where one
 * belongs, or does not fit, is left out. */
CHECK_TEST(hf_names, makers_sampling_is_kept_as_the_converter_keeps_it)
{
    static const struct {
        const char *config, *want;
    } row[] = {
        {"{\"temperature\":0.7,\"top_p\":0.9,\"top_k\":20,\"do_sample\":true}",
         "top_k=20:i32 top_p=0.9:f32 temp=0.7:f32 "},
        {"{\"repetition_penalty\":1.05,\"min_p\":0,\"sequence\":\"k;p\",\"mirostat\":2}",
         "sequence=k;p:str min_p=0:f32 penalty_repeat=1.05:f32 mirostat=2:i32 "},
        {"{\"penalty_repeat\":1.5,\"repetition_penalty\":1.05}", "penalty_repeat=1.5:f32 "},
        {"{\"temperature\":null,\"top_k\":0.5,\"top_p\":\"x\",\"min_p\":1e300,"
         "\"penalty_last_n\":3000000000}",
         ""},
    };
    for (size_t i = 0; i < countof(row); i++) {
        hf_folder f = hf_folder_make("sampled", HF_LLAMA(""));
        static const char prefix[] = "general.sampling.";
        nb_kvs *kvs = NULL;
        nb_str got = {0};
        nb_err err;
        test_spit(test_path(f.dir, "generation_config.json"), row[i].config, strlen(row[i].config));
        check(nb_kvs_open(&kvs, &err) == NB_OK, "%s", err.msg);
        check(nb_hf_identity(kvs, f.dir, NULL, "llama", &err) == NB_OK, "%s", err.msg);
        for (size_t k = 0; k < nb_kvs_count(kvs); k++) {
            const nb_kv *kv = nb_kvs_at(kvs, k);
            char whole[32];
            const char *text;
            double v;
            size_t n;
            if (strncmp(kv->key, prefix, sizeof prefix - 1) != 0)
                continue;
            nb_str_addf(&got, "%s=", kv->key + sizeof prefix - 1);
            if (nb_kvs_str(kvs, kv->key, &text, &n))
                nb_str_addf(&got, "%.*s:str ", (int)n, text);
            else if (nb_kvs_float(kvs, kv->key, &v))
                nb_str_addf(&got, "%g:f32 ", v);
            else {
                check(kv->type == NB_KV_I32, "%s: type %d", kv->key, kv->type);
                nb_kv_text(kv, whole, sizeof whole);
                nb_str_addf(&got, "%s:i32 ", whole);
            }
        }
        check(strcmp(nb_str_c(&got), row[i].want) == 0, "%s: %s", row[i].config, nb_str_c(&got));
        nb_str_free(&got);
        nb_kvs_close(&kvs);
    }
}

/* Names are foreign text: long ones, many parts, odd bytes. */
CHECK_TEST(hf_names, hostile_ids_stay_defined)
{
    test_rng rng = test_rng_make(3);
    static const char letters[] = "-0123456789abKMBTxvqif_.Z\xc3\xa9 ";
    for (int round = 0; round < 5000; round++) {
        char id[300];
        size_t n = test_below(&rng, sizeof id);
        for (size_t i = 0; i < n; i++)
            id[i] = letters[test_below(&rng, sizeof letters - 1)];
        id[n] = '\0';
        nb_kvs *kvs = NULL;
        check(nb_kvs_open(&kvs, NULL) == NB_OK, "kvs");
        check(nb_hf_name_parts(kvs, id, test_u64(&rng), NULL) == NB_OK, "%s", id);
        nb_kvs_close(&kvs);
    }
}
