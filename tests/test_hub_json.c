/* hub 23: answers with every field of another kind, missing or absurd; and what sound ones say. */
#include <stdlib.h>
#include <stdio.h>
#include <string.h>

#include "downloads/hub_private.h"
#include "downloads/take.h"
#include "tests/check.h"
#include "tests/util.h"

static nb_status models(const char *json, dl_page *page, nb_err *err)
{
    *page = (dl_page){.n = 0};
    return dl_json_models(json, strlen(json), "search", page, err);
}

CHECK_TEST(hubjson, a_row_tells_what_the_hub_said)
{
    dl_page page;
    nb_err err;
    static const char json[] =
        "[{\"_id\":\"x\",\"id\":\"unsloth/Qwen3-1.7B-GGUF\",\"gated\":\"manual\",\"private\":true,"
        "\"downloads\":12345,\"likes\":67,\"lastModified\":\"2026-09-01T10:20:30.000Z\","
        "\"pipeline_tag\":\"text-generation\",\"library_name\":\"transformers\","
        "\"tags\":[\"gguf\",\"base_model:Qwen/Qwen3-1.7B\",\"base_model:quantized:Qwen/"
        "Qwen3-1.7B\","
        "\"license:apache-2.0\"],\"sha\":\"0123456789abcdef0123456789abcdef01234567\","
        "\"usedStorage\":9007199254740991,\"trendingScore\":1.5,\"new_key\":{\"a\":[1,{}]}},"
        "{\"id\":\"meta/"
        "tiny\",\"gated\":false,\"safetensors\":{\"parameters\":{\"BF16\":3000000000,"
        "\"F32\":5},\"total\":3000000005},\"cardData\":{\"license\":\"other\","
        "\"license_name\":\"llama3.2\",\"base_model\":[\"meta/base\",\"meta/second\"]},"
        "\"config\":{\"architectures\":[\"LlamaForCausalLM\"],\"model_type\":\"llama\"}},"
        "{\"id\":\"o/g\",\"gguf\":{\"total\":999885952,\"architecture\":\"gemma3\","
        "\"context_length\":32768,\"totalFileSize\":1234,\"chat_template\":\"{{ x }}\"}}]";
    check(models(json, &page, &err) == NB_OK, "%s", err.msg);
    check(page.n == 3 && page.dropped == 0, "%zu rows, %zu dropped", page.n, page.dropped);
    const dl_model *m = page.at;
    check(strcmp(m->id, "unsloth/Qwen3-1.7B-GGUF") == 0 && strcmp(m->author, "unsloth") == 0, "%s",
          m->id);
    check(m->gated == DL_GATED_MANUAL && m->private_repo && m->gguf && m->downloads == 12345 &&
              m->likes == 67,
          "flags and counts");
    check(m->updated == 1788258030, "%lld", (long long)m->updated);
    check(strcmp(m->license, "apache-2.0") == 0 && strcmp(m->base_model, "Qwen/Qwen3-1.7B") == 0 &&
              strcmp(m->base_relation, "quantized") == 0,
          "%s %s %s", m->license, m->base_model, m->base_relation);
    check(m->params == 1700000000 && m->params_guessed, "%llu", (unsigned long long)m->params);
    check(m->bytes == 9007199254740991, "%llu", (unsigned long long)m->bytes);
    m = &page.at[1];
    check(m->params == 3000000005 && !m->params_guessed && m->gated == DL_OPEN && m->likes == -1,
          "%llu", (unsigned long long)m->params);
    check(strcmp(m->license, "llama3.2") == 0 && strcmp(m->base_model, "meta/base") == 0 &&
              strcmp(m->arch, "llama") == 0,
          "%s %s %s", m->license, m->base_model, m->arch);
    m = &page.at[2];
    check(m->gguf && m->params == 999885952 && m->context == 32768 && m->bytes == 1234 &&
              strcmp(m->arch, "gemma3") == 0,
          "gguf");
    dl_page_free(&page);
}

/* Keys of hub.md 1.2, each with values of every kind. */
CHECK_TEST(hubjson, wrong_kinds_leave_fields_empty)
{
    static const char *const keys[] = {"author",       "sha",      "downloads",    "likes",
                                       "gated",        "private",  "disabled",     "library_name",
                                       "pipeline_tag", "tags",     "lastModified", "createdAt",
                                       "safetensors",  "gguf",     "cardData",     "config",
                                       "usedStorage",  "siblings", "id",           "modelId"};
    static const char *const values[] = {
        "null",
        "true",
        "false",
        "-1",
        "0",
        "1e308",
        "9007199254740993",
        "1.5",
        "\"\"",
        "\"x\"",
        "[]",
        "{}",
        "[[[[]]]]",
        "{\"total\":\"x\"}",
        "{\"total\":-5,\"parameters\":[1]}",
        "{\"parameters\":{\"a\":{}, \"b\":18446744073709551615}}",
        "[null,1,{\"a\":1},[\"license:y\"]]",
        "{\"license\":{},\"base_model\":[[],\"../x\"],\"license_name\":7}",
        "\"2026-13-45T99:99:99\"",
        "{\"context_length\":1e400}"};
    size_t sound = 0;
    for (size_t k = 0; k < countof(keys); k++)
        for (size_t v = 0; v < countof(values); v++) {
            nb_str json = {0};
            dl_page page;
            nb_err err = {.status = NB_OK};
            nb_str_addf(&json, "[{\"id\":\"a/b\",\"%s\":%s,\"likes\":3},{\"id\":\"c/d\"}]", keys[k],
                        values[v]);
            nb_status st = models(json.at, &page, &err);
            check(st == NB_OK || (st == NB_FORMAT && strstr(values[v], "e400")), "%s: %d %s",
                  json.at, st, err.msg);
            if (st == NB_OK) {
                check(page.n + page.dropped == 2 && page.n >= 1, "%s: %zu", json.at, page.n);
                check(page.at[page.n - 1].id[0] == 'c', "%s: lost its place", json.at);
                check(page.at[0].id[0] != 'a' || page.at[0].likes == 3, "%s", json.at);
                sound++;
            }
            dl_page_free(&page);
            nb_str_free(&json);
        }
    check(sound >= countof(keys) * (countof(values) - 1), "%zu read", sound);
}

CHECK_TEST(hubjson, no_list_is_no_page)
{
    static const char *const bad[] = {"",
                                      "{}",
                                      "null",
                                      "\"x\"",
                                      "[",
                                      "[{\"id\":\"a/b\"}",
                                      "[1,",
                                      "[{]",
                                      "[] []",
                                      "<html>",
                                      "[{\"id\":\"a/b\"}]x"};
    for (size_t i = 0; i < countof(bad); i++) {
        dl_page page;
        nb_err err = {.status = NB_OK};
        nb_status st = models(bad[i], &page, &err);
        check(st != NB_OK && err.msg[0], "%s: %d", bad[i], st);
        dl_page_free(&page);
    }
    dl_page page;
    check(models("[{},{\"id\":\"../x\"},{\"id\":\"a/b\\u001b\"},{\"id\":7},3,\"x\"]", &page,
                 NULL) == NB_OK &&
              page.n == 0 && page.dropped == 6,
          "%zu dropped", page.dropped);
    dl_page_free(&page);
}

/* hub 22: what a tree may not name. */
CHECK_TEST(hubjson, hostile_paths_are_counted_and_left_out)
{
    static const char json[] =
        "[{\"type\":\"file\",\"path\":\"../x\",\"size\":1,\"oid\":\"a\"},"
        "{\"type\":\"file\",\"path\":\"/etc/x\",\"size\":1},"
        "{\"type\":\"file\",\"path\":\"a\\\\..\\\\b\",\"size\":1},"
        "{\"type\":\"file\",\"path\":\"a//b\",\"size\":1},"
        "{\"type\":\"file\",\"path\":\"a/./b\",\"size\":1},"
        "{\"type\":\"file\",\"path\":\"x\\u001b[2J\",\"size\":1},"
        "{\"type\":\"file\",\"path\":\"\",\"size\":1},"
        "{\"type\":\"file\",\"size\":1},"
        "{\"type\":\"file\",\"path\":\"nosize\"},"
        "{\"type\":\"file\",\"path\":\"neg\",\"size\":-1},"
        "{\"type\":\"file\",\"path\":\"big\",\"size\":1e308},"
        "{\"type\":\"file\",\"path\":7,\"size\":1},"
        "{\"type\":\"directory\",\"path\":\"d\",\"size\":0},"
        "{\"type\":\"file\",\"path\":\"m.gguf\",\"size\":134,\"oid\":"
        "\"ffffffffffffffffffffffffffffffff"
        "ffffffff\",\"lfs\":{\"oid\":"
        "\"00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
        "\",\"size\":67108864,\"pointerSize\":134},\"xetHash\":\"x\"},"
        "{\"type\":\"file\",\"path\":\"config.json\",\"size\":665,\"oid\":"
        "\"0123456789012345678901234567"
        "890123456789\"},"
        "{\"type\":\"file\",\"path\":\"odd.bin\",\"size\":3,\"oid\":\"../../x\"}]";
    dl_repo r = {.n_file = 0};
    nb_err err = {.status = NB_OK};
    check(dl_json_tree(json, sizeof json - 1, "org/m", &r, &err) == NB_OK, "%s", err.msg);
    check(r.n_file == 3 && r.dropped == 12, "%zu files, %zu dropped", r.n_file, r.dropped);
    const char *path = r.names.at + r.file[0].path_at;
    check(strcmp(path, "m.gguf") == 0 && r.file[0].size == 67108864 && r.file[0].lfs &&
              strlen(r.file[0].oid) == 64,
          "%s", path);
    check(!r.file[1].lfs && strlen(r.file[1].oid) == 40 && r.file[1].size == 665, "git file");
    check(r.file[2].oid[0] == '\0', "an oid that is a path is no oid");
    dl_repo_free(&r);
}

/* The size of the pointer's target counts, wherever it stands; an oid has its kind's length. */
CHECK_TEST(hubjson, sizes_and_oids_are_the_files_own_A35)
{
#define HEX40 "0123456789012345678901234567890123456789"
#define HEX64 HEX40 "012345678901234567890123"
    static const struct {
        const char *members; /* of a file "x" */
        int64_t size;        /* -1: left out */
        size_t oid;          /* its digits */
        bool lfs;
    } rows[] = {
        {"\"size\":3,\"oid\":\"" HEX40 "\"", 3, 40, false},
        {"\"size\":3,\"oid\":\"" HEX64 "\"", 3, 0, false},
        {"\"size\":3,\"size\":4", 3, 0, false},
        {"\"lfs\":{\"size\":9,\"oid\":\"" HEX64 "\"},\"size\":3", 9, 64, true},
        {"\"size\":3,\"lfs\":{\"size\":9,\"sha256\":\"" HEX64 "\",\"more\":[1]}", 9, 64, true},
        {"\"size\":3,\"lfs\":{\"size\":-9,\"oid\":\"" HEX40 "\"}", 3, 0, true},
        {"\"lfs\":{\"size\":\"9\"}", -1, 0, true},
        {"\"lfs\":7,\"size\":3,\"securityFileStatus\":{\"status\":\"safe\",\"x\":{}}", 3, 0, false},
        {"\"securityFileStatus\":5,\"size\":3", 3, 0, false}};
    for (size_t i = 0; i < countof(rows); i++) {
        char json[400];
        dl_repo r = {.n_file = 0};
        nb_err err = {.status = NB_OK};
        int n = snprintf(json, sizeof json, "[{\"path\":\"x\",%s}]", rows[i].members);
        check(dl_json_tree(json, (size_t)n, "org/m", &r, &err) == NB_OK, "%s: %s", json, err.msg);
        check(r.n_file == (rows[i].size >= 0) && r.dropped == (rows[i].size < 0), "%s: %zu", json,
              r.n_file);
        if (r.n_file)
            check((int64_t)r.file[0].size == rows[i].size && r.file[0].lfs == rows[i].lfs &&
                      strlen(r.file[0].oid) == rows[i].oid,
                  "%s: %llu, \"%s\"", json, (unsigned long long)r.file[0].size, r.file[0].oid);
        dl_repo_free(&r);
    }
#undef HEX40
#undef HEX64
}

CHECK_TEST(hubjson, a_repository_of_too_many_files_is_refused)
{
    nb_str json = {0};
    dl_repo r = {.n_file = 0};
    nb_err err = {.status = NB_OK};
    nb_str_add(&json, "[");
    for (int i = 0; i <= DL_FILES_MAX; i++)
        nb_str_addf(&json, "%s{\"path\":\"f%d\",\"size\":1}", i ? "," : "", i);
    nb_str_add(&json, "]");
    snprintf(r.model.id, sizeof r.model.id, "org/m");
    check(dl_json_tree(json.at, json.len, "org/m", &r, &err) == NB_REFUSED, "%zu", r.n_file);
    check(strcmp(err.msg, "org/m: more than 65536 files") == 0, "%s", err.msg);
    check(r.n_file == DL_FILES_MAX && r.dropped == 0, "%zu files", r.n_file);
    dl_repo_free(&r);
    nb_str_free(&json);
}

CHECK_TEST(hubjson, parameters_of_a_name)
{
    static const struct {
        const char *id;
        uint64_t params;
    } row[] = {
        {"Qwen/Qwen3-1.7B", 1700000000},
        {"org/SmolLM2-360M-Instruct-GGUF", 360000000},
        {"mistralai/Mixtral-8x7B-v0.1", 56000000000},
        {"meta-llama/Llama-3.2-1B", 1000000000},
        {"org/model", 0},
        {"org/phi-2", 0},
        {"org/v1.5b2", 0},
        {"7b/model", 0},
        {"org/abc7b", 0},
        {"org/m-70b", 70000000000},
        {"org/m-99999999999999b", 0},
        {"org/m-0B", 0},
        {"org/m-1.2.3B", 0},
    };
    for (size_t i = 0; i < countof(row); i++)
        check(dl_params_of_name(row[i].id) == row[i].params, "%s: %llu", row[i].id,
              (unsigned long long)dl_params_of_name(row[i].id));
}

CHECK_TEST(hubjson, dates)
{
    check(dl_unix_time("1970-01-01T00:00:00.000Z") == 0, "epoch");
    check(dl_unix_time("2024-02-29T12:00:00Z") == 1709208000, "leap day");
    static const char *const bad[] = {"",
                                      "x",
                                      "2024",
                                      "2024-13-01T00:00:00Z",
                                      "2024-00-10T00:00:00Z",
                                      "99999-01-01T00:00:00Z",
                                      "2024-01-32T00:00:00Z",
                                      "1812-01-01T00:00:00Z"};
    for (size_t i = 0; i < countof(bad); i++)
        check(dl_unix_time(bad[i]) == 0, "%s", bad[i]);
}
