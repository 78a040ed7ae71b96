/* The form's importance matrix: typed or found beside the model, read by a job, kept as long as the
 * screen, because plans, runs and undone recipes borrow it. */
#include "tui/screens/quantize.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/base/file.h"

/* --- reading ---------------------------------------------------------------------------------- */

static int64_t changed_at(const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return 0;
    return (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
}

/* One that was read already and has not changed since. */
static const nb_imatrix *known(const quantize *q, const char *path)
{
    for (size_t i = 0; i < q->n_matrix; i++)
        if (strcmp(q->matrix[i].im->path, path) == 0 && q->matrix[i].changed_at == changed_at(path))
            return q->matrix[i].im;
    return NULL;
}

static void use(quantize *q, const nb_imatrix *im)
{
    if (im == q->recipe.imatrix)
        return;
    ui_quantize_remember(q);
    q->recipe.imatrix = im;
    ui_quantize_plan(q);
    ui_quantize_aim_again(q);
}

static nb_status read_matrix(nb_job *job, void *arg, nb_err *err)
{
    struct quantize_reading *r = arg;
    (void)job;
    r->changed_at = changed_at(r->path);
    return nb_imatrix_open(&r->made, r->path, err);
}

void ui_quantize_use_imatrix(quantize *q, const char *path)
{
    nb_err err = {0};
    q->matrix_error[0] = '\0';
    if (q->reading)
        return; /* the field says that one is being read */
    const nb_imatrix *im = *path ? known(q, path) : NULL;
    if (!*path || im) {
        use(q, im);
        return;
    }
    if (q->n_matrix == QUANTIZE_MATRICES || strlen(path) >= sizeof q->read_arg.path) {
        snprintf(q->matrix_error, sizeof q->matrix_error, "one too many, or its path is too long");
        return;
    }
    memcpy(q->read_arg.path, path, strlen(path) + 1);
    q->read_arg.made = NULL;
    if (ui_app_job(q->app, &q->reading, UI_QUANTIZE, "read", nb_path_base(path), read_matrix,
                   &q->read_arg, &err) != NB_OK)
        snprintf(q->matrix_error, sizeof q->matrix_error, "%s", err.msg);
}

void ui_quantize_read(quantize *q, const nb_event *e)
{
    q->reading = NULL;
    if (e->err.status != NB_OK) {
        nb_imatrix_close(&q->read_arg.made);
        snprintf(q->matrix_error, sizeof q->matrix_error, "%s", e->err.msg);
        return;
    }
    q->matrix[q->n_matrix].im = q->read_arg.made;
    q->matrix[q->n_matrix++].changed_at = q->read_arg.changed_at;
    q->read_arg.made = NULL;
    ui_app_log(q->app, "read importance matrix %s", q->read_arg.path);
    use(q, q->matrix[q->n_matrix - 1].im);
}

void ui_quantize_drop_matrices(quantize *q)
{
    for (size_t i = 0; i < q->n_matrix; i++)
        nb_imatrix_close(&q->matrix[i].im);
    nb_imatrix_close(&q->read_arg.made);
    q->n_matrix = 0;
}

/* --- those that lie near ---------------------------------------------------------------------- */

enum { MOST_NEAR = 32 };

typedef struct near {
    char path[MOST_NEAR][1024];
    size_t n;
} near;

static bool looks_like_one(const char *name)
{
    return strstr(name, "imatrix") &&
           (nb_has_suffix(name, ".gguf") || nb_has_suffix(name, ".dat") ||
            nb_has_suffix(name, ".imatrix"));
}

static void look_in(near *n, const char *dir)
{
    DIR *d = opendir(dir);
    for (struct dirent *e; d && n->n < MOST_NEAR && (e = readdir(d));)
        if (looks_like_one(e->d_name) &&
            nb_path_join(n->path[n->n], sizeof n->path[0], dir, e->d_name))
            n->n++;
    if (d)
        closedir(d);
}

static int by_path(const void *a, const void *b)
{
    return strcmp(a, b);
}

/* In the model's folder, or in it when it is one, and beside nibble's other models. */
static void find_near(near *n, const quantize *q)
{
    char dir[1040];
    n->n = 0;
    if (q->source) {
        const char *path = q->source->path;
        size_t len = nb_is_dir(path) ? strlen(path) : (size_t)(nb_path_base(path) - path);
        snprintf(dir, sizeof dir, "%.*s", len ? (int)len : 1, len ? path : ".");
        look_in(n, dir);
    }
    snprintf(dir, sizeof dir, "%s/models", ui_app_config(q->app)->data_dir);
    look_in(n, dir);
    qsort(n->path, n->n, sizeof n->path[0], by_path);
}

/* None, then each of them, and round again. */
void ui_quantize_step_imatrix(quantize *q, int step)
{
    near *n = ui_xcalloc(1, sizeof *n);
    find_near(n, q);
    size_t at = 0;
    for (size_t i = 0; q->recipe.imatrix && i < n->n; i++)
        if (strcmp(n->path[i], q->recipe.imatrix->path) == 0)
            at = i + 1;
    at = (at + n->n + 1 + (size_t)step) % (n->n + 1);
    if (n->n == 0)
        snprintf(q->matrix_error, sizeof q->matrix_error, "none lies near: Enter types a path");
    else
        ui_quantize_use_imatrix(q, at ? n->path[at - 1] : "");
    free(n);
}

/* --- in one line ------------------------------------------------------------------------------ */

void ui_quantize_imatrix_line(const quantize *q, char *out, size_t cap, ui_role *role)
{
    const nb_imatrix *im = q->recipe.imatrix;
    char rest[96] = "";
    uint64_t matrices = 0, unseen = 0;
    size_t want = 0;
    for (size_t i = 0; i < im->n; i++)
        for (uint64_t m = 0; m < im->entry[i].n_mat; m++, matrices++)
            unseen += im->entry[i].count[m] <= 0;
    for (size_t i = 0; q->planned && i < q->plan.n; i++)
        want += q->plan.tensor[i].importance != NULL;
    *role = UI_TEXT;
    if (im->n_bad)
        snprintf(rest, sizeof rest, "  %llu values replaced", (unsigned long long)im->n_bad);
    else if (unseen)
        snprintf(rest, sizeof rest, "  %llu of %llu matrices unseen", (unsigned long long)unseen,
                 (unsigned long long)matrices);
    else if (q->planned && want == 0)
        snprintf(rest, sizeof rest, "  none of them here");
    if (*rest)
        *role = UI_WARN;
    nb_elide(out, cap,
             snprintf(out, cap, "%u chunks  %zu weights%s%s%s", im->n_chunks, im->n, rest,
                      im->n_datasets ? "  " : "",
                      im->n_datasets ? nb_path_base(im->dataset[0]) : ""));
}
