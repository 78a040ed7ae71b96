#include "tests/hub_fixture.h"

#include <stdio.h>
#include <string.h>

#include "tests/check.h"

fake_hub *fix_start(const fake_hub_options *opt)
{
    fake_hub *hub;
    nb_err err = {0};
    check(fake_hub_start(&hub, opt, &err) == NB_OK, "%s", err.msg);
    return hub;
}

fake_repo *fix_repo(fake_hub *hub)
{
    static const char *const tags[] = {"gguf", "license:mit", NULL};
    fake_repo *repo = fake_hub_add(
        hub, &(fake_repo_info){.id = "ns/repo",
                               .tags = tags,
                               .downloads = 1,
                               .likes = 2,
                               .gguf = "{\"total\":999885952,\"architecture\":\"gemma3\"}"});
    fake_repo_text(repo, "config.json", "{\"model_type\":\"llama\"}");
    fake_repo_text(repo, "d/e.txt", "e");
    fake_repo_noise(repo, "m.gguf", FIX_BYTES, FIX_SEED);
    return repo;
}

ask_reply fix_get(fake_hub *hub, const char *path, const char *token)
{
    char fields[128];
    snprintf(fields, sizeof fields, "Authorization: Bearer %s\r\n", token ? token : "");
    return ask("GET", ask_url(fake_hub_origin(hub, FAKE_HUB), path), token ? fields : NULL, NULL,
               ASK_MS);
}

ask_reply fix_file(fake_hub *hub, const char *range)
{
    char fields[128];
    snprintf(fields, sizeof fields, "Range: bytes=%s\r\n", range ? range : "");
    return ask_file(ask_url(fake_hub_origin(hub, FAKE_HUB), "/ns/repo/resolve/main/m.gguf"),
                    range ? fields : NULL);
}

void fix_fault(fake_hub *hub, const char *line)
{
    nb_err err = {0};
    check(fake_hub_fault(hub, line, &err) == NB_OK, "%s", err.msg);
}

void fix_has(const ask_reply *r, const char *field, const char *want)
{
    const char *value = ask_field(r, field);
    check(value && strcmp(value, want) == 0, "%s: %s, not %s", field, value ? value : "absent",
          want);
}

bool fix_starts(const char *text, const char *with)
{
    return text && strncmp(text, with, strlen(with)) == 0;
}

nb_json *fix_json(const ask_reply *r)
{
    nb_json *doc = NULL;
    nb_err err = {0};
    check(r->status == 200 && r->whole, "status %d: %.300s", r->status, r->body);
    check(nb_json_parse(&doc, r->body, r->n, 64 << 20, "reply", &err) == NB_OK, "%s: %.300s",
          err.msg, r->body);
    return doc;
}

const char *fix_str(const nb_jval *obj, const char *key)
{
    const char *s = "";
    nb_jstr(nb_jget(obj, key), &s);
    return s;
}
