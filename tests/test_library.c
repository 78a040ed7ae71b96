/* The listing: what it finds, how variants nest, what it says of broken files, how fast (tui 1). */
#include "tests/check.h"

#include "core/base/file.h"
#include "core/base/job.h"
#include "core/base/str.h"
#include "core/files/gguf.h"
#include "core/files/library.h"
#include "tests/tree.h"
#include "tests/util.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A model file of one 32 x 4 matrix and its norm. */
static void write_gguf(const char *path, const char *name, const char *arch, nk_type_id type,
                       uint32_t file_type, uint32_t layers)
{
    nb_kvs *kvs;
    nb_str header = {0};
    uint64_t len;
    char key[64];
    nb_tensor t[2] = {
        {.name = "blk.0.attn_q.weight", .type = type, .n_dims = 2, .shape = {32, 4, 1, 1}},
        {.name = "output_norm.weight", .n_dims = 1, .shape = {32, 1, 1, 1}}};
    check(nb_kvs_open(&kvs, NULL) == NB_OK, "kvs");
    nb_kvs_put_str(kvs, "general.architecture", arch, strlen(arch), NULL);
    if (name)
        nb_kvs_put_str(kvs, "general.name", name, strlen(name), NULL);
    if (file_type != UINT32_MAX)
        nb_kvs_put_u32(kvs, "general.file_type", file_type, NULL);
    snprintf(key, sizeof key, "%s.block_count", arch);
    nb_kvs_put_u32(kvs, key, layers, NULL);
    snprintf(key, sizeof key, "%s.embedding_length", arch);
    nb_kvs_put_u32(kvs, key, 32, NULL);
    nb_err err;
    check(nb_gguf_layout(&header, kvs, t, 2, 32, &len, &err) == NB_OK, "%s", err.msg);
    char *bytes = calloc(1, len);
    memcpy(bytes, header.at, header.len);
    test_spit(path, bytes, len);
    free(bytes);
    nb_str_free(&header);
    nb_kvs_close(&kvs);
}

/* A Hugging Face folder of the same shape. */
static void write_folder(const char *dir)
{
    static const char config[] =
        "{\"architectures\":[\"LlamaForCausalLM\"],\"model_type\":\"llama\",\"hidden_size\":32,"
        "\"num_hidden_layers\":2,\"num_attention_heads\":4,\"vocab_size\":0}";
    static const char head[] =
        "{\"model.norm.weight\":{\"dtype\":\"BF16\",\"shape\":[32],\"data_offsets\":[0,64]},"
        "\"model.layers.0.self_attn.q_proj.weight\":{\"dtype\":\"BF16\",\"shape\":[4,32],"
        "\"data_offsets\":[64,320]}}";
    char bytes[8 + sizeof head - 1 + 320] = {(char)(sizeof head - 1)};
    uint64_t n = sizeof head - 1;
    memcpy(bytes, &n, 8);
    memcpy(bytes + 8, head, sizeof head - 1);
    check(nb_mkdirs(dir, NULL) == NB_OK, "mkdir %s", dir);
    test_spit(test_path(dir, "config.json"), config, sizeof config - 1);
    test_spit(test_path(dir, "model.safetensors"), bytes, sizeof bytes);
}

/* A machine of its own: every store inside one scratch folder, an empty current folder. */
typedef struct home {
    nb_config cfg;
    char dir[512];
} home;

static void home_make(home *h, const char *name)
{
    *h = (home){.cfg = {.writable = true}};
    snprintf(h->dir, sizeof h->dir, "%s/%s", test_tmpdir(), name);
    snprintf(h->cfg.data_dir, sizeof h->cfg.data_dir, "%s/data", h->dir);
    snprintf(h->cfg.hf_hub, sizeof h->cfg.hf_hub, "%s/hub", h->dir);
    char here[600], own[600];
    snprintf(here, sizeof here, "%s/here", h->dir);
    snprintf(own, sizeof own, "%s/data/models", h->dir);
    check(nb_mkdirs(own, NULL) == NB_OK && nb_mkdirs(here, NULL) == NB_OK &&
              nb_mkdirs(h->cfg.hf_hub, NULL) == NB_OK && chdir(here) == 0,
          "cannot make %s", h->dir);
}

static const char *in(const home *h, const char *name)
{
    return test_path(h->dir, name);
}

static nb_library *scan(const home *h, const char *const *paths, size_t n)
{
    nb_library *lib;
    nb_err err;
    check(nb_library_scan(&lib, &h->cfg, paths, n, NULL, &err) == NB_OK, "%s", err.msg);
    return lib;
}

static const nb_entry *entry(const nb_library *lib, const char *file)
{
    for (size_t i = 0; i < nb_library_count(lib); i++)
        if (strcmp(nb_library_at(lib, i)->file, file) == 0)
            return nb_library_at(lib, i);
    check(false, "%s is not listed", file);
    return NULL;
}

CHECK_TEST(library, lists_the_demo_from_its_headers)
{
    home h;
    home_make(&h, "demo");
    snprintf(h.cfg.demo_dir, sizeof h.cfg.demo_dir, "%s", test_data("nibble-demo"));
    nb_library *lib = scan(&h, NULL, 0);
    check(nb_library_count(lib) == 1, "%zu rows", nb_library_count(lib));
    const nb_entry *e = nb_library_at(lib, 0);
    check(e->store == NB_STORE_DEMO && e->is_dir && !e->unsupported, "store %d", e->store);
    check(strcmp(e->name, "nibble-demo") == 0 && !e->problem[0], "%s: %s", e->name, e->problem);
    check(strcmp(e->type_name, "bf16") == 0 && e->bpw == 16, "%s %g", e->type_name, e->bpw);
    check(e->params == 5770496 && e->n_layer == 6 && e->n_embd == 256 && e->n_ff == 768,
          "%llu weights", (unsigned long long)e->params);
    check(e->n_head == 4 && e->n_head_kv == 2 && e->head_dim == 64 && e->n_vocab == 2048, "heads");
    check(!e->tied && e->n_ctx == 512 && strcmp(e->arch, "llama") == 0, "%s", e->arch);
    nb_library_close(&lib);
    check(!lib, "not cleared");
}

CHECK_TEST(library, nests_variants_under_their_source)
{
    home h;
    home_make(&h, "nest");
    write_folder(in(&h, "data/models/Tale-Teller"));
    write_gguf(in(&h, "data/models/Tale-Teller-Q4_K_M.gguf"), "Tale Teller", "llama", NK_Q8_0, 15,
               2);
    write_gguf(in(&h, "data/models/renamed.gguf"), "tale teller", "llama", NK_Q4_0, 2, 2);
    write_gguf(in(&h, "data/models/Tale-Teller-f32.gguf"), "Tale Teller", "llama", NK_F32, 0, 2);
    write_gguf(in(&h, "data/models/Tale-Teller-Q8_0.gguf"), "Tale Teller", "llama", NK_Q8_0, 7, 3);
    write_gguf(in(&h, "data/models/Ant.gguf"), NULL, "llama", NK_F16, 1, 2);
    nb_library *lib = scan(&h, NULL, 0);
    check(nb_library_count(lib) == 6, "%zu rows", nb_library_count(lib));
    check(strcmp(nb_library_at(lib, 0)->name, "Ant") == 0, "first is %s",
          nb_library_at(lib, 0)->name);
    const nb_entry *source = entry(lib, "Tale-Teller");
    static const char *const made[] = {"Tale-Teller-Q4_K_M.gguf", "renamed.gguf",
                                       "Tale-Teller-f32.gguf"};
    for (size_t i = 0; i < countof(made); i++)
        check(strcmp(entry(lib, made[i])->source, source->name) == 0, "%s is from \"%s\"", made[i],
              entry(lib, made[i])->source);
    check(!source->source[0] && source->is_dir, "the folder is a source");
    check(!entry(lib, "Tale-Teller-Q8_0.gguf")->source[0], "another depth is another model");
    size_t at = 0;
    while (nb_library_at(lib, at) != source)
        at++;
    for (size_t i = 1; i <= countof(made); i++)
        check(strcmp(nb_library_at(lib, at + i)->source, source->name) == 0, "row %zu after it", i);
    check(strcmp(entry(lib, "Tale-Teller-Q4_K_M.gguf")->type_name, "Q4_K_M") == 0, "label");
    check(strcmp(entry(lib, "Tale-Teller-f32.gguf")->type_name, "f32") == 0, "float label");
    nb_library_close(&lib);
}

CHECK_TEST(library, reads_the_hugging_face_cache_and_writes_nothing)
{
    home h;
    home_make(&h, "hub");
    static const char main_commit[] = "0123456789abcdef0123456789abcdef01234567";
    char path[1200], link_to[1300];
    snprintf(path, sizeof path, "%s/models--org--tale/snapshots/%s", h.cfg.hf_hub, main_commit);
    write_folder(path);
    snprintf(link_to, sizeof link_to, "%s/model.safetensors", path);
    snprintf(path, sizeof path, "%s/models--org--tale/snapshots/older", h.cfg.hf_hub);
    nb_mkdirs(path, NULL);
    test_spit(test_path(path, "config.json"), "{}", 2);
    check(symlink(link_to, test_path(path, "model.safetensors")) == 0, "symlink");
    snprintf(path, sizeof path, "%s/models--org--tale/refs", h.cfg.hf_hub);
    nb_mkdirs(path, NULL);
    test_spit(test_path(path, "main"), main_commit, 40);
    snprintf(path, sizeof path, "%s/models--me--tale-GGUF/snapshots/%s", h.cfg.hf_hub, main_commit);
    nb_mkdirs(path, NULL);
    write_gguf(test_path(path, "tale-Q4_0.gguf"), "Tale", "llama", NK_Q4_0, 2, 2);
    check(chmod(h.cfg.hf_hub, 0555) == 0, "chmod");
    nb_library *lib = scan(&h, NULL, 0);
    chmod(h.cfg.hf_hub, 0755);
    check(nb_library_count(lib) == 2, "%zu rows: shared blobs count once", nb_library_count(lib));
    const nb_entry *e = nb_library_at(lib, 0), *q = nb_library_at(lib, 1);
    check(strcmp(e->name, "org/tale") == 0 && e->store == NB_STORE_HF, "%s", e->name);
    check(strstr(e->path, main_commit), "refs/main goes first: %s", e->path);
    check(strcmp(q->name, "me/tale-GGUF") == 0 && strcmp(q->source, "org/tale") == 0, "%s from %s",
          q->name, q->source);
    nb_library_close(&lib);

    static const struct {
        const char *model, *want;
    } row[] = {{"org/tale", main_commit},
               {"me/tale-GGUF", "tale-Q4_0.gguf"},
               {"me/tale-GGUF:q4_0", "tale-Q4_0.gguf"},
               {"me/tale-GGUF:Q4", NULL},
               {"org/none", NULL}};
    for (size_t i = 0; i < countof(row); i++) {
        char found[1024] = "";
        nb_err err;
        nb_status st = nb_library_resolve(&h.cfg, row[i].model, found, sizeof found, &err);
        if (row[i].want)
            check(st == NB_OK && strstr(found, row[i].want), "%s: %s", row[i].model, found);
        else
            check(st == NB_NOTFOUND && err.msg[0], "%s: status %d", row[i].model, st);
    }
}

CHECK_TEST(library, tells_what_is_wrong_with_a_file)
{
    home h;
    home_make(&h, "broken");
    write_gguf(in(&h, "here/strange.gguf"), NULL, "rwkv6", NK_Q8_0, 7, 2);
    write_gguf(in(&h, "here/half-00001-of-00002.gguf"), NULL, "llama", NK_Q8_0, 7, 2);
    test_spit(in(&h, "here/page.gguf"), "<!DOCTYPE html><html>", 21);
    test_spit(in(&h, "here/notes.txt"), "hello", 5);
    static const char config[] =
        "{\"model_type\":\"llama\",\"quantization_config\":{\"quant_method\":\"spqr\"}}";
    write_folder(in(&h, "here/packed"));
    test_spit(in(&h, "here/packed/config.json"), config, sizeof config - 1);
    const char *missing = in(&h, "absent.gguf");
    nb_library *lib = scan(&h, &missing, 1);
    static const struct {
        const char *file, *says;
        bool unsupported;
    } row[] = {{"strange.gguf", "rwkv6", true},
               {"half-00001-of-00002.gguf", "half-00002-of-00002.gguf", false},
               {"page.gguf", "page.gguf", false},
               {"packed", "spqr", true},
               {"absent.gguf", "absent.gguf", false}};
    check(nb_library_count(lib) == countof(row), "%zu rows", nb_library_count(lib));
    for (size_t i = 0; i < countof(row); i++) {
        const nb_entry *e = entry(lib, row[i].file);
        check(strstr(e->problem, row[i].says), "%s: \"%s\"", row[i].file, e->problem);
        check(e->unsupported == row[i].unsupported, "%s: unsupported %d", row[i].file,
              e->unsupported);
    }
    nb_library_close(&lib);
}

CHECK_TEST(library, counts_all_shards_of_a_model)
{
    home h;
    home_make(&h, "shards");
    static const char index[] =
        "{\"weight_map\":{\"a\":\"model.safetensors\",\"b\":\"model.safetensors\","
        "\"c\":\"gone.safetensors\"}}";
    write_folder(in(&h, "here/whole"));
    write_folder(in(&h, "here/part"));
    test_spit(in(&h, "here/part/model.safetensors.index.json"), index, sizeof index - 1);
    write_folder(in(&h, "loose"));
    unlink(in(&h, "loose/config.json"));
    const char *given[] = {in(&h, "loose/model.safetensors"),
                           in(&h, "here/whole/model.safetensors")};
    nb_library *lib = scan(&h, given, 2);
    check(nb_library_count(lib) == 3, "%zu rows", nb_library_count(lib));
    const nb_entry *whole = entry(lib, "whole"), *part = entry(lib, "part");
    check(whole->params == 160 && whole->is_dir && whole->store == NB_STORE_GIVEN,
          "a file names its folder");
    check(whole->tied && whole->n_head_kv == 4 && whole->head_dim == 8 && !whole->problem[0], "%s",
          whole->problem);
    check(strstr(part->problem, "gone.safetensors"), "%s", part->problem);
    const nb_entry *loose = entry(lib, "model.safetensors");
    check(loose->unsupported && strstr(loose->problem, "config.json"), "%s", loose->problem);
    nb_library_close(&lib);
    write_gguf(in(&h, "here/s-00001-of-00002.gguf"), NULL, "llama", NK_Q8_0, 7, 2);
    write_gguf(in(&h, "here/s-00002-of-00002.gguf"), NULL, "llama", NK_Q8_0, 7, 2);
    lib = scan(&h, NULL, 0);
    const nb_entry *s = entry(lib, "s-00001-of-00002.gguf");
    check(nb_library_count(lib) == 3 && s->params == 320 && strcmp(s->name, "s") == 0,
          "%llu weights of %s", (unsigned long long)s->params, s->name);
    nb_library_close(&lib);
}

CHECK_TEST(library, resolves_names_and_says_where_it_looked)
{
    home h;
    home_make(&h, "find");
    char path[1024];
    nb_err err;
    snprintf(h.cfg.demo_dir, sizeof h.cfg.demo_dir, "%s", test_data("nibble-demo"));
    write_gguf(in(&h, "data/models/tale-Q8_0.gguf"), "Tale", "llama", NK_Q8_0, 7, 2);
    check(nb_library_resolve(&h.cfg, "demo", path, sizeof path, &err) == NB_OK &&
              strcmp(path, h.cfg.demo_dir) == 0,
          "demo is %s", path);
    check(nb_library_resolve(&h.cfg, "tale-Q8_0", path, sizeof path, &err) == NB_OK &&
              strstr(path, "data/models/tale-Q8_0.gguf"),
          "%s", path);
    check(nb_library_resolve(&h.cfg, h.dir, path, sizeof path, &err) == NB_OK &&
              strcmp(path, h.dir) == 0,
          "%s", path);
    check(nb_library_resolve(&h.cfg, h.dir, path, 4, &err) == NB_USAGE, "a short buffer");
    /* A20: nothing outside the stores is ever named */
    static const char *const bad[] = {
        "",      "nothing", "../../etc/passwd", "a/../b", "..", "org/..", "-rf/x", "a//b",
        "a/b/c", "a/b:",    "\x01/b",           "a/b\n"};
    for (size_t i = 0; i < countof(bad); i++) {
        nb_status st = nb_library_resolve(&h.cfg, bad[i], path, sizeof path, &err);
        check(st == NB_NOTFOUND || nb_exists(bad[i]), "\"%s\" became %s", bad[i], path);
    }
    nb_library_resolve(&h.cfg, "nothing", path, sizeof path, &err);
    check(strstr(err.msg, "data/models"), "%s", err.msg);
}

/* --- stores of other programs -----------------------------------------------------------------
 */

static const char digest[] = "00aa11bb22cc33dd44ee55ff00aa11bb22cc33dd44ee55ff00aa11bb22cc33dd";

static void write_manifest(const home *h, const char *name, const char *media, const char *layer)
{
    char dir[1200], text[600];
    snprintf(dir, sizeof dir, "%s/manifests/%s", h->cfg.ollama, name);
    char *slash = strrchr(dir, '/');
    *slash = '\0';
    check(nb_mkdirs(dir, NULL) == NB_OK, "mkdir %s", dir);
    *slash = '/';
    snprintf(
        text, sizeof text,
        "{\"schemaVersion\":2,\"config\":{\"digest\":\"sha256:%s\"},\"layers\":["
        "{\"mediaType\":\"application/vnd.ollama.image.projector\",\"digest\":\"sha256:%064d\"},"
        "{\"mediaType\":\"%s\",\"digest\":\"%s\",\"size\":5}]}",
        digest, 7, media, layer);
    test_spit(dir, text, strlen(text));
}

static const char model_media[] = "application/vnd.ollama.image.model";

static void ollama_make(home *h, const char *name)
{
    char path[1200];
    home_make(h, name);
    snprintf(h->cfg.ollama, sizeof h->cfg.ollama, "%s/ollama", h->dir);
    snprintf(path, sizeof path, "%s/blobs", h->cfg.ollama);
    nb_mkdirs(path, NULL);
    snprintf(path, sizeof path, "%s/blobs/sha256-%s", h->cfg.ollama, digest);
    write_gguf(path, "Tale Teller", "llama", NK_Q4_0, 2, 2);
}

CHECK_TEST(library, lists_and_opens_the_store_of_ollama_and_writes_nothing)
{
    static const struct {
        const char *manifest, *shown, *wish;
    } rows[] = {
        {"registry.ollama.ai/library/tale/3b", "ollama: tale:3b", "ollama:tale:3b"},
        {"registry.ollama.ai/library/tale/latest", "ollama: tale:latest", "ollama:tale"},
        {"registry.ollama.ai/me/tale/q4", "ollama: me/tale:q4", "ollama:me/tale:q4"},
        {"hf.co/org/tale-GGUF/Q4_0", "ollama: hf.co/org/tale-GGUF:Q4_0",
         "ollama:hf.co/org/tale-GGUF:Q4_0"},
    };
    for (size_t i = 0; i < countof(rows); i++) {
        home h;
        char name[32], layer[80], path[1024], want[1200];
        nb_err err = {0};
        snprintf(name, sizeof name, "ollama%d", (int)i);
        snprintf(layer, sizeof layer, "sha256:%s", digest);
        ollama_make(&h, name);
        write_manifest(&h, rows[i].manifest, model_media, layer);
        write_folder(in(&h, "data/models/tale"));
        char *before = tree_text(h.cfg.ollama);
        nb_library *lib = scan(&h, NULL, 0);
        char *after = tree_text(h.cfg.ollama);
        check(nb_library_count(lib) == 2, "%zu rows", nb_library_count(lib));
        const nb_entry *e = entry(lib, rows[i].shown + 8);
        snprintf(want, sizeof want, "%s/blobs/sha256-%s", h.cfg.ollama, digest);
        check(strcmp(e->name, rows[i].shown) == 0 && e->store == NB_STORE_OLLAMA, "%s", e->name);
        check(strcmp(e->path, want) == 0 && !e->problem[0] && e->params == 160, "%s: %s", e->path,
              e->problem);
        check(strcmp(e->type_name, "Q4_0") == 0, "%s", e->type_name);
        check(i == 3 || strcmp(e->source, "tale") == 0, "nests under \"%s\"", e->source);
        nb_library_close(&lib);
        check(strcmp(before, after) == 0, "the store changed");
        check(nb_library_resolve(&h.cfg, rows[i].wish, path, sizeof path, &err) == NB_OK &&
                  strcmp(path, want) == 0,
              "%s: %s", rows[i].wish, err.msg);
        free(before);
        free(after);
    }
}

CHECK_TEST(library, hostile_manifests_and_names_open_nothing) /* A20: CVE-2024-37032 */
{
    home h;
    char layer[300], path[1024], upper[80], nul[80];
    nb_err err = {0};
    ollama_make(&h, "manifest");
    test_spit(test_path(h.dir, "victim"), "GGUF", 4);
    snprintf(upper, sizeof upper, "sha256:%s", digest);
    upper[9] = 'A';
    snprintf(nul, sizeof nul, "sha256:%.63s", digest);
    const char *const bad[] = {
        "",
        "sha256:",
        "sha256:../../victim",
        "sha256:../../../../../../etc/passwd",
        digest,
        upper,
        nul,
        "sha256-00aa11bb22cc33dd44ee55ff00aa11bb22cc33dd44ee55ff00aa11bb22cc33dd",
        "md5:00aa11bb22cc33dd44ee55ff00aa11bb22cc33dd44ee55ff00aa11bb22cc33dd",
        "sha256:00aa11bb22cc33dd44ee55ff00aa11bb22cc33dd44ee55ff00aa11bb22cc33d/",
        "sha256:00aa11bb22cc33dd44ee55ff00aa11bb22cc33dd44ee55ff00aa11bb22cc33dd0",
        "sha256:00aa11bb22cc33dd44ee55ff00aa11bb22cc33dd44ee55ff00aa11bb22cc33dd/../../../victim",
        "sha256:%2e%2e/victim",
        "sha256:0000000000000000000000000000000000000000000000000000000000000000"};
    for (size_t i = 0; i < countof(bad); i++) {
        write_manifest(&h, "registry.ollama.ai/library/evil/latest", model_media, bad[i]);
        nb_status st = nb_library_resolve(&h.cfg, "ollama:evil", path, sizeof path, &err);
        check((st == NB_FORMAT || st == NB_NOTFOUND) && err.msg[0], "%s became %s", bad[i], path);
        nb_library *lib = scan(&h, NULL, 0);
        check(nb_library_count(lib) == 0, "%s is listed", bad[i]);
        nb_library_close(&lib);
    }
    snprintf(layer, sizeof layer, "sha256:%s", digest);
    write_manifest(&h, "registry.ollama.ai/library/evil/latest",
                   "application/vnd.ollama.image.projector", layer);
    check(nb_library_resolve(&h.cfg, "ollama:evil", path, sizeof path, &err) == NB_FORMAT,
          "a projector is no model");
    static const char *const texts[] = {"",
                                        "[]",
                                        "{}",
                                        "{\"layers\":7}",
                                        "{\"layers\":[7,null,{}]}",
                                        "{\"layers\":[{\"mediaType\":1,\"digest\":2}]}",
                                        "{\"layers\":[",
                                        "<html>"};
    const char *file = in(&h, "ollama/manifests/registry.ollama.ai/library/evil/latest");
    char manifest[1200];
    snprintf(manifest, sizeof manifest, "%s", file);
    for (size_t i = 0; i < countof(texts); i++) {
        test_spit(manifest, texts[i], strlen(texts[i]));
        check(nb_library_resolve(&h.cfg, "ollama:evil", path, sizeof path, &err) == NB_FORMAT,
              "%s: %s", texts[i], err.msg);
    }
    char *huge = malloc(2 << 20);
    memset(huge, ' ', 2 << 20);
    test_spit(manifest, huge, 2 << 20);
    check(nb_library_resolve(&h.cfg, "ollama:evil", path, sizeof path, &err) == NB_FORMAT &&
              strstr(err.msg, "limit"),
          "%s", err.msg);
    memset(huge, '[', 2000);
    test_spit(manifest, huge, 2000);
    check(nb_library_resolve(&h.cfg, "ollama:evil", path, sizeof path, &err) == NB_FORMAT, "deep");
    free(huge);
    static const char *const names[] = {
        "ollama:",        "ollama:../x", "ollama:..",  "ollama:a/../../x",
        "ollama:a:../x",  "ollama:a:",   "ollama:/a",  "ollama:a//b",
        "ollama:a/b/c/d", "ollama:-x",   "ollama:.a",  "ollama:a b",
        "ollama:a\nb",    "ollama:a\\b", "ollama:~/x", "ollama::x"};
    for (size_t i = 0; i < countof(names); i++)
        check(nb_library_resolve(&h.cfg, names[i], path, sizeof path, &err) == NB_NOTFOUND, "%s",
              names[i]);
}

CHECK_TEST(library, lists_and_opens_the_folders_of_lm_studio)
{
    home h;
    char path[1024];
    nb_err err = {0};
    home_make(&h, "lmstudio");
    snprintf(h.cfg.lmstudio[0], sizeof h.cfg.lmstudio[0], "%s/none", h.dir);
    snprintf(h.cfg.lmstudio[1], sizeof h.cfg.lmstudio[1], "%s/lm", h.dir);
    nb_mkdirs(in(&h, "lm/pub/tale-GGUF"), NULL);
    write_gguf(in(&h, "lm/pub/tale-GGUF/tale-Q4_0.gguf"), "Tale", "llama", NK_Q4_0, 2, 2);
    write_gguf(in(&h, "lm/pub/tale-GGUF/mmproj-tale-F16.gguf"), "Tale", "clip", NK_F16, 1, 2);
    write_folder(in(&h, "lm/mlx/tale-bf16"));
    write_gguf(in(&h, "lm/stray.gguf"), "Stray", "llama", NK_Q4_0, 2, 2);
    nb_library *lib = scan(&h, NULL, 0);
    check(nb_library_count(lib) == 2, "%zu rows", nb_library_count(lib));
    const nb_entry *e = entry(lib, "tale-Q4_0.gguf");
    check(strcmp(e->name, "pub/tale-GGUF") == 0 && e->store == NB_STORE_LMSTUDIO && !e->problem[0],
          "%s", e->name);
    check(strcmp(entry(lib, "tale-bf16")->name, "mlx/tale-bf16") == 0, "safetensors");
    nb_library_close(&lib);
    check(nb_library_resolve(&h.cfg, "pub/tale-GGUF", path, sizeof path, &err) == NB_OK &&
              nb_has_suffix(path, "/tale-Q4_0.gguf"),
          "%s%s", path, err.msg);
    check(nb_library_resolve(&h.cfg, "pub/tale-GGUF:q4_0", path, sizeof path, &err) == NB_OK,
          "by tag: %s", err.msg);
    check(nb_library_resolve(&h.cfg, "pub/none", path, sizeof path, &err) == NB_NOTFOUND, "none");
}

static bool always(void *ud)
{
    (void)ud;
    return true;
}

CHECK_TEST(library, cancels)
{
    home h;
    home_make(&h, "cancel");
    write_gguf(in(&h, "here/a.gguf"), NULL, "llama", NK_Q8_0, 7, 2);
    nb_hooks hooks = {.canceled = always};
    nb_library *lib = NULL;
    nb_err err;
    check(nb_library_scan(&lib, &h.cfg, NULL, 0, &hooks, &err) == NB_CANCELED && !lib, "%s",
          err.msg);
}

/* tui row 1: 500 files well under 150 ms. The bound is wide for a busy machine; the time is
 * printed. */
CHECK_TEST(library, scans_500_files_in_little_time)
{
    home h;
    home_make(&h, "many");
    for (int i = 0; i < 500; i++) {
        char name[64];
        snprintf(name, sizeof name, "data/models/m%03d-Q8_0.gguf", i);
        write_gguf(in(&h, name), "Many", "llama", NK_Q8_0, 7, (uint32_t)i + 1);
    }
    double best = 1e9;
    for (int round = 0; round < 3; round++) {
        double start = nb_now();
        nb_library *lib = scan(&h, NULL, 0);
        double took = nb_now() - start;
        check(nb_library_count(lib) == 500, "%zu rows", nb_library_count(lib));
        nb_library_close(&lib);
        best = took < best ? took : best;
    }
    fprintf(stderr, "library: 500 files in %.1f ms\n", best * 1e3);
    check(best < test_within(0.3), "%.0f ms", best * 1e3);
}
