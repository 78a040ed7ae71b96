/* Answers in OpenAI's harmony format (gpt-oss): messages with a header of their own, of which the
 * channel "analysis" is a thought and one to functions.NAME is a call. Told as other models'
 * answers are, with <think> tags, and with <tool_call> tags as Qwen writes them. */
#ifndef NIBBLE_CHANNEL_H
#define NIBBLE_CHANNEL_H

#include "core/model/tok.h"

/* One answer's state. A vocabulary without the format's tokens leaves everything as it is. */
typedef struct nb_channel {
    int32_t start, channel, message, end; /* token ids */
    bool on, header, naming, thinking, calling;
    char name[24]; /* of the channel */
    size_t n_name;
    char head[128]; /* the header's text, as much as fits */
    size_t n_head;
    char open[160]; /* how a call begins */
} nb_channel;

/* Before the first token behind this prompt, which may end inside of a header. */
nb_channel nb_channel_open(const nb_tok *tok, const int32_t *prompt, size_t n);
/* What token id, which prints as n bytes at *text, is shown as; returns its length. *text may point
 * into c. */
size_t nb_channel_piece(nb_channel *c, int32_t id, const char **text, size_t n);
/* What is still shown when the answer has come to its end. */
size_t nb_channel_close(nb_channel *c, const char **text);

#endif
