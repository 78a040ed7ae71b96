/* Model cards, names and size labels: what general.* keys are made of (A4, A35). */
#include "tests/check.h"

#include "core/base/file.h"
#include "core/base/str.h"
#include "core/files/hf_private.h"
#include "tests/util.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Every key in order, "key=value\n"; the strings of a list are joined by commas. */
static void dump(const nb_kvs *kvs, nb_str *out)
{
    nb_str_clear(out);
    for (size_t i = 0; i < nb_kvs_count(kvs); i++) {
        const nb_kv *kv = nb_kvs_at(kvs, i);
        char text[400];
        const uint8_t *at = NULL;
        const char *s;
        size_t n;
        nb_str_addf(out, "%s=", kv->key);
        if (kv->type == NB_KV_ARRAY)
            while (nb_kv_next_string(kv, &at, &s, &n))
                nb_str_addf(out, "%.*s,", (int)n, s);
        else
            nb_kv_text(kv, text, sizeof text), nb_str_add(out, text);
        nb_str_add(out, "\n");
    }
}

/* Keys of a card; the text lies in a block of its own size, so that ASan sees a read past it. */
static void card_keys(const char *text, size_t n, nb_str *out)
{
    nb_kvs *kvs;
    nb_err err = {.msg = ""};
    char *exact = malloc(n ? n : 1);
    memcpy(exact, text, n);
    check(nb_kvs_open(&kvs, NULL) == NB_OK, "kvs");
    check(nb_hf_card(kvs, exact, n, &err) == NB_OK, "%s", err.msg);
    free(exact);
    dump(kvs, out);
    nb_kvs_close(&kvs);
}

#define BASE "general.base_model.0."
#define ONE  "general.base_model.count=1\n"
CHECK_TEST(card, front_matter_becomes_keys_and_the_rest_is_stepped_over)
{
    static const struct {
        const char *card, *want;
    } row[] = {
        {"", ""},
        {"---", ""},
        {"license: mit\n", ""},
        {" ---\nlicense: mit\n---\n", ""},
        {"---\nlicense: mit", "general.license=mit\n"},
        {"---\n---\nlicense: mit\n", ""},
        {"--- \t\r\nlicense:\tmit\n", ""}, /* no space behind the colon: no key */
        {"---\nlicense: \t mit \t\r\n---\n", "general.license=mit\n"},
        {"---\n\tlicense: mit\n  name: x\n", ""},
        {"---\nlicense\nlicense:mit\n:\n: x\n", ""},
        {"---\nlicense: mit # and more\n", "general.license=mit\n"},
        {"---\nlicense: a#b #\n", "general.license=a#b\n"},
        {"---\nlicense: 'mit'\nname: \"mit'\n", "general.license=mit\ngeneral.name=\"mit'\n"},
        {"---\nlicense: '\nname: \"\"\nmodel_name: x\n", "general.license='\ngeneral.name=x\n"},
        {"---\nlicense: a\x01z\nname: a\x7fz\nsize_label: \xc3\nlicense_name: \xc3\xa9\n",
         "general.license_name=\xc3\xa9\n"},
        {"---\ntags: [a, \"b\",, c ]\npipeline_tag: d\n", "general.tags=a,b,c,d,\n"},
        {"---\npipeline_tag: d\ntags: [a]\n", "general.tags=a,d,\n"}, /* comes last */
        {"---\ntags: []\nlanguage: [en\nlanguages: fr]\n", "general.languages=[en,fr],\n"},
        {"---\n- lost\ntags:\n- a\n# b\n- c\nother:\n- d\n", "general.tags=a,c,\n"},
        {"---\ntags:\n- a\n-b\n- c\n", "general.tags=a,\n"}, /* no item: the list is over */
        {"---\ntags:\n- a\n-\n- c\n", "general.tags=a,\n"},
        {"---\ntags:\n\n- a\nplain\n- b\n", "general.tags=a,\n"},
        {"---\nbase_model: https://x.org/m\n", BASE "repo_url=https://x.org/m\n" ONE},
        {"---\nbase_model: http://x.org\n", BASE "repo_url=http://x.org\n" ONE},
        {"---\nbase_model: httpd-like\n", BASE "name=Httpd Like\n" ONE},
        {"---\nbase_model: /x\n", BASE "name=/X\n" ONE},
        {"---\nbase_model: x/\n", BASE "name=X/\n" ONE},
        {"---\nbase_model: [a/b]\n",
         BASE "name=B\n" BASE "organization=A\n" BASE "repo_url=https://huggingface.co/a/b\n" ONE},
    };
    nb_str got = {0};
    for (size_t i = 0; i < countof(row); i++) {
        card_keys(row[i].card, strlen(row[i].card), &got);
        check(strcmp(nb_str_c(&got), row[i].want) == 0, "%zu: \"%s\" gave \"%s\"", i, row[i].card,
              nb_str_c(&got));
    }
    nb_str_free(&got);
}

/* Lists and values have limits; what lies beyond is left out, the keys before it stay. */
CHECK_TEST(card, long_lists_and_values_are_cut)
{
    nb_str card = {0}, got = {0};
    size_t tags = 0;
    nb_str_addf(&card, "---\nlicense: %0256d\nname: %0255d\n", 1, 2);
    for (int i = 0; i < 1200; i++)
        nb_str_addf(&card, "tags: t\nlanguage: l\n%s", i < 20 ? "base_model: a/b\n" : "");
    card_keys(card.at, card.len, &got);
    check(!strstr(got.at, "general.license"), "a value of 256 bytes");
    check(strstr(got.at, "general.name=000"), "a value of 255 bytes");
    check(strstr(got.at, "general.base_model.count=16\n"), "base models");
    check(!strstr(got.at, "general.base_model.16."), "the 17th base model");
    for (const char *at = strstr(got.at, "general.tags="); (at = strstr(at, "t,")); at++)
        tags++;
    check(tags == 1000, "%zu tags", tags);
    nb_str_free(&card);
    nb_str_free(&got);
}

/* A4: any cut and any wrong byte of a card leaves an opened model, only other keys. */
CHECK_TEST(card, no_bytes_are_fatal)
{
    static const char card[] = "---\nlicense: 'mit' # x\ntags: [a, b]\nbase_model:\n  - o/m-7b\n- "
                               "https://x.org/y\nlanguage:\n- en\n---\nbody\n";
    enum { N = sizeof card - 1 };
    char text[N];
    nb_str got = {0};
    for (size_t n = 0; n < N; n++)
        card_keys(card, n, &got);
    for (size_t i = 0; i < N; i++)
        for (int value = 0; value < 256; value++) {
            memcpy(text, card, N);
            text[i] = (char)value;
            card_keys(text, N, &got);
        }
    nb_str_free(&got);
}

CHECK_TEST(card, ids_become_titles_as_the_converter_writes_them)
{
    static const struct {
        const char *id, *title; /* NULL: no key */
    } row[] = {{"nibble-demo", "Nibble Demo"},
               {"v2-x", "v2 X"},
               {"v1.5-7b-Chat", "v1.5 7b Chat"},
               {"v", "V"},
               {"vx", "Vx"},
               {"v1.", "V1."},
               {"v1a", "V1A"},
               {"GPT-neo x", "GPT Neo X"},
               {"a--b", "A B"},
               {"-a", "A"},
               {"--", NULL},
               {"x_y{z}", "X_Y{Z}"},
               {"\xc3\xa9t\xc3\xa9", "\xc3\xa9t\xc3\xa9"}};
    nb_str got = {0}, want = {0}, card = {0};
    for (size_t i = 0; i < countof(row); i++) {
        nb_str_clear(&card);
        nb_str_clear(&want);
        nb_str_addf(&card, "---\nbase_model: \"%s\"\n", row[i].id);
        nb_str_addf(&want, row[i].title ? BASE "name=%s\n" ONE : ONE, row[i].title);
        card_keys(card.at, card.len, &got);
        check(strcmp(nb_str_c(&got), want.at) == 0, "%s became %s", row[i].id, nb_str_c(&got));
    }
    nb_str_free(&got);
    nb_str_free(&want);
    nb_str_free(&card);
}

/* general.name: a model's id in config.json, never a path of some machine; else the folder's. */
CHECK_TEST(card, names_come_from_an_id_or_from_the_folder)
{
    static const struct {
        const char *folder, *config, *name;
    } row[] = {
        {"plain-7b", "{}", "Plain 7b"},
        {"plain-7b", "{\"_name_or_path\":3}", "Plain 7b"},
        {"plain-7b", "{\"_name_or_path\":\"\"}", "Plain 7b"},
        {"plain-7b", "{\"_name_or_path\":\"./out\"}", "Plain 7b"},
        {"plain-7b", "{\"_name_or_path\":\"/home/me/m\"}", "Plain 7b"},
        {"plain-7b", "{\"_name_or_path\":\"org/\"}", "Plain 7b"},
        {"plain-7b", "{\"_name_or_path\":\"a/b/c\"}", "Plain 7b"},
        {"plain-7b", "{\"_name_or_path\":\"/b\"}", "Plain 7b"},
        {"plain-7b", "{\"_name_or_path\":\"other\"}", "Other"},
        {"plain-7b", "{\"_name_or_path\":\"org/other\"}", "Other"},
        {"models--o--repo-x/snapshots/abc", "{}", "Repo X"},
        {"models--/snapshots/abc", "{}", "Abc"},
        {"other--o--r/snapshots/abc", "{}", "Abc"},
        {"models--o--r/elsewhere/abc", "{}", "Abc"},
        {"no/such/folder-y", "{}", "Folder Y"},
    };
    for (size_t i = 0; i < countof(row); i++) {
        const char *dir = test_path(test_tmpdir(), row[i].folder), *s = "";
        size_t n = 0;
        nb_json *doc;
        nb_kvs *kvs;
        nb_err err = {.msg = ""};
        check(nb_kvs_open(&kvs, NULL) == NB_OK, "kvs");
        check(nb_json_parse(&doc, row[i].config, strlen(row[i].config), 999, "c", &err) == NB_OK,
              "%s", err.msg);
        if (strncmp(row[i].folder, "no/", 3) != 0)
            check(nb_mkdirs(dir, &err) == NB_OK, "%s", err.msg);
        check(nb_hf_identity(kvs, dir, nb_json_root(doc), "llama", &err) == NB_OK, "%s", err.msg);
        check(nb_kvs_str(kvs, "general.name", &s, &n) && n == strlen(row[i].name) &&
                  memcmp(s, row[i].name, n) == 0,
              "%zu: %.*s, expected %s", i, (int)n, s, row[i].name);
        nb_kvs_close(&kvs);
        nb_json_close(&doc);
    }
}

CHECK_TEST(card, size_labels_have_two_digits_at_least)
{
    static const struct {
        uint64_t params;
        const char *label;
    } row[] = {{32, "0.03K"},       {700, "0.7K"},        {5800000, "5.8M"},
               {360000000, "360M"}, {13000000000, "13B"}, {1000000000000000, "1000T"},
               {1000000001, "1.0B"}};
    nb_kvs *kvs;
    const char *s = "";
    size_t n = 0;
    check(nb_kvs_open(&kvs, NULL) == NB_OK, "kvs");
    check(nb_hf_size_label(kvs, 0, 0, NULL) == NB_OK && nb_kvs_count(kvs) == 0, "no weights");
    for (size_t i = 0; i < countof(row); i++) {
        check(nb_hf_size_label(kvs, row[i].params, 0, NULL) == NB_OK, "label");
        check(nb_kvs_str(kvs, "general.size_label", &s, &n) && n == strlen(row[i].label) &&
                  memcmp(s, row[i].label, n) == 0,
              "%llu: %.*s", (unsigned long long)row[i].params, (int)n, s);
        nb_kvs_drop(kvs, "general.size_label");
    }
    check(nb_kvs_put_str(kvs, "general.size_label", "7x8B", 4, NULL) == NB_OK, "put");
    check(nb_hf_size_label(kvs, 32, 0, NULL) == NB_OK, "label");
    check(nb_kvs_str(kvs, "general.size_label", &s, &n) && memcmp(s, "7x8B", 4) == 0,
          "the card's own label stays");
    nb_kvs_close(&kvs);
}
