/* hub 25: the header of a model that is still on the Hub: how many requests and bytes it costs,
 * what it tells, and servers that answer something else. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/file.h"
#include "downloads/hub.h"
#include "tests/check.h"
#include "tests/gguf_file.h"
#include "tests/net_rig.h"
#include "tests/util.h"

enum { KIB = 1 << 10, MIB = 1 << 20 };

typedef struct got {
    nb_status status;
    dl_trouble trouble;
    nb_err err;
    dl_header h;
    uint64_t bytes;  /* of bodies received, error texts included */
    size_t requests; /* to the storage, or to the Hub's own for what lies in git */
} got;

static got read_header(net_rig *rig, const char *id, const char *path)
{
    got g = {.trouble = DL_TROUBLES};
    fake_repo *repo = fake_hub_repo(rig->hub, id);
    char oid[65];
    dl_file f = {.path = path};
    dl_net_view before, after;
    check(repo && fake_repo_listed(repo, path, &f.size, oid), "no %s in %s", path, id);
    fake_hub_log_clear(rig->hub);
    dl_net_look(rig->net, &before);
    g.status =
        dl_hub_header(rig->net, id, fake_repo_head(repo), &f, &g.h, &g.trouble, NULL, &g.err);
    dl_net_look(rig->net, &after);
    g.bytes = after.received - before.received;
    g.requests = fake_hub_count(rig->hub, FAKE_CDN, NULL, NULL) +
                 fake_hub_count(rig->hub, FAKE_HUB, NULL, "/api/resolve-cache/*");
    check((g.status == NB_OK) == (g.trouble == DL_OK) || g.trouble == DL_OK, "%d with %s", g.status,
          dl_trouble_name(g.trouble));
    check(g.status != NB_OK || g.h.requests == (int)g.requests, "%d told, %zu made", g.h.requests,
          g.requests);
    return g;
}

/* A file whose first bytes are these and the rest noise. */
static void add_file(fake_repo *repo, const char *path, const nb_str *head, uint64_t size)
{
    nb_err err = {0};
    check(fake_repo_file(repo,
                         &(fake_file){.path = path,
                                      .size = size,
                                      .head = head->at,
                                      .head_size = head->len,
                                      .seed = 1,
                                      .sha256 = "0123456789abcdef0123456789abcdef"
                                                "0123456789abcdef0123456789abcdef"},
                         &err) == NB_OK,
          "%s", err.msg);
}

/* n tensors of one float, whose header is of about n * 70 bytes. */
static uint64_t add_safetensors(fake_repo *repo, const char *path, unsigned n)
{
    nb_str json = {0}, head = {0};
    for (unsigned i = 0; i < n; i++)
        nb_str_addf(&json,
                    "%s\"layer.%06u\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[%u,%u]}",
                    i ? "," : "{", i, 4 * i, 4 * i + 4);
    nb_str_add(&json, "}");
    gg_int(&head, json.len, 8);
    nb_str_addn(&head, json.at, json.len);
    add_file(repo, path, &head, head.len + 4ull * n);
    uint64_t len = head.len;
    nb_str_free(&json);
    nb_str_free(&head);
    return len;
}

CHECK_TEST(hub_header, a_gguf_header_tells_its_tensors_hub_25)
{
    static const struct {
        const char *id, *path, *arch;
        size_t tensors;
        nk_type_id type;
        size_t requests; /* at most */
        uint64_t bytes;  /* at most */
    } rows[] = {
        {"gguf-mill/Tarn-135M-Instruct-GGUF", "Tarn-135M-Instruct-Q4_0.gguf", "llama", 272, NK_Q4_0,
         2, MIB + 16 * KIB},
        {"gguf-mill/Harbor-1.1B-Chat-GGUF", "Harbor-1.1B-Chat-Q8_0.gguf", "llama", 201, NK_Q8_0, 2,
         MIB + 16 * KIB},
        {"gguf-mill/Tarn-0.6B-GGUF", "Tarn-0.6B-BF16.gguf", "qwen3", 310, NK_BF16, 3,
         6 * MIB}, /* 2 MB of vocabulary: paged */
    };
    net_rig rig = rig_up(NULL, NULL);
    nb_err err = {0};
    check(fake_hub_load(rig.hub, NB_TEST_ROOT "/tests/hub/demo-hub.json", NULL, &err) == NB_OK,
          "%s", err.msg);
    for (size_t i = 0; i < countof(rows); i++) {
        got g = read_header(&rig, rows[i].id, rows[i].path);
        check(g.status == NB_OK && g.h.gguf && !g.h.safetensors, "%s: %s", rows[i].path, g.err.msg);
        check(g.h.g.n_tensors == rows[i].tensors, "%s: %zu tensors", rows[i].path, g.h.g.n_tensors);
        check(g.requests <= rows[i].requests && g.bytes <= rows[i].bytes, "%s: %zu, %llu",
              rows[i].path, g.requests, (unsigned long long)g.bytes);
        size_t of_type = 0;
        for (size_t k = 0; k < g.h.g.n_tensors; k++)
            of_type += g.h.g.tensors[k].type == rows[i].type;
        check(of_type > rows[i].tensors / 3, "%s: %zu of the type", rows[i].path, of_type);
        nb_entry e;
        nb_entry_from_gguf(&e, &g.h.g, rows[i].path);
        check(strcmp(e.arch, rows[i].arch) == 0 && e.n_layer && e.n_vocab && e.params > 100000000,
              "%s: %s", rows[i].path, e.arch);
        dl_header_free(&g.h);
    }
    rig_down(&rig);
}

CHECK_TEST(hub_header, a_safetensors_header_is_asked_to_the_byte_hub_25)
{
    static const struct {
        unsigned tensors;
        size_t requests;
    } rows[] = {{1, 1}, {10, 1}, {1000, 1}, {4000, 2}, {14000, 2}, {40000, 2}};
    net_rig rig = rig_up(NULL, NULL);
    for (size_t i = 0; i < countof(rows); i++) {
        uint64_t head = add_safetensors(rig.repo, "model.safetensors", rows[i].tensors);
        got g = read_header(&rig, "ns/repo", "model.safetensors");
        check(g.status == NB_OK && g.h.safetensors && g.h.s.n_tensors == rows[i].tensors, "%s",
              g.err.msg);
        check(g.requests == rows[i].requests, "%u tensors: %zu requests", rows[i].tensors,
              g.requests);
        uint64_t most = head < 128 * KIB ? 128 * KIB : head;
        check(g.h.bytes.len <= most, "%u tensors: %zu bytes of a header of %llu", rows[i].tensors,
              g.h.bytes.len, (unsigned long long)head);
        dl_header_free(&g.h);
    }
    rig_down(&rig);
}

/* Small files come whole, wherever they lie. */
CHECK_TEST(hub_header, a_small_file_is_one_request_hub_25)
{
    gg_file f;
    gg_build(&f);
    net_rig rig = rig_up(NULL, NULL);
    for (fake_store store = FAKE_AUTO; store <= FAKE_LFS; store++) {
        check(fake_repo_file(
                  rig.repo,
                  &(fake_file){
                      .path = "s.gguf", .bytes = f.bytes.at, .size = f.bytes.len, .store = store},
                  NULL) == NB_OK,
              "no file");
        got g = read_header(&rig, "ns/repo", "s.gguf");
        check(g.status == NB_OK && g.requests == 1 && g.h.g.n_tensors == 2, "store %d: %s", store,
              g.err.msg);
        dl_header_free(&g.h);
    }
    nb_str_free(&f.bytes);
    rig_down(&rig);
}

/* --- files that are none -----------------------------------------------------------------------
 */

CHECK_TEST(hub_header, wrong_bytes_are_told_soon_hub_25)
{
    static const struct {
        const char *path;
        uint64_t size;
        nb_status status;
        size_t requests;
        uint64_t number[3]; /* of 8 bytes behind the magic: version and counts, or header length */
    } rows[] = {
        {"noise.gguf", 5 * MIB, NB_FORMAT, 1, {0}},
        {"counts.gguf", 5 * MIB, NB_FORMAT, 1, {3, UINT64_MAX, UINT64_MAX}},
        {"cut.gguf", 200, NB_FORMAT, 1, {3, 1, 1}},
        {"long.safetensors", 5 * MIB, NB_FORMAT, 1, {UINT64_MAX}},
        {"longer.safetensors", 5 * MIB, NB_FORMAT, 1, {6 * MIB}},
        {"noise.safetensors", 5 * MIB, NB_FORMAT, 1, {100}},
        {"short.safetensors", 7, NB_FORMAT, 1, {0}},
        {"empty.gguf", 0, NB_UNSUPPORTED, 0, {0}},
        {"pickle.bin", 5 * MIB, NB_UNSUPPORTED, 0, {0}},
    };
    net_rig rig = rig_up(NULL, NULL);
    for (size_t i = 0; i < countof(rows); i++) {
        nb_str head = {0};
        bool gguf = nb_has_suffix(rows[i].path, ".gguf");
        if (gguf && rows[i].number[0]) {
            nb_str_add(&head, "GGUF");
            gg_int(&head, rows[i].number[0], 4);
            gg_int(&head, rows[i].number[1], 8);
            gg_int(&head, rows[i].number[2], 8);
        } else if (!gguf && rows[i].number[0]) {
            gg_int(&head, rows[i].number[0], 8);
        }
        if (head.len <= rows[i].size)
            add_file(rig.repo, rows[i].path, &head, rows[i].size);
        got g = read_header(&rig, "ns/repo", rows[i].path);
        check(g.status == rows[i].status && g.trouble == DL_OK &&
                  fix_starts(g.err.msg, rows[i].path),
              "%s: %d %s", rows[i].path, g.status, g.err.msg);
        check(g.requests == rows[i].requests && g.bytes <= 132 * KIB, "%s: %zu requests, %llu",
              rows[i].path, g.requests, (unsigned long long)g.bytes);
        nb_str_free(&head);
    }
    rig_down(&rig);
}

/* A header that says it goes on and on is followed for 64 MiB and no further. */
CHECK_TEST(hub_header, a_header_without_end_is_given_up_hub_25)
{
    net_rig rig = rig_up(NULL, NULL);
    nb_str head = {0};
    nb_str_add(&head, "GGUF");
    gg_int(&head, 3, 4);
    gg_int(&head, 0, 8);
    gg_int(&head, 1, 8);
    gg_text(&head, "a");
    gg_int(&head, 9, 4);  /* an array */
    gg_int(&head, 12, 4); /* of doubles */
    gg_int(&head, 10 * MIB, 8);
    add_file(rig.repo, "long.gguf", &head, 100 * MIB);
    got g = read_header(&rig, "ns/repo", "long.gguf");
    check(g.status == NB_UNSUPPORTED && strstr(g.err.msg, "64 MiB"), "%s", g.err.msg);
    check(g.bytes <= 65 * MIB && g.requests <= 18, "%llu bytes, %zu requests",
          (unsigned long long)g.bytes, g.requests);
    nb_str_free(&head);
    rig_down(&rig);
}

/* --- servers that answer something else --------------------------------------------------------
 */

CHECK_TEST(hub_header, servers_that_send_other_bytes_are_not_believed_hub_25)
{
    static const struct {
        const char *fault;
        nb_status status;
        dl_trouble trouble;
        const char *says;
    } rows[] = {
        {"ignore_range", NB_NETWORK, DL_BAD_REPLY, "only all of it"},
        {"shift_range=1", NB_NETWORK, DL_BAD_REPLY, "asked for bytes 0 to 131071"},
        {"short=5", NB_NETWORK, DL_BAD_REPLY, "131067 bytes"},
        {"no_content_range", NB_NETWORK, DL_BAD_REPLY, "HTTP 206"},
        {"extra=5", NB_REFUSED, DL_TOO_BIG, "131072"},
        {"gzip", NB_NETWORK, DL_BAD_REPLY, "compressed"},
        {"bad_len=77777777", NB_HASH, DL_WRONG_SIZE, "77777777"},
        {"status=403", NB_NETWORK, DL_CDN_REFUSED, "storage"},
        {"status=404", NB_NETWORK, DL_CDN_REFUSED, "storage"},
        {"status=503", NB_NETWORK, DL_SERVER, "HTTP 503"},
        {"drop_after=1000", NB_NETWORK, DL_UNREACHABLE, "127.0.0.1"},
        {"loop", NB_NETWORK, DL_REDIRECTS, "itself"},
    };
    const dl_options opt = {.patience = .2};
    for (size_t i = 0; i < countof(rows); i++) {
        char line[128];
        net_rig rig = rig_up(&opt, NULL);
        add_safetensors(rig.repo, "model.safetensors", 4000);
        snprintf(line, sizeof line, "GET cdn:* %s", rows[i].fault);
        fix_fault(rig.hub, line);
        got g = read_header(&rig, "ns/repo", "model.safetensors");
        check(g.status == rows[i].status && g.trouble == rows[i].trouble, "%s: %d %s: %s",
              rows[i].fault, g.status, dl_trouble_name(g.trouble), g.err.msg);
        check(fix_starts(g.err.msg, "model.safetensors: ") && strstr(g.err.msg, rows[i].says),
              "%s: %s", rows[i].fault, g.err.msg);
        check(g.bytes <= 256 * KIB, "%s: %llu bytes were taken", rows[i].fault,
              (unsigned long long)g.bytes);
        rig_down(&rig);
    }
}

/* The same faults on a file that comes whole do no harm where the bytes are right. */
CHECK_TEST(hub_header, a_whole_file_needs_no_ranges_hub_25)
{
    net_rig rig = rig_up(NULL, NULL);
    add_safetensors(rig.repo, "model.safetensors", 10);
    fix_fault(rig.hub, "GET cdn:* ignore_range");
    got g = read_header(&rig, "ns/repo", "model.safetensors");
    check(g.status == NB_OK && g.h.s.n_tensors == 10, "%s", g.err.msg);
    dl_header_free(&g.h);
    rig_down(&rig);
}

/* --- the model as a row of the library ---------------------------------------------------------
 */

static const char config[] =
    "{\"model_type\":\"llama\",\"architectures\":[\"LlamaForCausalLM\"],\"hidden_size\":2048,"
    "\"intermediate_size\":5632,\"num_hidden_layers\":22,\"num_attention_heads\":32,"
    "\"num_key_value_heads\":4,\"vocab_size\":32000,\"max_position_embeddings\":2048}";

typedef struct entry_row {
    const char *id, *safetensors;
    bool config, weights, gguf, shards;
    nb_status status;
    uint64_t layers, params;
} entry_row;

static void entry_of(net_rig *rig, const entry_row *row)
{
    fake_repo *repo =
        fake_hub_add(rig->hub, &(fake_repo_info){.id = row->id, .safetensors = row->safetensors});
    gg_file f;
    gg_build(&f);
    if (row->config)
        fake_repo_text(repo, "config.json", config);
    if (row->weights)
        add_safetensors(repo, "model.safetensors", 3);
    const fake_file gguf = {.path = row->shards ? "m-Q4_0-00001-of-00002.gguf" : "m-Q4_0.gguf",
                            .bytes = f.bytes.at,
                            .size = f.bytes.len};
    if (row->gguf)
        check(fake_repo_file(repo, &gguf, NULL) == NB_OK, "no file");
    if (row->gguf && row->shards)
        fake_repo_noise(repo, "m-Q4_0-00002-of-00002.gguf", 100, 1);
    dl_repo r;
    dl_choices cs;
    nb_entry e;
    nb_err err = {0};
    check(dl_hub_repo(rig->net, row->id, NULL, &r, NULL, NULL, &err) == NB_OK, "%s", err.msg);
    check(dl_choices_make(&r, &cs, &err) == NB_OK, "%s", err.msg);
    fake_hub_log_clear(rig->hub);
    check(dl_hub_entry(rig->net, &r, &cs, &e, NULL, &err) == row->status, "%s: %s", row->id,
          err.msg);
    if (row->status == NB_OK)
        check(e.n_layer == row->layers && e.params == row->params, "%s: %llu layers, %llu", row->id,
              (unsigned long long)e.n_layer, (unsigned long long)e.params);
    check(fake_hub_count(rig->hub, FAKE_PORTS, NULL, NULL) <= 2, "%s: too many requests", row->id);
    dl_choices_free(&cs);
    dl_repo_free(&r);
    nb_str_free(&f.bytes);
}

CHECK_TEST(hub_header, a_model_is_known_before_it_is_fetched_hub_25)
{
    static const char told[] = "{\"parameters\":{\"BF16\":1100048384},\"total\":1100048384}";
    static const entry_row rows[] = {
        {"ns/told", told, true, true, false, false, NB_OK, 22, 1100048384},
        {"ns/m-7B", NULL, true, true, false, false, NB_OK, 22, 0}, /* a name is no count */
        {"ns/gguf", NULL, false, false, true, false, NB_OK, 0, 72},
        {"ns/both", told, true, true, true, false, NB_OK, 22, 1100048384},
        {"ns/no-config", told, false, true, true, false, NB_OK, 0, 72},
        {"ns/shards", told, false, false, true, true, NB_OK, 0, 1100048384},
        {"ns/nothing", told, true, false, false, false, NB_NOTFOUND, 0, 0},
    };
    net_rig rig = rig_up(NULL, NULL);
    for (size_t i = 0; i < countof(rows); i++)
        entry_of(&rig, &rows[i]);
    rig_down(&rig);
}
