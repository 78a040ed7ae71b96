/* Ollama's store read directly: what a manifest or a name that is nearly right leads to (A20, A35).
 */
#include "tests/check.h"

#include "core/base/file.h"
#include "core/base/str.h"
#include "core/files/ollama.h"
#include "tests/util.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEX_A         "00aa11bb22cc33dd44ee55ff00aa11bb22cc33dd44ee55ff00aa11bb22cc33dd"
#define HEX_B         "11aa11bb22cc33dd44ee55ff00aa11bb22cc33dd44ee55ff00aa11bb22cc33dd"
#define LAYER(digest) "{\"mediaType\":\"application/vnd.ollama.image.model\",\"digest\":" digest "}"

/* A store of this name whose blobs are HEX_A and HEX_B. */
static const char *store(const char *name)
{
    const char *dir = test_path(test_tmpdir(), name);
    check(nb_mkdirs(test_path(dir, "blobs"), NULL) == NB_OK, "mkdirs");
    test_spit(test_path(dir, "blobs/sha256-" HEX_A), "GGUF", 4);
    test_spit(test_path(dir, "blobs/sha256-" HEX_B), "GGUF", 4);
    return dir;
}

static void manifest(const char *dir, const char *folder, const char *tag, const char *text)
{
    char path[1000];
    snprintf(path, sizeof path, "%s/manifests/%s", dir, folder);
    check(nb_mkdirs(path, NULL) == NB_OK, "mkdirs");
    test_spit(test_path(path, tag), text, strlen(text));
}

CHECK_TEST(ollama, the_first_layer_that_is_a_model_counts_A35)
{
    static const struct {
        const char *text, *blob; /* NULL: names no model layer */
    } rows[] = {
        {"{\"layers\":[" LAYER("\"sha256:" HEX_A "\"") "]}", HEX_A},
        {"{\"layers\":[" LAYER("\"sha256:" HEX_B "\"") "," LAYER("\"sha256:" HEX_A "\"") "]}",
         HEX_B},
        {"{\"layers\":[" LAYER("7") "," LAYER("\"sha256:" HEX_A "\"") "]}", HEX_A},
        {"{\"layers\":[" LAYER("\"sha256:x\"") "," LAYER("\"sha256:" HEX_A "\"") "]}", HEX_A},
        {"{\"layers\":[7,{\"mediaType\":5,\"digest\":\"sha256:" HEX_A "\"}]}", NULL},
        {"{\"layers\":[{\"mediaType\":\"application/vnd.ollama.image.model\"}]}", NULL},
        {"{\"layers\":{}}", NULL},
        {"{\"layers\":[]}", NULL},
        {"{}", NULL}};
    const char *dir = store("ollama-layers");
    for (size_t i = 0; i < countof(rows); i++) {
        char path[1000] = "";
        nb_err err = {0};
        manifest(dir, "registry.ollama.ai/library/tale", "latest", rows[i].text);
        nb_status st = nb_ollama_find(dir, "tale", path, sizeof path, &err);
        check(st == (rows[i].blob ? NB_OK : NB_FORMAT), "%s: status %d", rows[i].text, st);
        check(!rows[i].blob || strstr(path, rows[i].blob), "%s: %s", rows[i].text, path);
        check(rows[i].blob || strstr(err.msg, "latest: names no model layer"), "%s", err.msg);
    }
}

CHECK_TEST(ollama, a_name_is_up_to_three_plain_parts_and_a_tag_A20)
{
    static const char good[] = "{\"layers\":[" LAYER("\"sha256:" HEX_A "\"") "]}";
    static const char *const found[] = {"tale",
                                        "tale:latest",
                                        "library/tale",
                                        "registry.ollama.ai/library/tale:latest",
                                        "host:8080/My_space/t-a.l_e9:Q4",
                                        "TALE:0"};
    static const char *const no_names[] = {"",         ":",          "tale:", ":latest", "/tale",
                                           "a//tale",  ".tale",      "-tale", "tale:.",  "tale:-x",
                                           "a/b/c/d",  "ta le",      "ta*le", "a:b/c",   "x/a:b/c",
                                           "tale:a:b", "t\xc3\xa4le"};
    const char *dir = store("ollama-names");
    char path[1000], name[300];
    nb_err err = {0};
    manifest(dir, "registry.ollama.ai/library/tale", "latest", good);
    manifest(dir, "host:8080/My_space/t-a.l_e9", "Q4", good);
    manifest(dir, "registry.ollama.ai/library/TALE", "0", good);
    for (size_t i = 0; i < countof(found); i++)
        check(nb_ollama_find(dir, found[i], path, sizeof path, &err) == NB_OK, "%s: %s", found[i],
              err.msg);
    for (size_t i = 0; i < countof(no_names); i++) {
        err.msg[0] = '\0';
        check(nb_ollama_find(dir, no_names[i], path, sizeof path, &err) == NB_NOTFOUND, "%s",
              no_names[i]);
        check(strstr(err.msg, "expected ollama:NAME[:TAG]"), "%s: %s", no_names[i], err.msg);
    }
    memset(name, 'a', sizeof name - 1);
    name[127] = '\0'; /* the longest part */
    check(nb_ollama_find(dir, name, path, sizeof path, &err) == NB_NOTFOUND &&
              strstr(err.msg, "not in Ollama's store"),
          "%s", err.msg);
    name[127] = 'a';
    name[128] = '\0';
    check(nb_ollama_find(dir, name, path, sizeof path, &err) == NB_NOTFOUND &&
              strstr(err.msg, "expected"),
          "%s", err.msg);
    check(nb_ollama_find(dir, "tale:none", path, sizeof path, NULL) == NB_NOTFOUND,
          "without words");
    check(nb_ollama_find(dir, "tale", path, 20, &err) == NB_USAGE, "20 bytes for a path");
    check(strstr(err.msg, "at most 19"), "%s", err.msg);
    check(nb_ollama_find(dir, "tale", path, 20, NULL) == NB_USAGE, "without words");
}

/* Counts; the second ends the walk. */
static nb_status second_ends(void *arg, const char *name, const char *path, nb_err *err)
{
    (void)path;
    return ++*(int *)arg == 2 ? nb_fail(err, NB_CANCELED, "%s", name) : NB_OK;
}

CHECK_TEST(ollama, a_walk_passes_over_other_files_and_ends_when_told)
{
    static const char good[] = "{\"layers\":[" LAYER("\"sha256:" HEX_A "\"") "]}";
    static const char *const tags[] = {".hidden", "-x", "a b", "1", "2", "3"};
    const char *dir = store("ollama-walk");
    char longer[1300];
    int n = 0;
    nb_err err = {0};
    for (size_t i = 0; i < countof(tags); i++)
        manifest(dir, "registry.ollama.ai/library/tale", tags[i], good);
    manifest(dir, "registry.ollama.ai/library/tale", "0", "{}");
    manifest(dir, "registry.ollama.ai/-library/tale", "0", good);
    test_spit(test_path(dir, "manifests/file"), "x", 1);
    check(nb_ollama_each(dir, second_ends, &n, &err) == NB_CANCELED, "%d models", n);
    check(n == 2 && strcmp(err.msg, "tale:2") == 0, "%d models, last %s", n, err.msg);
    n = 2;
    check(nb_ollama_each(dir, second_ends, &n, &err) == NB_OK && n == 5, "%d models", n);
    memset(longer, 'a', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    check(nb_ollama_each(longer, second_ends, &n, &err) == NB_OK && n == 5, "no path is this long");
}
