#include "tests/hub_stage.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/check.h"
#include "tests/gguf_file.h"
#include "tests/util.h"

static void add_files(fake_repo *repo)
{
    gg_file f;
    gg_build(&f);
    const fake_file gguf = {
        .path = "s-Q4_0.gguf", .bytes = f.bytes.at, .size = f.bytes.len, .scan = "suspicious"};
    check(fake_repo_file(repo, &gguf, NULL) == NB_OK, "no file");
    nb_str_free(&f.bytes);
    fake_repo_text(repo, "README.md", "# A card\n\n" STAGE_EVIL "\tend\n");
    fake_repo_noise(repo, "b-Q8_0-00001-of-00002.gguf", 100, 1);
}

stage stage_up(void)
{
    static const char *const orgs[] = {"nibblers", NULL};
    static int n;
    char name[32];
    stage s = {.hub = fix_start(NULL)};
    s.repo = fix_repo(s.hub);
    add_files(s.repo);
    fake_hub_token(s.hub, &(fake_token){.token = STAGE_TOKEN, .orgs = orgs});
    fake_repo *gated = fake_hub_add(
        s.hub, &(fake_repo_info){.id = "ns/gated", .gated = FAKE_GATED_AUTO, .likes = 7});
    fake_repo_noise(gated, "m-Q8_0.gguf", 3000, 1);
    fake_repo_text(gated, "README.md", "secret");
    fake_hub_add(s.hub, &(fake_repo_info){.id = "ns/off", .disabled = true});
    snprintf(name, sizeof name, "stage%d", n++);
    snprintf(s.endpoint, sizeof s.endpoint, "HF_ENDPOINT=%s", fake_hub_origin(s.hub, FAKE_HUB));
    snprintf(s.dir, sizeof s.dir, "%s", test_path(test_tmpdir(), name));
    snprintf(s.home, sizeof s.home, "HOME=%s", s.dir);
    check(mkdir(s.dir, 0700) == 0, "%s is there", s.dir);
    return s;
}

void stage_down(stage *s)
{
    fake_hub_stop(&s->hub);
}

child stage_run_args(const stage *s, const char *env, const char *const *args)
{
    child_how how = {.env = {s->endpoint, s->home, "COLUMNS=100"}};
    int n = 3;
    if (s->token[0])
        how.env[n++] = s->token;
    how.env[n] = env; /* the last of a name counts */
    for (int i = 0; args[i]; i++)
        how.args[i] = args[i];
    return child_run(&how);
}

void stage_works(const child *c, const char *what)
{
    check(c->code == 0 && c->n_err == 0, "%s: status %d: %s", what, c->code, c->err);
}
