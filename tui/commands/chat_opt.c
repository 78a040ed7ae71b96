#include "tui/commands/chat_opt.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/file.h"
#include "core/model/tools.h"

static nb_status read_think(nb_think *out, const ui_arg *arg, nb_err *err)
{
    static const char *const word[] = {
        [NB_THINK_AUTO] = "auto", [NB_THINK_OFF] = "off", [NB_THINK_ON] = "on"};
    *out = NB_THINK_AUTO;
    for (int i = 0; arg->set && i < (int)countof(word); i++)
        if (strcmp(arg->text, word[i]) == 0) {
            *out = (nb_think)i;
            return NB_OK;
        }
    if (!arg->set)
        return NB_OK;
    return nb_fail(err, NB_USAGE, "--think: \"%.40s\" is not on, off or auto", arg->text);
}

static nb_status read_tools(ui_chat_vars *v, const ui_arg *arg, nb_err *err)
{
    if (!arg->set)
        return NB_OK;
    NB_TRY(nb_file_read(&v->tools, &v->vars.tools_len, arg->text, NB_TOOLS_MAX, err));
    v->vars.tools = v->tools;
    return nb_tools_check(v->tools, v->vars.tools_len, nb_path_base(arg->text), err);
}

static nb_status read_arg(nb_chat_arg *out, const char *text, nb_err *err)
{
    enum { VALUE_MAX = 1 << 20 };
    const char *is = strchr(text, '=');
    nb_json *doc = NULL;
    nb_err why = {0};
    if (!is || is == text)
        return nb_fail(err, NB_USAGE, "--template-arg: \"%.60s\" is not KEY=JSON", text);
    if (nb_json_parse(&doc, is + 1, strlen(is + 1), VALUE_MAX, "value", &why) != NB_OK)
        return nb_fail(err, why.status == NB_NOMEM ? NB_NOMEM : NB_USAGE,
                       "--template-arg %.40s: %.150s", text, why.msg);
    nb_json_close(&doc);
    out->name = strndup(text, (size_t)(is - text));
    out->json = is + 1;
    return out->name ? NB_OK : nb_fail(err, NB_NOMEM, "--template-arg: no memory");
}

static nb_status read_args(ui_chat_vars *v, const ui_arg *args, nb_err *err)
{
    if (!args->n_texts)
        return NB_OK;
    v->arg = nb_alloc(args->n_texts, sizeof *v->arg, "template variables", err);
    if (!v->arg)
        return NB_NOMEM;
    v->vars.arg = v->arg;
    for (; v->vars.n_arg < args->n_texts; v->vars.n_arg++)
        NB_TRY(read_arg(&v->arg[v->vars.n_arg], args->texts[v->vars.n_arg], err));
    return NB_OK;
}

nb_status ui_chat_vars_read(ui_chat_vars *out, const ui_arg *think, const ui_arg *tools,
                            const ui_arg *args, nb_err *err)
{
    ui_chat_vars v = {0};
    nb_status st = read_think(&v.vars.think, think, err);
    if (st == NB_OK)
        st = read_tools(&v, tools, err);
    if (st == NB_OK)
        st = read_args(&v, args, err);
    if (st == NB_OK)
        *out = v;
    else
        ui_chat_vars_free(&v);
    return st;
}

void ui_chat_vars_free(ui_chat_vars *v)
{
    for (size_t i = 0; i < v->vars.n_arg; i++)
        free((void *)(uintptr_t)v->arg[i].name);
    free(v->arg);
    free(v->tools);
    *v = (ui_chat_vars){0};
}
