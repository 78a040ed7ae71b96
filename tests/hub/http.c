#include "tests/hub/http.h"

#include <ctype.h>
#include <stdarg.h>
#include <string.h>
#include <strings.h>

#include "tests/hub/mem.h"

/* --- requests -------------------------------------------------------------------------------- */
static int parse_line(http_request *r, char *line)
{
    char *target = strchr(line, ' ');
    char *version = target ? strchr(target + 1, ' ') : NULL;
    if (!version || version == target + 1 || target == line)
        return 400;
    *target++ = '\0';
    *version++ = '\0';
    if (strncmp(version, "HTTP/1.", 7) != 0 || !isdigit((unsigned char)version[7]) || version[8])
        return strncmp(version, "HTTP/", 5) == 0 ? 505 : 400;
    for (const char *p = line; *p; p++)
        if (!isalpha((unsigned char)*p))
            return 400;
    r->method = line;
    r->target = target;
    r->minor = version[7] - '0';
    return 0;
}

static int parse_field(http_request *r, char *line)
{
    char *colon = strchr(line, ':');
    if (!colon || colon == line)
        return 400;
    if (r->n_fields == HTTP_FIELDS)
        return 431;
    for (const char *p = line; p < colon; p++)
        if (*p <= ' ' || *p == 0x7f)
            return 400;
    char *value = colon + 1 + strspn(colon + 1, " \t"), *end = value + strlen(value);
    while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
        *--end = '\0';
    *colon = '\0';
    r->field[r->n_fields++] = (http_field){line, value};
    return 0;
}

static int read_fields(http_request *r)
{
    const char *length = http_get(r, "Content-Length"), *coding = http_get(r, "Transfer-Encoding");
    const char *connection = http_get(r, "Connection"), *expect = http_get(r, "Expect");
    if (length && !nb_parse_u64(length, &r->body_n))
        return 400;
    r->chunked = coding != NULL;
    r->expects = expect && strcasecmp(expect, "100-continue") == 0;
    if (r->minor >= 1)
        r->keep = !connection || !strcasestr(connection, "close");
    else
        r->keep = connection && strcasestr(connection, "keep-alive");
    return 0;
}

static char *next_line(char **at)
{
    char *line = *at, *end = strchr(line, '\n');
    if (!end)
        return NULL;
    *at = end + 1;
    if (end > line && end[-1] == '\r')
        end--;
    *end = '\0';
    return line;
}

int http_parse(http_request *r, const char *head, size_t n)
{
    *r = (http_request){.head = hub_strndup(head, n), .text = hub_strndup(head, n)};
    char *at = r->text;
    r->method = r->target = r->query = at + n;
    if (memchr(head, '\0', n)) {
        r->path = hub_strdup("");
        return 400;
    }
    char *line = next_line(&at);
    int status = line ? parse_line(r, line) : 400;
    while (status == 0 && (line = next_line(&at)) && *line)
        status = parse_field(r, line);
    if (status == 0)
        status = read_fields(r);
    size_t len = strcspn(r->target, "?#");
    r->path = hub_strndup(r->target, len);
    r->query = r->target + len + (r->target[len] == '?');
    return status;
}

void http_free(http_request *r)
{
    free(r->head);
    free(r->text);
    free(r->path);
    free(r->body);
    *r = (http_request){0};
}

const char *http_get(const http_request *r, const char *name)
{
    for (size_t i = 0; i < r->n_fields; i++)
        if (strcasecmp(r->field[i].name, name) == 0)
            return r->field[i].value;
    return NULL;
}

/* --- targets --------------------------------------------------------------------------------- */
static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

char *http_decode(const char *text, size_t len, bool plus, size_t *n)
{
    char *out = hub_alloc(len + 1);
    *n = 0;
    for (size_t i = 0; i < len; i++) {
        char c = plus && text[i] == '+' ? ' ' : text[i];
        if (c == '%') {
            int high = len - i > 2 ? hex_digit(text[i + 1]) : -1;
            int low = high >= 0 ? hex_digit(text[i + 2]) : -1;
            if (low < 0) {
                free(out);
                return NULL;
            }
            c = (char)(16 * high + low);
            i += 2;
        }
        out[(*n)++] = c;
    }
    return out;
}

void http_encode(nb_str *out, const char *text, const char *keep)
{
    for (const char *p = text; *p; p++) {
        unsigned char c = (unsigned char)*p;
        if ((c < 0x80 && isalnum(c)) || strchr("-._~", c) || strchr(keep, c))
            nb_str_addn(out, p, 1);
        else
            nb_str_addf(out, "%%%02X", c);
    }
}

bool http_pair(const char **at, char **name, char **value)
{
    while (**at) {
        size_t len = strcspn(*at, "&"), eq = strcspn(*at, "=&"), n;
        const char *pair = *at;
        *at += len + (pair[len] == '&');
        *name = http_decode(pair, eq, true, &n);
        *value = eq < len ? http_decode(pair + eq + 1, len - eq - 1, true, &n) : hub_strdup("");
        if (*name && *value && len)
            return true;
        free(*name);
        free(*value);
    }
    return false;
}

char *http_param(const char *query, const char *name)
{
    char *key, *value, *found = NULL;
    while (http_pair(&query, &key, &value)) {
        bool hit = strcmp(key, name) == 0;
        free(key);
        free(hit ? found : value);
        found = hit ? value : found;
    }
    return found;
}

static bool digits(const char **at, uint64_t *out)
{
    char text[24];
    size_t n = strspn(*at, "0123456789");
    if (n == 0 || n >= sizeof text)
        return false;
    memcpy(text, *at, n);
    text[n] = '\0';
    *at += n;
    return nb_parse_u64(text, out);
}

int http_range(const char *value, uint64_t size, uint64_t *from, uint64_t *n, bool *bounded)
{
    uint64_t first = 0, last = UINT64_MAX;
    *bounded = false;
    if (!value || strncasecmp(value, "bytes=", 6) != 0)
        return 0;
    const char *at = value + 6;
    bool has_first = digits(&at, &first);
    if (*at++ != '-')
        return 0;
    bool has_last = digits(&at, &last);
    if (*at || (!has_first && !has_last) || (has_first && has_last && last < first))
        return 0;
    if (!has_first) { /* the last `last` bytes */
        first = last < size ? size - last : 0;
        last = last ? UINT64_MAX : 0;
        if (last == 0)
            return -1;
    }
    if (first >= size)
        return -1;
    *bounded = has_first && has_last;
    *from = first;
    *n = (last < size - 1 ? last : size - 1) - first + 1;
    return 1;
}

/* --- replies --------------------------------------------------------------------------------- */
void reply_set(http_reply *r, const char *name, const char *value)
{
    size_t i = 0;
    while (i < r->n_fields && strcasecmp(r->field[i].name, name) != 0)
        i++;
    if (i == r->n_fields) {
        if (!value || i == HTTP_FIELDS)
            return;
        r->field[r->n_fields++].name = hub_strdup(name);
    } else {
        free(r->field[i].value);
    }
    r->field[i].value = hub_strdup(value);
    if (value)
        return;
    free(r->field[i].name);
    r->n_fields--;
    memmove(&r->field[i], &r->field[i + 1], (r->n_fields - i) * sizeof r->field[0]);
}

void reply_setf(http_reply *r, const char *name, const char *fmt, ...)
{
    char *value = NULL;
    va_list ap;
    va_start(ap, fmt);
    if (vasprintf(&value, fmt, ap) < 0)
        abort();
    va_end(ap);
    reply_set(r, name, value);
    free(value);
}

const char *reply_get(const http_reply *r, const char *name)
{
    for (size_t i = 0; i < r->n_fields; i++)
        if (strcasecmp(r->field[i].name, name) == 0)
            return r->field[i].value;
    return NULL;
}

void reply_head(const http_reply *r, nb_str *out)
{
    nb_str_addf(out, "HTTP/1.1 %d %s\r\n", r->status, http_reason(r->status));
    for (size_t i = 0; i < r->n_fields; i++) {
        nb_str_add(out, r->field[i].name);
        nb_str_add(out, ": ");
        nb_str_add(out, r->field[i].value);
        nb_str_add(out, "\r\n");
    }
    nb_str_add(out, "\r\n");
}

void reply_clear(http_reply *r)
{
    for (size_t i = 0; i < r->n_fields; i++) {
        free(r->field[i].name);
        free(r->field[i].value);
    }
    r->n_fields = 0;
}

const char *http_reason(int status)
{
    static const struct {
        int status;
        const char *text;
    } rows[] = {
        {200, "OK"},
        {206, "Partial Content"},
        {301, "Moved Permanently"},
        {302, "Found"},
        {303, "See Other"},
        {304, "Not Modified"},
        {307, "Temporary Redirect"},
        {308, "Permanent Redirect"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {407, "Proxy Authentication Required"},
        {408, "Request Timeout"},
        {410, "Gone"},
        {411, "Length Required"},
        {413, "Payload Too Large"},
        {416, "Range Not Satisfiable"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {451, "Unavailable For Legal Reasons"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {502, "Bad Gateway"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
        {505, "HTTP Version Not Supported"},
    };
    for (size_t i = 0; i < countof(rows); i++)
        if (rows[i].status == status)
            return rows[i].text;
    return "Status";
}
