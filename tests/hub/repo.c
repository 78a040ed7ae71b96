/* Repositories, their commits and files; tokens and renames. */
#include <dirent.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "core/base/digest.h"
#include "core/base/file.h"
#include "tests/hub/hub.h"
#include "tests/hub/mem.h"

static void write_lock(fake_hub *hub)
{
    pthread_rwlock_wrlock(&hub->repos_lock);
}

static void unlock(fake_hub *hub)
{
    pthread_rwlock_unlock(&hub->repos_lock);
}

/* --- finding --------------------------------------------------------------------------------- */
fake_repo *repo_find(fake_hub *hub, const char *id)
{
    fake_repo *r = hub->repos;
    while (r && (r->gone || strcmp(r->id, id) != 0))
        r = r->next;
    return r;
}

const char *repo_moved(fake_hub *hub, const char *id)
{
    for (const hub_rename *m = hub->renames; m; m = m->next)
        if (strcasecmp(m->from, id) == 0)
            return m->to;
    for (const fake_repo *r = hub->repos; r; r = r->next)
        if (!r->gone && !r->is_private && strcasecmp(r->id, id) == 0)
            return r->id;
    return NULL;
}

static repo_commit *commit_of(const fake_repo *repo, const char *hex)
{
    size_t n = strlen(hex);
    if (n < 5 || n > 40 || strspn(hex, "0123456789abcdef") != n)
        return NULL;
    repo_commit *hit = NULL;
    for (size_t i = 0; i < repo->n_commits; i++) {
        if (strncmp(repo->commit[i]->id, hex, n) != 0)
            continue;
        if (hit)
            return NULL; /* ambiguous */
        hit = repo->commit[i];
    }
    return hit;
}

repo_commit *repo_resolve(const fake_repo *repo, const char *rev)
{
    static const char *const under[] = {"refs/heads/", "refs/tags/", ""};
    if (strcmp(rev, "HEAD") == 0) /* what @huggingface/hub asks for by default */
        rev = "main";
    for (size_t k = 0; k < countof(under); k++) {
        size_t n = strlen(under[k]);
        for (size_t i = 0; i < repo->n_refs; i++) {
            const char *name = repo->ref[i].name;
            if (strncmp(name, under[k], n) == 0 && strcmp(name + n, rev) == 0)
                return repo->ref[i].commit;
        }
    }
    return commit_of(repo, rev);
}

const repo_file *repo_lookup(const repo_commit *commit, const char *path)
{
    for (size_t i = 0; i < commit->n; i++)
        if (strcmp(commit->file[i].path, path) == 0)
            return &commit->file[i];
    return NULL;
}

const char *repo_etag(const repo_file *file)
{
    return file->lfs ? content_sha256(file->data) : content_git(file->data);
}

/* --- adding ---------------------------------------------------------------------------------- */
static void hex_of(const char *kind, const char *id, size_t n, char out[41])
{
    nb_str s = {0};
    nb_str_addf(&s, "%s %s %zu", kind, id, n);
    if (nb_git_sha1_of(s.at, s.len, out, NULL) != NB_OK)
        abort();
    nb_str_free(&s);
}

static repo_commit *new_commit(fake_repo *r, const char *title)
{
    repo_commit *c = hub_alloc(sizeof *c);
    hex_of("commit", r->id, r->n_commits, c->id);
    c->title = hub_strdup(title);
    r->commit = hub_grow(r->commit, r->n_commits, sizeof *r->commit);
    r->commit[r->n_commits++] = c;
    return c;
}

static void set_ref(fake_repo *r, const char *name, repo_commit *commit)
{
    for (size_t i = 0; i < r->n_refs; i++) {
        if (strcmp(r->ref[i].name, name) == 0) {
            r->ref[i].commit = commit;
            return;
        }
    }
    r->ref = hub_grow(r->ref, r->n_refs, sizeof *r->ref);
    r->ref[r->n_refs++] = (repo_ref){hub_strdup(name), commit};
}

static uint64_t parameters_of(const char *json)
{
    nb_json *doc = NULL;
    int64_t n = 0;
    if (!json || nb_json_parse(&doc, json, strlen(json), 1 << 20, "gguf", NULL) != NB_OK)
        return 0;
    bool ok = nb_jint(nb_jget(nb_json_root(doc), "total"), &n);
    nb_json_close(&doc);
    return ok && n > 0 ? (uint64_t)n : 0;
}

fake_repo *fake_hub_add(fake_hub *hub, const fake_repo_info *info)
{
    char hex[41];
    fake_repo *r = hub_alloc(sizeof *r);
    *r = (fake_repo){
        .hub = hub,
        .id = hub_strdup(info->id),
        .pipeline_tag = hub_strdup(info->pipeline_tag),
        .library_name = hub_strdup(info->library_name),
        .created = hub_strdup(info->created ? info->created : "2024-03-02T09:00:00.000Z"),
        .modified = hub_strdup(info->modified ? info->modified : "2025-01-15T12:00:00.000Z"),
        .card = hub_strdup(info->card),
        .config = hub_strdup(info->config),
        .gguf = hub_strdup(info->gguf),
        .safetensors = hub_strdup(info->safetensors),
        .raw = hub_strdup(info->raw),
        .downloads = info->downloads,
        .downloads_all = info->downloads_all,
        .likes = info->likes,
        .trending = info->trending,
        .gated = info->gated,
        .is_private = info->is_private,
        .disabled = info->disabled,
    };
    r->parameters = parameters_of(r->safetensors);
    if (!r->parameters)
        r->parameters = parameters_of(r->gguf);
    hex_of("repo", r->id, 0, hex);
    snprintf(r->oid, sizeof r->oid, "%.24s", hex);
    for (size_t i = 0; info->tags && info->tags[i]; i++) {
        r->tags = hub_grow(r->tags, r->n_tags, sizeof *r->tags);
        r->tags[r->n_tags++] = hub_strdup(info->tags[i]);
    }
    set_ref(r, "refs/heads/main", new_commit(r, "initial commit"));
    write_lock(hub);
    fake_repo *old = repo_find(hub, r->id), **end = &hub->repos;
    if (old)
        old->gone = true;
    while (*end)
        end = &(*end)->next;
    *end = r;
    unlock(hub);
    return r;
}

fake_repo *fake_hub_repo(fake_hub *hub, const char *id)
{
    pthread_rwlock_rdlock(&hub->repos_lock);
    fake_repo *r = repo_find(hub, id);
    unlock(hub);
    return r;
}

void fake_hub_rename(fake_hub *hub, const char *old_id, const char *new_id)
{
    hub_rename *m = hub_alloc(sizeof *m);
    m->from = hub_strdup(old_id);
    m->to = hub_strdup(new_id);
    write_lock(hub);
    m->next = hub->renames;
    hub->renames = m;
    unlock(hub);
}

void fake_hub_token(fake_hub *hub, const fake_token *token)
{
    hub_token *t = hub_alloc(sizeof *t);
    t->token = hub_strdup(token->token);
    t->name = hub_strdup(token->name ? token->name : "tester");
    t->role = hub_strdup(token->role ? token->role : "read");
    t->pro = token->pro;
    for (size_t i = 0; token->orgs && token->orgs[i]; i++) {
        t->orgs = hub_grow(t->orgs, t->n_orgs, sizeof *t->orgs);
        t->orgs[t->n_orgs++] = hub_strdup(token->orgs[i]);
    }
    write_lock(hub);
    t->next = hub->tokens;
    hub->tokens = t;
    unlock(hub);
}

void fake_repo_grant(fake_repo *r, const char *token, fake_access access)
{
    size_t i = 0;
    write_lock(r->hub);
    while (i < r->n_grants && strcmp(r->grant[i].token, token) != 0)
        i++;
    if (i == r->n_grants) {
        r->grant = hub_grow(r->grant, r->n_grants, sizeof *r->grant);
        r->grant[r->n_grants++].token = hub_strdup(token);
    }
    r->grant[i].access = access;
    unlock(r->hub);
}

/* --- files ----------------------------------------------------------------------------------- */
static bool wants_lfs(const fake_file *file, uint64_t size)
{
    static const char *const suffix[] = {
        ".gguf", ".safetensors", ".bin", ".model",   ".pt",      ".pth", ".onnx", ".h5",
        ".npz",  ".pickle",      ".pkl", ".msgpack", ".parquet", ".zip", ".gz",   ".imatrix",
    };
    bool lfs = size >= 10000000;
    for (size_t i = 0; i < countof(suffix); i++)
        lfs = lfs || nb_has_suffix(file->path, suffix[i]);
    return file->store == FAKE_AUTO ? lfs : file->store != FAKE_GIT;
}

static repo_commit *newest(const fake_repo *r)
{
    return r->commit[r->n_commits - 1];
}

static void drop_file(repo_commit *c, size_t i)
{
    free(c->file[i].path);
    free(c->file[i].scan);
    c->n--;
    memmove(&c->file[i], &c->file[i + 1], (c->n - i) * sizeof *c->file);
}

static void put_file(repo_commit *c, repo_file file)
{
    size_t i = 0;
    while (i < c->n && strcmp(c->file[i].path, file.path) < 0)
        i++;
    if (i < c->n && strcmp(c->file[i].path, file.path) == 0)
        drop_file(c, i);
    c->file = hub_grow(c->file, c->n, sizeof *c->file);
    memmove(&c->file[i + 1], &c->file[i], (c->n - i) * sizeof *c->file);
    c->file[i] = file;
    c->n++;
}

nb_status fake_repo_file(fake_repo *r, const fake_file *file, nb_err *err)
{
    content *c = NULL;
    if (file->disk)
        NB_TRY(content_of_disk(&c, file->disk, file->sha256, err));
    else if (file->bytes || file->size == 0)
        c = content_of_bytes(file->bytes, (size_t)file->size, file->sha256);
    else
        c = content_of_noise(file->seed, file->size, file->head, file->head_size, file->sha256);
    bool lfs = wants_lfs(file, c->size);
    write_lock(r->hub);
    c->next = r->hub->contents;
    r->hub->contents = c;
    put_file(newest(r), (repo_file){.path = hub_strdup(file->path),
                                    .data = c,
                                    .lfs = lfs,
                                    .xet = lfs && file->store != FAKE_LFS,
                                    .scan = hub_strdup(file->scan ? file->scan : "safe")});
    unlock(r->hub);
    return NB_OK;
}

void fake_repo_text(fake_repo *r, const char *path, const char *text)
{
    fake_repo_file(r, &(fake_file){.path = path, .bytes = text, .size = strlen(text)}, NULL);
}

void fake_repo_noise(fake_repo *r, const char *path, uint64_t size, uint64_t seed)
{
    fake_repo_file(r, &(fake_file){.path = path, .size = size, .seed = seed}, NULL);
}

/* Depth is bounded by the path's room. */
static nb_status add_folder(fake_repo *r, const char *dir, const char *under, nb_err *err)
{
    nb_status st = NB_OK;
    struct dirent *e;
    DIR *d = opendir(dir);
    if (!d)
        return nb_fail(err, NB_IO, "%s: cannot be listed", dir);
    while (st == NB_OK && (e = readdir(d))) {
        char full[4096], inner[4096];
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        if (!nb_path_join(full, sizeof full, dir, e->d_name) ||
            snprintf(inner, sizeof inner, "%s%s", under, e->d_name) >= (int)sizeof inner - 1) {
            st = nb_fail(err, NB_IO, "%s: path too long", dir);
        } else if (nb_is_dir(full)) {
            strcat(inner, "/");
            st = add_folder(r, full, inner, err);
        } else {
            st = fake_repo_file(r, &(fake_file){.path = inner, .disk = full}, err);
        }
    }
    closedir(d);
    return st;
}

nb_status fake_repo_folder(fake_repo *r, const char *dir, nb_err *err)
{
    return add_folder(r, dir, "", err);
}

void fake_repo_remove(fake_repo *r, const char *path)
{
    write_lock(r->hub);
    repo_commit *c = newest(r);
    for (size_t i = c->n; i-- > 0;)
        if (strcmp(c->file[i].path, path) == 0)
            drop_file(c, i);
    unlock(r->hub);
}

bool fake_repo_sha256(fake_repo *r, const char *path, char out[65])
{
    pthread_rwlock_rdlock(&r->hub->repos_lock);
    const repo_file *f = repo_lookup(newest(r), path);
    if (f)
        snprintf(out, 65, "%s", content_sha256(f->data));
    unlock(r->hub);
    return f != NULL;
}

bool fake_repo_listed(fake_repo *r, const char *path, uint64_t *size, char oid[65])
{
    pthread_rwlock_rdlock(&r->hub->repos_lock);
    const repo_file *f = repo_lookup(newest(r), path);
    if (f) {
        *size = f->data->size;
        snprintf(oid, 65, "%s", f->lfs ? content_sha256(f->data) : content_git(f->data));
    }
    unlock(r->hub);
    return f != NULL;
}

/* --- commits --------------------------------------------------------------------------------- */
const char *fake_repo_head(const fake_repo *r)
{
    pthread_rwlock_rdlock(&r->hub->repos_lock);
    const char *id = newest(r)->id;
    unlock(r->hub);
    return id;
}

const char *fake_repo_commit(fake_repo *r, const char *title)
{
    write_lock(r->hub);
    const repo_commit *old = newest(r);
    repo_commit *c = new_commit(r, title);
    for (size_t i = 0; i < old->n; i++) {
        repo_file f = old->file[i];
        f.path = hub_strdup(f.path);
        f.scan = hub_strdup(f.scan);
        put_file(c, f);
    }
    set_ref(r, "refs/heads/main", c);
    unlock(r->hub);
    return c->id;
}

void fake_repo_ref(fake_repo *r, const char *ref, const char *commit)
{
    write_lock(r->hub);
    repo_commit *c = commit ? commit_of(r, commit) : newest(r);
    if (c)
        set_ref(r, ref, c);
    unlock(r->hub);
}

/* --- end ------------------------------------------------------------------------------------- */
static void free_repo(fake_repo *r)
{
    char *const text[] = {r->id,   r->pipeline_tag, r->library_name, r->created,     r->modified,
                          r->card, r->config,       r->gguf,         r->safetensors, r->raw};
    for (size_t i = 0; i < countof(text); i++)
        free(text[i]);
    for (size_t i = 0; i < r->n_tags; i++)
        free(r->tags[i]);
    for (size_t i = 0; i < r->n_refs; i++)
        free(r->ref[i].name);
    for (size_t i = 0; i < r->n_grants; i++)
        free(r->grant[i].token);
    for (size_t i = 0; i < r->n_commits; i++) {
        repo_commit *c = r->commit[i];
        while (c->n)
            drop_file(c, c->n - 1);
        free(c->file);
        free(c->title);
        free(c);
    }
    free(r->tags);
    free(r->ref);
    free(r->grant);
    free(r->commit);
    free(r);
}

static void free_token(hub_token *t)
{
    for (size_t i = 0; i < t->n_orgs; i++)
        free(t->orgs[i]);
    free(t->orgs);
    free(t->token);
    free(t->name);
    free(t->role);
    free(t);
}

void repo_free_all(fake_hub *hub)
{
    for (fake_repo *r = hub->repos, *next; r; r = next) {
        next = r->next;
        free_repo(r);
    }
    for (content *c = hub->contents, *next; c; c = next) {
        next = c->next;
        content_free(c);
    }
    for (hub_token *t = hub->tokens, *next; t; t = next) {
        next = t->next;
        free_token(t);
    }
    for (hub_rename *m = hub->renames, *next; m; m = next) {
        next = m->next;
        free(m->from);
        free(m->to);
        free(m);
    }
}
